package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// window is a part of a load, in which guests are swapped or not.
type window struct{ begun, ended time.Time }

func (w window) holds(t time.Time) bool { return !t.Before(w.begun) && t.Before(w.ended) }

// holdsAny returns a function that reports whether one of the windows holds an instant.
func holdsAny(windows []window) func(time.Time) bool {
	return func(t time.Time) bool {
		return slices.ContainsFunc(windows, func(w window) bool { return w.holds(t) })
	}
}

// swapped are the parts of a load in which guests are swapped.
type swapped struct {
	windows  []window
	journeys latencies // that began in one of them
	swaps    int       // that the history has of them; it is counted where they are many
}

// swapping swaps the guest for one never seen after a third of the load, which waits for its end.
func (m *benchmark) swapping(after time.Duration) disturbance {
	return disturbance{wait: true, during: func(ctx context.Context, h *stage.Host, _ *stage.Bank, out *steady) error {
		begun := time.Now()
		if err := hosttest.Sleep(ctx, after); err != nil {
			return err
		}
		swap, err := m.swap(ctx, h, m.Guests.Place)
		out.quiet, out.busy = []window{{begun, swap.begun}, {swap.ended, begun.Add(time.Hour)}}, swapped{windows: []window{swap}}
		return err
	}}
}

const (
	swapEvery  = 200 * time.Millisecond
	swapTurns  = 4 // modules that come in turn, each checked before the load begins
	swapRounds = 4 // without swaps, with swaps there and back, and in turn
	swapParts  = 3 // of a round
)

// swappingOften leaves the guest alone for a while, swaps it every 200 ms there and back, and then for the next of several in turn,
// as long each, again and again.
func (m *benchmark) swappingOften(span time.Duration) disturbance {
	return disturbance{
		wait: true,
		before: func(ctx context.Context, h *stage.Host) error {
			for range swapTurns {
				if _, err := m.swap(ctx, h, func() (string, error) { return m.Guests.PlaceInTurn(swapTurns) }); err != nil {
					return err
				}
			}
			return nil
		},
		during: func(ctx context.Context, _ *stage.Host, bank *stage.Bank, out *steady) (err error) {
			for range swapRounds {
				quiet := window{begun: time.Now()}
				if err := hosttest.Sleep(ctx, span); err != nil {
					return err
				}
				quiet.ended = time.Now()
				out.quiet = append(out.quiet, quiet)
				if err := m.swapFor(ctx, span, 2, bank, &out.back); err != nil {
					return err
				}
				if err := m.swapFor(ctx, span, swapTurns, bank, &out.busy); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// swapFor swaps the guest every 200 ms for a while by so many modules in turn.
func (m *benchmark) swapFor(ctx context.Context, span time.Duration, turns int, bank *stage.Bank, out *swapped) error {
	before, err := bank.History(ctx)
	if err != nil {
		return err
	}
	w := window{begun: time.Now()}
	for time.Since(w.begun) < span {
		if _, err := m.Guests.PlaceInTurn(turns); err != nil {
			return err
		}
		if err := hosttest.Sleep(ctx, swapEvery); err != nil {
			return err
		}
	}
	w.ended = time.Now()
	after, err := bank.History(ctx)
	out.windows, out.swaps = append(out.windows, w), out.swaps+len(after)-len(before)
	return err
}

// swap replaces the guest, and waits until the new one converts.
func (m *benchmark) swap(ctx context.Context, h *stage.Host, place func() (digest string, err error)) (w window, err error) {
	w.begun = time.Now()
	digest, err := place()
	if err != nil {
		return w, err
	}
	for time.Since(w.begun) < m.options.Patience {
		taken, err := converts(ctx, h, digest)
		if w.ended = time.Now(); taken || err != nil {
			return w, err
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return w, err
		}
	}
	return w, fmt.Errorf("the host has not taken the next guest for %v; its log ends:\n%s", m.options.Patience, h.Tail())
}

// converts reports whether the host converts by the module of a digest.
func converts(ctx context.Context, h *stage.Host, digest string) (bool, error) {
	var status struct {
		Guests []struct {
			Digest string
			From   uint64
		}
	}
	if err := h.Ask(ctx, "/v1/status", &status); err != nil {
		return false, err
	}
	for _, g := range status.Guests {
		if g.Digest == digest && g.From != 0 {
			return true, nil
		}
	}
	return false, nil
}

// longestStop asks for the longest time for which the host's garbage collector stopped it, of
// its last 256 runs, the time to bring everything to a stop included.
func longestStop(ctx context.Context, h *stage.Host) (time.Duration, error) {
	response, err := h.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), `go_gc_duration_seconds{quantile="1"} `); found {
			seconds, err := strconv.ParseFloat(value, 64)
			return time.Duration(seconds * float64(time.Second)), err
		}
	}
	return 0, errors.Join(errors.New("the host's metrics have no go_gc_duration_seconds"), lines.Err())
}
