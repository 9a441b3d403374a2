package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/status"
)

// part is something that may go wrong together with others. It lasts for about as long as it is told, if it lasts at all.
type part struct {
	name    string
	kind    string // of those of one kind there is one at a time
	reasons []status.Reason
	do      func(context.Context, *world, time.Duration) error
}

// parts are all of them. What stops the server is none, for others ask it meanwhile; nor is what changes a table, for it would wait
// for the transaction of a host that is frozen or that a silent network keeps from ending, and everybody else for it.
var parts = []part{
	{"the database is away", "network", noServer, weather(pgtest.Refused)},
	{"the network is silent", "network", silence, weather(pgtest.Silent)},
	{"a disk is full", "network", []status.Reason{status.Installing}, weather(pgtest.DiskFull)},
	{"a row is locked", "row", locks, holdRow},
	{"a transaction hides the log", "log", strangers, holdLog},
	{"the broker is frozen", "broker", noLog, freezeBroker},
	{"backends are terminated", "backends", cuts, repeated(endBackends)},
	{"connections are cut", "connections", cuts, repeated(cutAll)},
	{"a cut before COMMIT", "commit", cuts, briefly(next(pgtest.CutBeforeCommit))},
	{"a cut after COMMIT", "commit", cuts, briefly(next(pgtest.CutAfterCommit))},
	{"FATAL after COMMIT", "commit", cuts, briefly(next(pgtest.FatalAfterCommit))},
	{"half a transaction, then silence", "commit", silence, briefly(next(pgtest.SilenceBeforeCommit))},
	{"the host is frozen", "freeze", slices.Concat(noLog, cuts), freezeHost},
	{"the host is killed", "kill", starts, briefly(func(_ context.Context, w *world) error { return w.host.KillAndStart() })},
	{"a guest is swapped", "guest", nil, briefly(func(_ context.Context, w *world) error { return w.swap() })},
}

const (
	// fewest and most are how many parts come together.
	fewest, most = 3, 6
	// beginsWithin is when the last of them begins at the latest.
	beginsWithin = 2 * time.Second
	// shortest and longest are how long those last that last.
	shortest, longest = 500 * time.Millisecond, 3 * time.Second
	// repeatedEvery is the pause of what is done again and again.
	repeatedEvery = 300 * time.Millisecond
)

// briefly has something happen that does not last.
func briefly(do func(context.Context, *world) error) func(context.Context, *world, time.Duration) error {
	return func(ctx context.Context, w *world, _ time.Duration) error { return do(ctx, w) }
}

// repeated has something happen again and again for some time.
func repeated(do func(context.Context, *world) error) func(context.Context, *world, time.Duration) error {
	return func(ctx context.Context, w *world, d time.Duration) error {
		for begun := time.Now(); ; {
			if err := do(ctx, w); err != nil || time.Since(begun) > d {
				return err
			}
			if err := hosttest.Sleep(ctx, repeatedEvery); err != nil {
				return err
			}
		}
	}
}

// together draws parts of different kinds.
func together(all []part, random *rand.Rand) (drawn []part) {
	many, taken := fewest+random.IntN(most-fewest+1), map[string]bool{}
	for _, i := range random.Perm(len(all)) {
		if p := all[i]; len(drawn) < many && !taken[p.kind] {
			taken[p.kind] = true
			drawn = append(drawn, p)
		}
	}
	return drawn
}

// severalAtOnce has several things go wrong together, each from an instant of its own on. Hosts may give the reasons of each; it is
// over when the last is.
func severalAtOnce(ctx context.Context, w *world) error {
	drawn := together(parts, w.random)
	errs, names := make([]error, len(drawn)), make([]string, len(drawn))
	return w.amid(ctx, func() error {
		var all sync.WaitGroup
		for i, p := range drawn {
			names[i] = p.name
			w.ready.explains(p.reasons...)
			begins, lasts := w.random.Int64N(int64(beginsWithin)), int64(shortest)+w.random.Int64N(int64(longest-shortest))
			all.Go(func() {
				if errs[i] = hosttest.Sleep(ctx, time.Duration(begins)); errs[i] == nil {
					errs[i] = p.do(ctx, w, time.Duration(lasts))
				}
			})
		}
		all.Wait()
		w.over = time.Now()
		what := strings.Join(names, ", ")
		w.note("at once: %s", what)
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("at once %s: %w", what, err)
		}
		return nil
	})
}
