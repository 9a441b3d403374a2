// Package initiator is the other writer of a cohort: an application that asked for a transfer
// installs it itself as soon as it is decided and its safepoint is reached, and does not wait for
// the replicator. It has the manners of Talos's own initiators: REPEATABLE READ, the plans that the
// server chooses, a guard by version on each row, and ten tries in six seconds.
//
// A cohort's initiator and its guest must apply the same change, for whichever is first wins: this
// one does what examples/banking/guest does with a TRANSFER.
package initiator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Options say what an initiator reads and where it writes.
type Options struct {
	Brokers  []string
	Topic    string
	Database string // DSN of the cohort
	Workers  int    // transfers that are installed at once; 4 when it is 0
	Every    int    // it asked for one in so many transfers; 1 when it is 0
}

// Stats is what an initiator did.
type Stats struct {
	Installed  int     `json:"installed"`  // transfers that it installed before the host
	Already    int     `json:"already"`    // that the host had installed
	Waits      int     `json:"waits"`      // tries that found the snapshot below the safepoint
	Serialized int     `json:"serialized"` // tries that ended with 40001
	Deadlocks  int     `json:"deadlocks"`  // tries that ended with 40P01
	GaveUp     int     `json:"gave_up"`    // transfers that it left to the host
	P50, P99   float64 `json:"-"`          // ms
}

const (
	triesMax       = 10
	timeMax        = 6 * time.Second
	pauseMin       = 20 * time.Millisecond
	pauseMax       = 1500 * time.Millisecond
	workersDefault = 4
)

// transfer is a version that an initiator asked for.
type transfer struct {
	version, safepoint talos.Version
	from, to, amount   string
	read               time.Time
}

// Initiator follows the topic. Run makes it work, Stats may be called at any time.
type Initiator struct {
	options Options
	work    chan transfer
	seen    int // candidates, by the goroutine that follows

	mu    sync.Mutex
	stats Stats
	took  []time.Duration
}

// New returns an initiator that has not begun.
func New(options Options) *Initiator {
	if options.Workers == 0 {
		options.Workers = workersDefault
	}
	options.Every = max(options.Every, 1)
	return &Initiator{options: options, work: make(chan transfer, 1024)}
}

// Run installs transfers until the context ends, which is no error.
func (i *Initiator) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for range i.options.Workers {
		group.Go(func() {
			if err := i.install(ctx); err != nil {
				cancel(err)
			}
		})
	}
	err := i.follow(ctx)
	close(i.work)
	group.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// Stats returns what was done so far.
func (i *Initiator) Stats() Stats {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.stats
	s.P50, s.P99 = quantile(i.took, 0.50), quantile(i.took, 0.99)
	return s
}

// follow reads candidates and decisions, and hands out the transfers that are committed.
func (i *Initiator) follow(ctx context.Context) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(i.options.Brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{i.options.Topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond),
	)
	if err != nil {
		return fmt.Errorf("initiator: %w", err)
	}
	defer client.Close()
	asked := map[talos.Version]transfer{}
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("initiator: read %s: %w", i.options.Topic, err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			i.record(ctx, records.Next(), asked)
		}
	}
	return nil
}

func (i *Initiator) record(ctx context.Context, r *kgo.Record, asked map[talos.Version]transfer) {
	kind, _ := talos.Classify(func(name string) (value []byte) {
		for _, h := range r.Headers {
			if h.Key == name && h.Value != nil {
				value = h.Value
			}
		}
		return value
	}, r.Value)
	switch kind {
	case talos.CandidateKind:
		t, ok := transferOf(talos.Version(r.Offset), r.Value)
		if i.seen++; ok && i.seen%i.options.Every == 0 {
			asked[t.version] = t
		}
	case talos.DecisionKind:
		var d talos.Decision
		if err := talos.DecodeDecision(r.Value, &d); err != nil {
			return // the host counts what it cannot read
		}
		t, ok := asked[d.Version]
		delete(asked, d.Version)
		if !ok || d.Outcome != talos.Committed || d.Duplicate || d.Contradictory() {
			return
		}
		t.safepoint, t.read = d.Safepoint, time.Now()
		select {
		case i.work <- t:
		case <-ctx.Done():
		}
	}
}

// transferOf returns the transfer that a candidate asks for; false when it asks for anything else.
func transferOf(v talos.Version, value []byte) (transfer, bool) {
	var c talos.Candidate
	if talos.DecodeCandidate(v, value, &c) != nil || c.Unreadable != nil || len(c.Items) != 1 || c.Items[0].Action != "TRANSFER" {
		return transfer{}, false
	}
	var payload struct {
		From, To string
		Amount   json.Number
	}
	if json.Unmarshal(c.Items[0].Payload, &payload) != nil || payload.From == payload.To {
		return transfer{}, false
	}
	return transfer{version: v, from: payload.From, to: payload.To, amount: payload.Amount.String()}, true
}

// install is a worker: one connection, one transfer at a time.
func (i *Initiator) install(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, i.options.Database)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("initiator: %w", err)
	}
	defer conn.Close(context.Background())
	for t := range i.work {
		if err := i.try(ctx, conn, t); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("initiator: install version %d: %w", t.version, err)
		}
	}
	return nil
}

// The outcomes of a try.
var (
	errBelowSafepoint = errors.New("the snapshot is below the safepoint")
	errAlready        = errors.New("it is installed already")
)

// try installs a transfer, unless the host was first or it takes too long.
func (i *Initiator) try(ctx context.Context, conn *pgx.Conn, t transfer) error {
	pause := pauseMin
	for tries := 1; ; tries++ {
		err := once(ctx, conn, t)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code != "40001" && pg.Code != "40P01" {
			return err
		}
		if err != nil && pg == nil && !errors.Is(err, errBelowSafepoint) && !errors.Is(err, errAlready) {
			return err
		}
		over := err == nil || errors.Is(err, errAlready)
		if i.count(t, err, pg, over || tries == triesMax || time.Since(t.read) > timeMax) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, pauseMax)
	}
}

// count notes a try; it reports whether it was the last.
func (i *Initiator) count(t transfer, err error, pg *pgconn.PgError, last bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case err == nil:
		i.stats.Installed++
	case errors.Is(err, errAlready):
		i.stats.Already++
	case errors.Is(err, errBelowSafepoint):
		i.stats.Waits++
	case pg.Code == "40P01":
		i.stats.Deadlocks++
	default:
		i.stats.Serialized++
	}
	if !last {
		return false
	}
	if err != nil && !errors.Is(err, errAlready) {
		i.stats.GaveUp++
	}
	i.took = append(i.took, time.Since(t.read))
	return true
}

// once makes one try.
func once(ctx context.Context, conn *pgx.Conn, t transfer) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var snapshot int64
		if err := tx.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&snapshot); err != nil {
			return err
		}
		if snapshot >= int64(t.version) {
			return errAlready
		}
		if snapshot < int64(t.safepoint) {
			return errBelowSafepoint
		}
		tag, err := tx.Exec(ctx, `update bank_accounts set version = $4::bigint,
				amount = amount + case number when $1::text then -$3::text::numeric when $2::text then $3::text::numeric end
			where number in ($1::text, $2::text) and version < $4::bigint`, t.from, t.to, t.amount, int64(t.version))
		if err == nil && tag.RowsAffected() == 0 {
			return errAlready
		}
		return err
	})
}

// quantile returns the q-quantile of the durations in milliseconds, 0 when there are none.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}
