package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// failovers are the faults of a database whose place a copy takes that lacks commits.
var failovers = []fault{
	{"failover to a copy that lacks commits", 2, reloads, false, failOver},
	{"frozen, failover, another takes over there, woken", 2, reloads, false, failOverAndTakeOver},
}

// failOver copies the database, lets the host commit more, and has the copy take the place of the original.
func failOver(ctx context.Context, w *world) error {
	other, err := w.copyDatabase(ctx)
	if err != nil {
		return err
	}
	before, err := w.state(ctx)
	if err == nil {
		err = w.passes(ctx, before.snapshot)
	}
	if err != nil {
		return err
	}
	return w.replaceBy(other)
}

// copyDatabase starts a server on a copy of the database as it is now, and the original again.
func (w *world) copyDatabase(ctx context.Context) (*pgtest.Server, error) {
	if err := w.server.Stop(); err != nil {
		return nil, err
	}
	other, err := w.server.Copy(ctx)
	if err != nil {
		return nil, errors.Join(err, w.server.Restart(ctx))
	}
	w.copies = append(w.copies, other)
	return other, w.server.Restart(ctx)
}

// replaceBy has another server take the place of the one that has the database, which ends.
func (w *world) replaceBy(other *pgtest.Server) error {
	w.proxy.Turn(pgtest.Refused)
	defer w.proxy.Turn(pgtest.Fair)
	w.proxy.Point(other)
	if err := w.server.Abort(); err != nil {
		return err
	}
	w.serve(other)
	return nil
}

// failOverAndTakeOver freezes the owner and has a copy take the place of the database, in which another host takes the cohort
// over. Half of the time the copy is older than the owner's own take-over, so that the other one gets the number of its epoch, and
// only the token tells the two apart. The owner that wakes stands by; what it had committed is installed anew, and what it
// has yet to commit never is: the commits that the copy has seen say so.
func failOverAndTakeOver(ctx context.Context, w *world) error {
	frozen := w.host
	copied, err := w.copyDatabase(ctx)
	if err == nil && w.random.IntN(2) == 0 {
		err = frozen.KillAndStart()
	}
	if err == nil {
		err = w.becomes(ctx, frozen, owns)
	}
	if err != nil {
		return err
	}
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	w.host = other
	return w.amid(ctx, func() error {
		err := errors.Join(w.goesOn(ctx), frozen.Signal(syscall.SIGSTOP))
		before, unknown := w.epoch(ctx)
		if err = errors.Join(err, unknown); err == nil {
			err = w.replaceBy(copied)
		}
		if err == nil {
			err = w.becomes(ctx, other, owns)
		}
		after, unknown := w.epoch(ctx)
		if err = errors.Join(err, unknown); after == before {
			w.note("frozen, and another took over in a copy: with the number of the frozen one's epoch")
		}
		err = errors.Join(err, w.some(ctx, time.Second), frozen.Signal(syscall.SIGCONT))
		if err == nil {
			err = w.becomes(ctx, frozen, standsBy)
		}
		return errors.Join(err, w.goesOn(ctx), w.dismiss(frozen))
	})
}
