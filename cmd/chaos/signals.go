package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/status"
)

// signalFaults are the faults of a host that is told to end while it begins, or while it can end nothing.
var signalFaults = []fault{
	{"drained by SIGTERM in every phase of a start", 2, ends, false, drainStarts},
	{"drained by SIGTERM while the database is away", 1, outage, false, drainInOutage},
	{"SIGTERM twice while the database is away", 1, outage, false, signalTwice},
}

var outage = append([]status.Reason{status.Installing, status.Contended}, ends...)

const (
	// drainWithin is how soon a host ends that is told to; a busy machine may add the allowance.
	drainWithin = 10 * time.Second
	// endsAtOnce is how soon the second signal ends it.
	endsAtOnce = time.Second
	// startLasts is about how long a start goes through its phases, where nobody else needs the machine, and startParts how many
	// signals come in such a time.
	startLasts = 1500 * time.Millisecond
	startParts = 3
)

// drainStarts kills the host and then tells it to end in one start after the other: at a time in the first part of it, in the
// second, and so on, and when it has just taken the cohort over, however long that takes.
func drainStarts(ctx context.Context, w *world) error {
	if err := w.host.Check(); err != nil {
		return err
	}
	w.host.Kill()
	const each = startLasts / startParts
	var waits []func() error
	for part := range startParts {
		waits = append(waits, func() error { return errors.Join(hosttest.Sleep(ctx, time.Duration(part)*each), w.some(ctx, each)) })
	}
	waits = append(waits, func() error { return errors.Join(w.becomes(ctx, w.host, owns), w.some(ctx, each)) })
	for _, wait := range waits {
		said, err := w.logged()
		if err == nil {
			err = w.host.Start()
		}
		if err == nil {
			err = wait()
		}
		if err != nil {
			return err
		}
		w.note("told to end in a start: in the phase %q", phaseOf(ctx, w.host))
		if err := w.drains(ctx, said); err != nil {
			return err
		}
	}
	w.over = time.Now()
	return w.host.Start()
}

// drains tells the host to end, which it must do in time and with exit code 0. said is how much its log had when it started: one
// that the signal ended before it said anything had not begun, and could not know of the signal.
func (w *world) drains(ctx context.Context, said int64) error {
	if err := w.host.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	how, err := w.host.Ended(ctx, drainWithin+allowance)
	if err != nil {
		return violated("told to end by SIGTERM: %v", err)
	}
	says, err := w.logged()
	if err == nil && how != 0 && (how.Signal() != syscall.SIGTERM || says != said) {
		err = violated("told to end by SIGTERM it ends with exit code %d, or by the signal: %v; its log ends:\n%s", how.ExitStatus(), how.Signaled(), w.host.Tail())
	}
	return err
}

// logged returns how much the host's log has.
func (w *world) logged() (int64, error) {
	info, err := os.Stat(w.host.Log)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// away does something while the database is away, at once or without a word, and starts the host again when that is over.
func (w *world) away(ctx context.Context, do func() error) error {
	w.proxy.Turn([]pgtest.Weather{pgtest.Refused, pgtest.Silent}[w.random.IntN(2)])
	err := errors.Join(w.some(ctx, 2*time.Second), w.host.Check())
	if err == nil {
		err = do()
	}
	w.proxy.Turn(pgtest.Fair)
	if err == nil {
		w.over = time.Now()
		err = w.host.Start()
	}
	return err
}

// drainInOutage tells the host to end while nobody can answer what it has in flight: it ends in time all the same, and the next one
// finds out.
func drainInOutage(ctx context.Context, w *world) error {
	return w.away(ctx, func() error { return w.drains(ctx, 0) })
}

// signalTwice tells it once more while it waits for that: then it ends at once, by the signal, unless it was about to end.
func signalTwice(ctx context.Context, w *world) error {
	return w.away(ctx, func() error {
		if err := errors.Join(w.host.Signal(syscall.SIGTERM), w.some(ctx, time.Second), w.host.Signal(syscall.SIGTERM)); err != nil {
			return err
		}
		how, err := w.host.Ended(ctx, endsAtOnce)
		switch {
		case err != nil:
			return violated("told to end a second time: %v", err)
		case how == 0:
			w.note("told to end twice: it had ended after the first signal")
		case how.Signal() == syscall.SIGTERM:
			w.note("told to end twice: the second signal ended it")
		default:
			return violated("told to end twice it ends with exit code %d; its log ends:\n%s", how.ExitStatus(), w.host.Tail())
		}
		return nil
	})
}
