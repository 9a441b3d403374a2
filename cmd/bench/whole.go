package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/talos"
)

// watchEvery is how often the snapshot is looked at. It is one short read of one row.
const watchEvery = 2 * time.Millisecond

// whole is the way of a backlog through the host.
type whole struct {
	rate    float64       // versions a second, from the first move of the snapshot to its last
	start   time.Duration // from the start of the process to the first move
	peakMiB float64
	group   float64 // versions a transaction, on average
	cpu     float64 // processors that the host kept busy meanwhile
}

// install lets a fresh host install the backlog into a fresh database.
func (s *stage) install(ctx context.Context, b *backlog, o options) (w whole, err error) {
	database, err := s.bank(ctx)
	if err != nil {
		return w, err
	}
	begun := time.Now()
	h, err := s.startHost(ctx, backlogTopic, database, o)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, h.Stop()) }()
	conn, err := pgx.Connect(ctx, h.dsn)
	if err != nil {
		return w, err
	}
	defer conn.Close(context.Background())
	first, since, err := h.await(ctx, conn, 1, o.Patience)
	if err != nil {
		return w, err
	}
	before, err := h.usage()
	if err != nil {
		return w, err
	}
	_, until, err := h.await(ctx, conn, b.last, o.Patience)
	if err != nil {
		return w, err
	}
	after, err := h.usage()
	if err != nil {
		return w, err
	}
	groups, err := h.groups(ctx)
	if err != nil {
		return w, err
	}
	took := until.Sub(since)
	w = whole{
		rate: float64(b.between(first, b.last)) / took.Seconds(), start: since.Sub(begun),
		group: float64(len(b.transfers)) / float64(groups), peakMiB: after.peakMiB, cpu: (after.cpu - before.cpu).Seconds() / took.Seconds(),
	}
	return w, s.judge(ctx, b, h.dsn)
}

// judge compares the database with a serial replay of the log.
func (s *stage) judge(ctx context.Context, b *backlog, dsn string) error {
	v, err := verdict.Check(ctx, b.log, s.opening, dsn)
	if err != nil {
		return err
	}
	if !v.OK() {
		return fmt.Errorf("what the host installed differs from a serial replay in %d accounts, snapshot %v of %v: %v",
			v.Different, v.Snapshot, v.WantSnapshot, v.Differences)
	}
	return nil
}

// await returns the first snapshot that is seen at or above one, and when.
func (h *host) await(ctx context.Context, conn *pgx.Conn, want talos.Version, patience time.Duration) (talos.Version, time.Time, error) {
	var known talos.Version
	moved := time.Now()
	for {
		var snapshot int64
		err := conn.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&snapshot)
		now := time.Now()
		if err != nil {
			return 0, now, fmt.Errorf("watch the snapshot: %w", err)
		}
		version := talos.Version(snapshot)
		if version >= want {
			return version, now, nil
		}
		if version != known {
			known, moved = version, now
		}
		if now.Sub(moved) > patience {
			return 0, now, fmt.Errorf("the snapshot has been %v for %v; the host's log ends:\n%s", known, patience, h.Tail())
		}
		if err := h.Check(); err != nil {
			return 0, now, err
		}
		if err := sleep(ctx, watchEvery); err != nil {
			return 0, now, err
		}
	}
}

// sleep returns after a time, or with the cause of the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
