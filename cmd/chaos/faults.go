package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// fault is something that goes wrong under traffic, and is over when do returns.
type fault struct {
	name   string
	weight int // how often, beside the others
	do     func(context.Context, *world) error
}

// faults are all of them.
var faults = []fault{
	{"kill -9", 6, func(_ context.Context, w *world) error { return w.host.KillAndStart() }},
	{"kill -9, and again while it starts", 3, killTwice},
	{"frozen and woken", 3, freeze},
	{"frozen, another takes over, woken", 2, takeOver},
	{"killed, and one that stands by goes on", 2, killOwner},
	{"handed over to one that stands by", 2, handOver},
	{"drained by SIGTERM", 1, drain},
	{"paused, killed, resumed", 2, pauseAndKill},
	{"its backends are terminated", 2, func(ctx context.Context, w *world) error {
		return w.exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'ichor %'")
	}},
	{"the database stops at once", 2, stopAtOnce},
	{"the database restarts", 1, restart},
	{"cut before COMMIT", 2, next(pgtest.CutBeforeCommit)},
	{"cut after COMMIT", 3, next(pgtest.CutAfterCommit)},
	{"FATAL after COMMIT", 2, next(pgtest.FatalAfterCommit)},
	{"half a transaction, then silence", 1, next(pgtest.SilenceBeforeCommit)},
	{"every connection is cut", 2, func(_ context.Context, w *world) error { w.proxy.Cut(); return nil }},
	{"the database is away", 2, weather(pgtest.Refused)},
	{"the network is silent", 1, weather(pgtest.Silent)},
	{"a stranger holds a row", 1, holdRow},
	{"a column is gone, and comes back", 1, renameColumn},
	{"the broker is frozen", 2, freezeBroker},
	{"the broker is killed", 1, killBroker},
	{"failover to a copy that lacks commits", 2, failOver},
}

// named returns the faults of a name.
func named(name string) (found []fault) {
	for _, f := range faults {
		if f.name == name {
			found = append(found, f)
		}
	}
	return found
}

func names() string {
	var all []string
	for _, f := range faults {
		all = append(all, fmt.Sprintf("%q", f.name))
	}
	return strings.Join(all, ", ")
}

// some waits for up to a time.
func (w *world) some(ctx context.Context, most time.Duration) error {
	return hosttest.Sleep(ctx, time.Duration(w.random.Int64N(int64(most))))
}

func killTwice(ctx context.Context, w *world) error {
	if err := w.host.KillAndStart(); err != nil {
		return err
	}
	if err := w.some(ctx, 800*time.Millisecond); err != nil {
		return err
	}
	return w.host.KillAndStart()
}

func freeze(ctx context.Context, w *world) error {
	if err := w.host.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(w.some(ctx, 3*time.Second), w.host.Signal(syscall.SIGCONT))
}

func drain(_ context.Context, w *world) error {
	if err := w.host.Stop(); err != nil {
		return err
	}
	return w.host.Start()
}

// pauseAndKill checks that a pause holds across a crash.
func pauseAndKill(ctx context.Context, w *world) error {
	if _, err := w.stage.Ichor(ctx, "pause", "-c", w.settings(), "--reason", "chaos"); err != nil {
		return err
	}
	err := w.host.KillAndStart()
	if err == nil {
		err = w.stands(ctx, time.Second)
	}
	_, resumed := w.stage.Ichor(ctx, "resume", "-c", w.settings(), "--reason", "chaos", "--wait", "30s")
	return errors.Join(err, resumed)
}

// stands checks that nothing is installed for a while.
func (w *world) stands(ctx context.Context, long time.Duration) error {
	// What was in flight when the host was killed may still commit.
	if err := hosttest.Sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	before, err := w.state(ctx)
	if err == nil {
		err = hosttest.Sleep(ctx, long)
	}
	if err != nil {
		return err
	}
	after, err := w.state(ctx)
	if err == nil && after != before {
		err = violated("paused, it went from %+v to %+v", before, after)
	}
	return err
}

func stopAtOnce(ctx context.Context, w *world) error {
	if err := w.server.Abort(); err != nil {
		return err
	}
	return errors.Join(w.some(ctx, time.Second), w.server.Restart(ctx))
}

func restart(ctx context.Context, w *world) error {
	return errors.Join(w.server.Stop(), w.server.Restart(ctx))
}

// next makes the next COMMIT fail, and waits until it did.
func next(f pgtest.Fault) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		w.proxy.Next(f)
		for begun := time.Now(); w.proxy.Pending(); {
			if time.Since(begun) > w.options.Patience {
				return errors.New("no COMMIT came that could fail")
			}
			if err := hosttest.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	}
}

func weather(bad pgtest.Weather) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		w.proxy.Turn(bad)
		defer w.proxy.Turn(pgtest.Fair)
		return w.some(ctx, 2*time.Second)
	}
}

func freezeBroker(ctx context.Context, w *world) error {
	w.broker.Signal(syscall.SIGSTOP)
	defer w.broker.Signal(syscall.SIGCONT)
	return w.some(ctx, 2*time.Second)
}

// killBroker kills the broker and starts it again on its data.
func killBroker(ctx context.Context, w *world) error {
	w.broker.Kill()
	return errors.Join(w.some(ctx, time.Second), w.broker.again(ctx))
}

// holdRow locks a hot row for a while.
func holdRow(ctx context.Context, w *world) error {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select from bank_accounts where number = $1 for update", w.bank.Opening.Accounts[0]); err != nil {
			return err
		}
		return w.some(ctx, 3*time.Second)
	})
}

// renameColumn takes a column away that every statement names, gives it back, and has what is held by then
// tried at once, as an operator would.
func renameColumn(ctx context.Context, w *world) error {
	if err := w.exec(ctx, "alter table bank_accounts rename column amount to gone"); err != nil {
		return err
	}
	err := errors.Join(w.some(ctx, time.Second), w.exec(ctx, "alter table bank_accounts rename column gone to amount"))
	if err != nil {
		return err
	}
	// Nothing may be held, or some settle by themselves meanwhile: then it says so, and that is well.
	_, _ = w.stage.Ichor(ctx, "quarantine", "retry", "--kind", "sql", "-c", w.settings(), "--reason", "chaos", "--wait", "30s")
	return nil
}

// failOver copies the database, lets the host commit more, and has the copy take the place of the original.
func failOver(ctx context.Context, w *world) error {
	if err := w.server.Stop(); err != nil {
		return err
	}
	other, err := w.server.Copy(ctx)
	if err != nil {
		return err
	}
	w.copies = append(w.copies, other)
	if err := w.server.Restart(ctx); err != nil {
		return err
	}
	before, err := w.state(ctx)
	if err != nil {
		return err
	}
	if err := w.passes(ctx, before.snapshot); err != nil {
		return err
	}
	w.proxy.Turn(pgtest.Refused)
	defer w.proxy.Turn(pgtest.Fair)
	w.proxy.Point(other)
	if err := w.server.Abort(); err != nil {
		return err
	}
	w.server = other
	return nil
}
