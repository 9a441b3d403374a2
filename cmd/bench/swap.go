package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// window is the time in which a host checked, compiled and took a guest that it had never seen.
type window struct{ begun, ended time.Time }

func (w window) holds(t time.Time) bool { return !t.Before(w.begun) && t.Before(w.ended) }

// swap waits, replaces the guest by one whose bytes nobody has seen, and waits until it converts.
func (m *benchmark) swap(ctx context.Context, h *stage.Host, after time.Duration) (w window, err error) {
	if err := hosttest.Sleep(ctx, after); err != nil {
		return w, err
	}
	w.begun = time.Now()
	digest, err := m.Guests.Place()
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
