package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

const (
	gaugeEvery   = 50 * time.Millisecond
	journeyEvery = 500 * time.Millisecond
)

// gauge follows the cohort's snapshot in the database and the host's journeys. Its readings
// may be taken from any goroutine while follow runs in one.
type gauge struct {
	journeys *journeys

	mu       sync.Mutex
	snapshot talos.Version
	moved    time.Time
}

// follow reads until the context ends, which is no error.
func (g *gauge) follow(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("follow the snapshot: %w", err)
	}
	defer conn.Close(context.Background())
	var asked time.Time
	for {
		var snapshot int64
		err := conn.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&snapshot)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow the snapshot: %w", err)
		}
		g.set(talos.Version(snapshot))
		if time.Since(asked) >= journeyEvery {
			asked = time.Now()
			_ = g.journeys.ask(ctx) // between two hosts there is nobody to answer
		}
		if sleep(ctx, gaugeEvery) != nil {
			return nil
		}
	}
}

func (g *gauge) set(snapshot talos.Version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if snapshot != g.snapshot || g.moved.IsZero() {
		g.snapshot, g.moved = snapshot, time.Now()
	}
}

// read returns the snapshot and since when it has been there.
func (g *gauge) read() (talos.Version, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.snapshot, g.moved
}

// errStuck is returned when the snapshot does not move although it should.
var errStuck = errors.New("the snapshot does not move")

// wait returns when the snapshot is as wanted, and errStuck when it stays at one version for
// longer than patience.
func (g *gauge) wait(ctx context.Context, patience time.Duration, wanted func(talos.Version) bool) error {
	begun := time.Now()
	for {
		snapshot, moved := g.read()
		if wanted(snapshot) {
			return nil
		}
		if moved.Before(begun) {
			moved = begun
		}
		if time.Since(moved) > patience {
			return fmt.Errorf("%w: it has been %v for %v", errStuck, snapshot, patience)
		}
		if err := sleep(ctx, gaugeEvery); err != nil {
			return err
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
