package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

// brokerFaults are the faults of a cluster that lives on, in another order or with bad answers.
var brokerFaults = []fault{
	{"the leader moves", 2, nil, false, moveLeaders},
	{"the broker that hosts were told of is away", 1, nil, false, loseFirst},
	{"the broker that hosts were told of is away, and one starts", 1, starts, false, loseFirstAndStart},
	{"the broker answers fetches slowly", 1, noLog, false, upTo(6*time.Second, badFetches(slowFetches))},
	{"the broker answers no fetch for long", 1, noLog, false, hangLong},
	{"answers of the broker end in the middle", 1, noLog, false, upTo(4*time.Second, badFetches(cutFetches))},
}

// moveLeaders has each of the brokers lead the partition for a while, in which something is installed.
func moveLeaders(ctx context.Context, w *world) error {
	for range brokers {
		err := w.moveLeader(ctx)
		var before state
		if err == nil {
			before, err = w.state(ctx)
		}
		if err == nil {
			err = w.traffic.batch(ctx, chunk, 0)
		}
		if err == nil {
			err = w.passes(ctx, before.snapshot)
		}
		if err == nil {
			err = w.some(ctx, 400*time.Millisecond)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveLeader has another broker lead the partition.
func (w *world) moveLeader(ctx context.Context) error {
	before, err := w.traffic.broker.Leader(ctx, topic)
	if err != nil {
		return err
	}
	w.broker.Signal(moveLeader)
	for leader := before; leader == before; {
		if err := errors.Join(hosttest.Sleep(ctx, 5*time.Millisecond), w.broker.Check()); err != nil {
			return err
		}
		if leader, err = w.traffic.broker.Leader(ctx, topic); err != nil {
			return err
		}
	}
	return nil
}

// badFetches has something happen to the answers to fetches while more is written.
func badFetches(how syscall.Signal) func(context.Context, *world, time.Duration) error {
	return func(ctx context.Context, w *world, d time.Duration) error {
		return w.amid(ctx, func() error {
			w.broker.Signal(how)
			defer w.broker.Signal(how)
			return hosttest.Sleep(ctx, d)
		})
	}
}

// hangLong has fetches hang for as long as a host must explain, which it must do before its own time for an answer is over.
func hangLong(ctx context.Context, w *world) error {
	return errors.Join(badFetches(hangFetches)(ctx, w, long), w.hasSaid(status.SourceUnavailable))
}

// withoutFirst does something while the first broker is away.
func (w *world) withoutFirst(ctx context.Context, do func() error) error {
	w.broker.Signal(turnFirst)
	err := w.broker.listens(ctx, w.broker.first, false)
	if err == nil {
		err = do()
	}
	w.over = time.Now()
	w.broker.Signal(turnFirst)
	return errors.Join(err, w.broker.listens(ctx, w.broker.first, true))
}

// loseFirst takes away the only broker that the hosts were told of. A host that runs has learned of the others and
// goes on with them, also when it must find a new leader.
func loseFirst(ctx context.Context, w *world) error {
	return w.withoutFirst(ctx, func() error { return moveLeaders(ctx, w) })
}

// loseFirstAndStart has a host start meanwhile, which knows no other: it says that it cannot read the log until the
// broker is there again.
func loseFirstAndStart(ctx context.Context, w *world) error {
	return w.withoutFirst(ctx, func() error {
		return errors.Join(w.host.KillAndStart(), w.says(ctx, status.SourceUnavailable), hosttest.Sleep(ctx, long))
	})
}
