package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// watchEvery is how often the snapshot is looked at. It is one short read of one row, and the processors are the host's too.
const watchEvery = 10 * time.Millisecond

// backlogRun is what the host needed to install a backlog.
type backlogRun struct {
	rate    float64       // versions a second, from the first move of the snapshot to its last
	start   time.Duration // from the start of the process to the first move
	peakMiB float64
	group   float64 // versions a transaction, on average
	cpu     float64 // processors that the host kept busy meanwhile
}

// install lets a fresh host install the backlog into a fresh database. change may change its settings; what is done
// beside it ends when the backlog is installed.
func (m *benchmark) install(ctx context.Context, b *backlog, change func(*stage.Bank, *stage.Settings), beside ...func(context.Context, *stage.Host) error) (run backlogRun, err error) {
	bank, err := m.bank(ctx, b.accounts)
	if err != nil {
		return run, err
	}
	begun := time.Now()
	h, err := m.NewHost(ctx, b.topic(), bank.Cohort, func(s *stage.Settings) { change(bank, s) })
	if err != nil {
		return run, err
	}
	if err := h.Start(); err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, h.Stop()) }()
	watching, stop := context.WithCancel(ctx)
	ended := make(chan error, len(beside))
	for _, do := range beside {
		go func() { ended <- do(watching, h) }()
	}
	defer func() {
		stop()
		for range beside {
			err = errors.Join(err, <-ended)
		}
	}()
	conn, err := pgx.Connect(ctx, bank.URL)
	if err != nil {
		return run, err
	}
	defer conn.Close(context.Background())
	first, since, err := m.await(ctx, h, conn, 1)
	if err != nil {
		return run, err
	}
	before, err := usageOf(h)
	if err != nil {
		return run, err
	}
	_, until, err := m.await(ctx, h, conn, b.last)
	if err != nil {
		return run, err
	}
	after, err := usageOf(h)
	if err != nil {
		return run, err
	}
	groups, err := groups(ctx, h)
	if err != nil {
		return run, err
	}
	took := until.Sub(since)
	run = backlogRun{
		rate: float64(b.between(first, b.last)) / took.Seconds(), start: since.Sub(begun),
		group: float64(len(b.transfers)) / float64(groups), peakMiB: after.peakMiB, cpu: (after.cpu - before.cpu).Seconds() / took.Seconds(),
	}
	return run, m.judge(ctx, b, bank)
}

// judge compares the database with a serial replay of the log, and the host's books with the log.
func (m *benchmark) judge(ctx context.Context, b *backlog, bank *stage.Bank) error {
	v, err := verdict.Check(ctx, b.log, bank.Opening, bank.URL)
	if err != nil {
		return err
	}
	if !v.OK() {
		return fmt.Errorf("what the host installed differs from a serial replay in %d accounts, snapshot %v of %v: %v",
			v.Different, v.Snapshot, v.WantSnapshot, v.Differences)
	}
	books, _, err := m.Books(ctx, b.topic(), bank.Cohort, false) // the host may still be about to publish
	if err != nil {
		return err
	}
	return stage.BooksError(books)
}

// await returns the first snapshot that is seen at or above one, and when.
func (m *benchmark) await(ctx context.Context, h *stage.Host, conn *pgx.Conn, want talos.Version) (talos.Version, time.Time, error) {
	var known talos.Version
	moved := time.Now()
	for {
		version, err := stage.Snapshot(ctx, conn)
		now := time.Now()
		if err != nil {
			return 0, now, err
		}
		if version >= want {
			return version, now, nil
		}
		if version != known {
			known, moved = version, now
		}
		if now.Sub(moved) > m.options.Patience {
			return 0, now, fmt.Errorf("the snapshot has been %v for %v; the host's log ends:\n%s", known, m.options.Patience, h.Tail())
		}
		if err := h.Check(); err != nil {
			return 0, now, err
		}
		if err := hosttest.Sleep(ctx, watchEvery); err != nil {
			return 0, now, err
		}
	}
}
