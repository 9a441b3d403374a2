package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

const (
	watchEvery   = 50 * time.Millisecond
	journeyEvery = 500 * time.Millisecond
)

// snapshotWatch follows the cohort's snapshot in the database and the host's journeys. Its readings
// may be taken from any goroutine while follow runs in one.
type snapshotWatch struct {
	journeys *journeys

	mu       sync.Mutex
	snapshot talos.Version
	moved    time.Time
}

// follow reads until the context ends, which is no error.
func (w *snapshotWatch) follow(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("follow the snapshot: %w", err)
	}
	defer conn.Close(context.Background())
	var asked time.Time
	for {
		snapshot, err := stage.Snapshot(ctx, conn)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the snapshot: %w", err)
		}
		w.set(snapshot)
		if time.Since(asked) >= journeyEvery {
			asked = time.Now()
			_ = w.journeys.ask(ctx) // between two hosts there is nobody to answer
		}
		if hosttest.Sleep(ctx, watchEvery) != nil {
			return nil
		}
	}
}

func (w *snapshotWatch) set(snapshot talos.Version) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if snapshot != w.snapshot || w.moved.IsZero() {
		w.snapshot, w.moved = snapshot, time.Now()
	}
}

// read returns the snapshot and since when it has been there.
func (w *snapshotWatch) read() (talos.Version, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snapshot, w.moved
}

// errStuck is returned when the snapshot does not move although it should.
var errStuck = errors.New("the snapshot does not move")

// wait returns when the snapshot is as wanted, and errStuck when it stays at one version for
// longer than patience.
func (w *snapshotWatch) wait(ctx context.Context, patience time.Duration, wanted func(talos.Version) bool) error {
	begun := time.Now()
	for {
		snapshot, moved := w.read()
		if wanted(snapshot) {
			return nil
		}
		if moved.Before(begun) {
			moved = begun
		}
		if time.Since(moved) > patience {
			return fmt.Errorf("%w: it has been %v for %v", errStuck, snapshot, patience)
		}
		if err := hosttest.Sleep(ctx, watchEvery); err != nil {
			return err
		}
	}
}
