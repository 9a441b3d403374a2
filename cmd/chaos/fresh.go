package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// newGuest makes a guest that no host has seen, so that it is compiled and checked first, and which can be told from
// the one that converts.
func (w *world) newGuest(ctx context.Context) converter {
	before := w.converting(ctx)
	like := w.swaps[len(w.fresh)%len(w.swaps)]
	for _, c := range slices.Concat(w.swaps, w.fresh) {
		if c.digest == before && c.word == like.word {
			like = w.swaps[(len(w.fresh)+1)%len(w.swaps)]
		}
	}
	c := converter{word: like.word, module: stage.Stamped(like.module, len(w.fresh)+1)}
	sum := sha256.Sum256(c.module)
	c.digest = hex.EncodeToString(sum[:])
	w.fresh = append(w.fresh, c)
	return c
}

// amid does something while traffic goes on for as long as that takes.
func (w *world) amid(ctx context.Context, do func() error) error {
	more, stop := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() {
		var err error
		for err == nil && more.Err() == nil {
			err = w.traffic.batch(ctx, chunk, 200*time.Millisecond)
		}
		sent <- err
	}()
	err := do()
	stop()
	return errors.Join(err, <-sent)
}

// goesOn waits until something more is installed; there must be traffic.
func (w *world) goesOn(ctx context.Context) error {
	before, err := w.state(ctx)
	if err != nil {
		return err
	}
	return w.passes(ctx, before.snapshot)
}

// loadSlowly freezes the process that compiles a new guest, which takes longer then than anybody waits. The host goes on
// with the guest before; it is killed, and so does the one that stands by, which loads the new one for itself.
func loadSlowly(ctx context.Context, w *world) error {
	killed := w.host
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	before, c := w.converting(ctx), w.newGuest(ctx)
	if _, err := w.stage.Guests.PlaceOther(c.module); err != nil {
		return err
	}
	child, err := w.childOf(ctx, killed.ID())
	if err == nil {
		err = syscall.Kill(child, syscall.SIGSTOP)
	}
	if err != nil {
		return fmt.Errorf("slow the load of a guest down: %w", err)
	}
	return w.amid(ctx, func() error {
		err := errors.Join(w.goesOn(ctx), w.some(ctx, 2*time.Second))
		if now := w.converting(ctx); now != before {
			err = errors.Join(err, violated("it converts by %.12s while that is loaded, and before by %.12s", now, before))
		}
		w.host = other
		killed.Kill()
		w.ready.forget(killed.Address)
		err = errors.Join(err, w.becomes(ctx, other, owns), w.goesOn(ctx), w.takesThat(ctx, c.digest))
		if syscall.Kill(child, 0) == nil {
			err = errors.Join(err, violated("the process that loads a guest outlives its host"))
		}
		return err
	})
}

// childOf waits until a process has started another, and returns that.
func (w *world) childOf(ctx context.Context, parent int) (int, error) {
	for begun := time.Now(); time.Since(begun) < w.options.Patience; {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		if err != nil {
			return 0, err
		}
		for _, task := range tasks {
			text, _ := os.ReadFile(task) // a thread may have ended
			if first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " "); first != "" {
				return strconv.Atoi(first)
			}
		}
		if err := hosttest.Sleep(ctx, 5*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, violated("process %d has started none within %v", parent, w.options.Patience)
}

// refuseAndTakeOver leaves a file that is refused, at once or by the database, while the owner is killed and another
// takes over; that goes on with the guest before, and takes the good one that comes in the end.
func refuseAndTakeOver(ctx context.Context, w *world) error {
	killed := w.host
	other, err := w.second(ctx)
	if err != nil {
		return errors.Join(err, w.dismiss(other))
	}
	before, refused := w.converting(ctx), []byte("no module")
	if w.random.IntN(2) == 0 {
		refused = bytes.ReplaceAll(w.swaps[0].module, []byte(" bank_accounts"), []byte(" bank_nowhere_"))
	}
	if _, err := w.stage.Guests.PlaceOther(refused); err != nil {
		return err
	}
	return w.amid(ctx, func() error {
		err := w.some(ctx, 2*time.Second)
		w.host = other
		killed.Kill()
		w.ready.forget(killed.Address)
		err = errors.Join(err, w.becomes(ctx, other, owns), w.goesOn(ctx))
		if now := w.converting(ctx); now != before {
			err = errors.Join(err, violated("beside a file that is refused it converts by %.12s, and before by %.12s", now, before))
		}
		return errors.Join(err, w.swap(), w.takes(ctx))
	})
}
