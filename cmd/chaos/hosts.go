package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

// The phases of a host that chaos waits for, as /v1/status says them.
const (
	standsBy = "standby"
	owns     = "running"
)

// second starts another host, which stands by.
func (w *world) second(ctx context.Context) (*stage.Host, error) {
	other, err := w.newHost(ctx)
	if err == nil {
		err = other.Start()
	}
	if err == nil {
		err = w.becomes(ctx, other, standsBy)
	}
	return other, err
}

// phaseOf returns the phase that a host says it is in; empty while it does not answer.
func phaseOf(ctx context.Context, h *stage.Host) string {
	var said struct{ Phase string }
	if h.Ask(ctx, "/v1/status", &said) != nil { // it may not listen yet
		return ""
	}
	return said.Phase
}

// becomes waits until a host says that it is in a phase.
func (w *world) becomes(ctx context.Context, h *stage.Host, phase string) error {
	said := ""
	for begun := time.Now(); time.Since(begun) < w.options.Patience; {
		if err := h.Check(); err != nil {
			return fmt.Errorf("a host ends by itself: %w", err)
		}
		if said = phaseOf(ctx, h); said == phase {
			return nil
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("a host is %s for %v and does not become %s; its log ends:\n%s", said, w.options.Patience, phase, h.Tail())
}

// says waits until a host has said each of the reasons since the fault began.
func (w *world) says(ctx context.Context, reasons ...status.Reason) error {
	for begun := time.Now(); ; {
		missing := slices.DeleteFunc(slices.Clone(reasons), w.ready.heard)
		switch {
		case len(missing) == 0:
			return nil
		case time.Since(begun) > w.options.Patience:
			return violated("no host says %v; the log of one ends:\n%s", missing, w.host.Tail())
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// What hosts that run call the logs for which they end.
const (
	logCompacted = "log_compacted"
	logDiverged  = "log_diverged"
)

// exitRuntime is the exit code of a host that ends by itself, or that a start was refused for what the log is.
const exitRuntime = 1

// endsBy waits until the host ends by itself with that exit code, and its last line says why.
func (w *world) endsBy(ctx context.Context, within time.Duration, why string) error {
	how, err := w.host.Ended(ctx, within)
	if err != nil {
		return violated("it should end and say %q: %v", why, err)
	}
	lines := strings.Split(w.host.Tail(), "\n")
	if last := lines[len(lines)-1]; how.ExitStatus() != exitRuntime || !strings.Contains(last, why) {
		return violated("it should end with exit code %d and say %q at last, and ends with %d; its log ends:\n%s", exitRuntime, why, how.ExitStatus(), w.host.Tail())
	}
	return nil
}

// startIsRefused starts the host, which must end and say why without having taken the cohort over, and asks for a check, which
// must say the same.
func (w *world) startIsRefused(ctx context.Context, why string) error {
	before, err := w.epoch(ctx)
	if err == nil {
		err = w.host.Start()
	}
	if err == nil {
		err = w.endsBy(ctx, w.options.Patience, why)
	}
	if err != nil {
		return err
	}
	after, err := w.epoch(ctx)
	if err == nil && after != before {
		err = violated("a host that refuses its log took the cohort over: the epoch was %d and is %d", before, after)
	}
	if _, said := w.stage.Ichor(ctx, "check", "-c", w.settings()); err == nil && (said == nil || !strings.Contains(said.Error(), why)) {
		err = violated("ichor check does not say %q: %v", why, said)
	}
	return err
}

// takeOver lets another host take the cohort from one that is frozen; when that wakes it must stand by, and
// commit nothing.
func takeOver(ctx context.Context, w *world) error {
	frozen := w.host
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	w.host = other
	err = errors.Join(frozen.Signal(syscall.SIGSTOP), w.becomes(ctx, other, owns), w.some(ctx, time.Second), frozen.Signal(syscall.SIGCONT))
	if err == nil {
		err = w.becomes(ctx, frozen, standsBy)
	}
	return errors.Join(err, w.dismiss(frozen))
}

// killOwner kills the host that owns the cohort while another stands by.
func killOwner(ctx context.Context, w *world) error {
	killed := w.host
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	w.host = other
	w.over = time.Now()
	killed.Kill()
	w.ready.forget(killed.Address)
	return w.becomes(ctx, other, owns)
}

// handOver has the host give the cohort to another.
func handOver(ctx context.Context, w *world) error {
	before := w.host
	settings := w.settings()
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	w.host = other
	w.over = time.Now()
	_, err = w.stage.Ichor(ctx, "handover", "-c", settings, "--reason", "chaos", "--wait", w.options.Patience.String())
	if err == nil {
		err = errors.Join(w.becomes(ctx, other, owns), w.becomes(ctx, before, standsBy))
	}
	return errors.Join(err, w.dismiss(before))
}
