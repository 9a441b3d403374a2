package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/status"
)

// fault is something that goes wrong under traffic, and is over when do returns.
type fault struct {
	name    string
	weight  int             // how often, beside the others
	reasons []status.Reason // that a host may give for it; see readiness
	pooled  bool            // it meets a host behind a pooler
	do      func(context.Context, *world) error
}

// What hosts say, by what happens to them: one that starts, or takes the cohort over, goes through its phases.
var (
	starts = []status.Reason{status.Starting, status.DatabaseUnavailable, status.SourceUnavailable, status.LoadingGuests, status.Unowned}
	cuts   = []status.Reason{status.DatabaseUnavailable}
	// After an outage the lane whose group is in doubt may be the last that connects again.
	noServer = []status.Reason{status.DatabaseUnavailable, status.Installing}
	noLog    = []status.Reason{status.SourceUnavailable}
	silence  = []status.Reason{status.DatabaseUnavailable, status.Installing, status.Contended}
	locks    = []status.Reason{status.Contended, status.Installing}
	wrongSQL = []status.Reason{status.PoisonHeld, status.DatabaseRefuses}
	ends     = append([]status.Reason{status.Stopped}, starts...)
	pauses   = append([]status.Reason{status.Paused}, starts...)
	reloads  = append([]status.Reason{status.Reloading}, starts...)
)

// long is how long a fault lasts that a host must explain.
const long = saidWithin + allowance + time.Second

// faults are all of them. A clock that is wrong by an hour is none: the machine's clock is not the driver's to
// set, and libraries that pretend another one do not reach a static binary, which asks the kernel itself. The
// core takes its time from events, so the simulator has hosts whose clocks are wrong.
var faults = slices.Concat([]fault{
	{"kill -9", 6, starts, false, func(_ context.Context, w *world) error { return w.host.KillAndStart() }},
	{"kill -9, and again while it starts", 3, starts, false, killTwice},
	{"frozen and woken", 3, slices.Concat(cuts, noLog), false, upTo(3*time.Second, freezeHost)},
	{"frozen, another takes over, woken", 2, starts, false, takeOver},
	{"killed, and one that stands by goes on", 2, starts, false, killOwner},
	{"handed over to one that stands by", 2, starts, false, handOver},
	{"five start at once, two owners are killed", 1, starts, false, fiveAtOnce},
	{"drained by SIGTERM", 1, ends, false, drain},
	{"paused, killed, resumed", 2, pauses, false, pauseAndKill},
	{"its backends are terminated", 2, cuts, false, endBackends},
	{"answers of connecting and of committing cross", 1, noServer, false, crossAnswers},
	{"the database stops at once", 2, noServer, false, stopAtOnce},
	{"the database restarts", 1, noServer, false, restart},
	{"cut before COMMIT", 2, cuts, false, next(pgtest.CutBeforeCommit)},
	{"cut after COMMIT", 3, cuts, false, next(pgtest.CutAfterCommit)},
	{"FATAL after COMMIT", 2, cuts, false, next(pgtest.FatalAfterCommit)},
	{"half a transaction, then silence", 1, silence, false, next(pgtest.SilenceBeforeCommit)},
	{"every connection is cut", 2, cuts, false, cutAll},
	{"start-up parameters are dropped", 1, starts, false, dropParameters},
	{"the database is away", 2, noServer, false, upTo(2*time.Second, weather(pgtest.Refused))},
	{"the database is away for long", 1, noServer, false, lasting(weather(pgtest.Refused))},
	{"the network is silent", 1, silence, false, upTo(2*time.Second, weather(pgtest.Silent))},
	{"a disk is full", 1, []status.Reason{status.Installing}, false, fillDisk},
	{"a stranger holds a row", 1, locks, false, upTo(3*time.Second, holdRow)},
	{"a stranger holds a row for long", 1, locks, false, lasting(holdRow)},
	{"a column is gone, and comes back", 1, wrongSQL, false, renameColumn},
	{"the broker is frozen", 2, noLog, false, upTo(2*time.Second, freezeBroker)},
	{"the broker is frozen for long", 1, noLog, false, lasting(freezeBroker)},
	{"the broker is killed", 1, noLog, false, killBroker},
	{"no descriptors are left", 1, slices.Concat(noServer, noLog), false, noDescriptors},
	{"several at once", 4, nil, false, severalAtOnce},
}, failovers, refusals, logFaults, signalFaults, brokerFaults, swapFaults, requestFaults, crashes(), []fault{
	{"pooler: killed and started again", 2, noServer, true, killPooler},
	{"pooler: the host is killed", 1, starts, true, func(_ context.Context, w *world) error { return w.host.KillAndStart() }},
	{"pooler: cut after COMMIT", 1, cuts, true, next(pgtest.CutAfterCommit)},
	{"pooler: its backends are terminated", 1, cuts, true, endBackends},
	{"pooler: the database stops at once", 1, noServer, true, stopAtOnce},
	{"pooler: every connection is cut", 1, cuts, true, cutAll},
	{"pooler: start-up parameters are dropped", 1, starts, true, dropParameters},
	{"pooler: one of transactions is refused", 1, nil, true, refuseTransactions},
})

// upTo has something last for some time, and lasting for as long as a host must explain it.
func upTo(most time.Duration, do func(context.Context, *world, time.Duration) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		return do(ctx, w, time.Duration(w.random.Int64N(int64(most))))
	}
}

func lasting(do func(context.Context, *world, time.Duration) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error { return do(ctx, w, long) }
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

// freezeHost stops the host's process for a while.
func freezeHost(ctx context.Context, w *world, d time.Duration) error {
	if err := w.host.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(hosttest.Sleep(ctx, d), w.host.Signal(syscall.SIGCONT))
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

func weather(bad pgtest.Weather) func(context.Context, *world, time.Duration) error {
	return func(ctx context.Context, w *world, d time.Duration) error {
		w.proxy.Turn(bad)
		defer w.proxy.Turn(pgtest.Fair)
		return hosttest.Sleep(ctx, d)
	}
}

func cutAll(_ context.Context, w *world) error {
	w.proxy.Cut()
	return nil
}

func endBackends(ctx context.Context, w *world) error {
	return w.exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'ichor %'")
}

func freezeBroker(ctx context.Context, w *world, d time.Duration) error {
	w.broker.Signal(syscall.SIGSTOP)
	defer w.broker.Signal(syscall.SIGCONT)
	return hosttest.Sleep(ctx, d)
}

// killBroker kills the brokers and starts them again on their data.
func killBroker(ctx context.Context, w *world) error {
	w.broker.Kill()
	return errors.Join(w.some(ctx, time.Second), w.broker.again(ctx))
}

// holdRow locks a hot row.
func holdRow(ctx context.Context, w *world, d time.Duration) error {
	conn, err := pgx.Connect(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select from bank_accounts where number = $1 for update", w.bank.Opening.Accounts[0]); err != nil {
			return err
		}
		return hosttest.Sleep(ctx, d)
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
