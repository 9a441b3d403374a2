package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/guest/guesttest"
)

// rung is one way to install with the bare database client.
type rung struct {
	Name        string `json:"name"`
	Connections int    `json:"connections"`
	Group       int    `json:"versions_a_transaction"`
	// Steps sends BEGIN, the statement and COMMIT one after the other, as an installer does
	// whose versions may have several statements; else all goes in one round trip.
	Steps bool    `json:"steps"`
	Rate  float64 `json:"versions_per_s"`

	share float64 // how much of the backlog it is given: the slow ones need not have all
}

// rungs are the ladder. A rung of several connections takes versions as they come, without
// regard for what they depend on: it may leave other balances, but it does the same work.
var rungs = []rung{
	{Name: "one transaction a version, 1 connection", Connections: 1, Group: 1, Steps: true, share: 0.05},
	{Name: "one transaction a version, 50 connections", Connections: 50, Group: 1, Steps: true, share: 0.25},
	{Name: "one bare statement a version, 50 connections", Connections: 50, Group: 1, share: 0.25},
	{Name: "groups of 100, 1 connection", Connections: 1, Group: 100, share: 0.5},
	{Name: "groups of 1,000, 1 connection", Connections: 1, Group: 1000, share: 1},
}

// The rungs that the host is compared with.
const (
	fiftyConnections = 1
	fiftyStatements  = 2
)

// guestSQL returns the statement that the banking guest makes of a transfer.
func guestSQL(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, guesttest.BankingDir, "manifest.json"))
	if err != nil {
		return "", fmt.Errorf("read the guest's manifest: %w", err)
	}
	var manifest struct {
		Templates []struct{ Name, SQL string }
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return "", fmt.Errorf("read the guest's manifest: %w", err)
	}
	for _, t := range manifest.Templates {
		if t.Name == "transfer" {
			return t.SQL, nil
		}
	}
	return "", fmt.Errorf("the guest's manifest has no template named transfer")
}

// climb measures one rung on a fresh bank.
func (m *benchmark) climb(ctx context.Context, r rung, sql string, transfers []transfer) (float64, error) {
	bank, err := m.bank(ctx, m.options.Accounts)
	if err != nil {
		return 0, err
	}
	transfers = transfers[:max(1, int(r.share*float64(len(transfers))))]
	conns := make([]*pgx.Conn, r.Connections)
	for i := range conns {
		if conns[i], err = connect(ctx, bank.URL, sql); err != nil {
			break
		}
	}
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close(context.Background()) // its work is done or given up
			}
		}
	}()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for _, conn := range conns {
		all.Go(func() {
			if err := work(ctx, conn.PgConn(), r, transfers, &next); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	if err := context.Cause(ctx); err != nil {
		return 0, fmt.Errorf("%s: %w", r.Name, err)
	}
	return float64(len(transfers)) / took.Seconds(), nil
}

// connect connects as the host does, and prepares the statement.
func connect(ctx context.Context, url, sql string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["enable_seqscan"] = "off"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"begin": "begin", "transfer": sql, "commit": "commit"} {
		if _, err := conn.PgConn().Prepare(ctx, name, text, nil); err != nil {
			return conn, err
		}
	}
	return conn, nil
}

// work takes groups of transfers until there are no more, each in one transaction; unless the
// rung goes in steps it is pipelined: one write, one wait.
func work(ctx context.Context, conn *pgconn.PgConn, r rung, transfers []transfer, next *atomic.Int64) error {
	for {
		end := int(next.Add(int64(r.Group)))
		begin := end - r.Group
		if begin >= len(transfers) || ctx.Err() != nil {
			return ctx.Err()
		}
		var batch pgconn.Batch
		if r.Group > 1 || r.Steps {
			batch.ExecPrepared("begin", nil, nil, nil)
		}
		if err := r.step(ctx, conn, &batch); err != nil {
			return err
		}
		for _, t := range transfers[begin:min(end, len(transfers))] {
			version := strconv.AppendUint(nil, uint64(t.version), 10)
			batch.ExecPrepared("transfer", [][]byte{[]byte(t.from), []byte(t.to), []byte(t.amount), version}, nil, nil)
		}
		if err := r.step(ctx, conn, &batch); err != nil {
			return err
		}
		if r.Group > 1 || r.Steps {
			batch.ExecPrepared("commit", nil, nil, nil)
		}
		if _, err := conn.ExecBatch(ctx, &batch).ReadAll(); err != nil {
			return err
		}
	}
}

// step sends what the batch has so far and waits for the answer, if the rung goes in steps.
func (r rung) step(ctx context.Context, conn *pgconn.PgConn, batch *pgconn.Batch) error {
	if !r.Steps {
		return nil
	}
	_, err := conn.ExecBatch(ctx, batch).ReadAll()
	*batch = pgconn.Batch{}
	return err
}
