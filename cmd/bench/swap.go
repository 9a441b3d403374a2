package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// window is the time in which a host checked, compiled and took a guest that it had never seen.
type window struct{ begun, ended time.Time }

func (w window) holds(t time.Time) bool { return !t.Before(w.begun) && t.Before(w.ended) }

// swap waits, replaces the guest by one whose bytes nobody has seen, and waits until it converts.
func (s *stage) swap(ctx context.Context, h *host, after, patience time.Duration) (w window, err error) {
	if err := sleep(ctx, after); err != nil {
		return w, err
	}
	file := s.path("guests/" + guestName + ".wasm")
	module, err := os.ReadFile(file)
	if err != nil {
		return w, err
	}
	module = append(module, 0, 6, 5, 'b', 'e', 'n', 'c', 'h') // an empty section of that name
	sum := sha256.Sum256(module)
	digest := hex.EncodeToString(sum[:])
	if err := os.WriteFile(s.path("next"), module, 0o644); err != nil {
		return w, err
	}
	w.begun = time.Now()
	if err := os.Rename(s.path("next"), file); err != nil {
		return w, err
	}
	for time.Since(w.begun) < patience {
		converts, err := h.converts(ctx, digest)
		if w.ended = time.Now(); converts || err != nil {
			return w, err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return w, err
		}
	}
	return w, fmt.Errorf("the host has not taken the next guest for %v; its log ends:\n%s", patience, h.Tail())
}

// get asks the host.
func (h *host) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.address+path, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the host for %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("ask the host for %s: %s", path, response.Status), response.Body.Close())
	}
	return response, nil
}

// converts reports whether the host converts by the module of a digest.
func (h *host) converts(ctx context.Context, digest string) (bool, error) {
	response, err := h.get(ctx, "/v1/status")
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	var status struct {
		Guests []struct {
			Digest string
			From   uint64
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return false, fmt.Errorf("ask the host for its status: %w", err)
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
func (h *host) longestStop(ctx context.Context) (time.Duration, error) {
	response, err := h.get(ctx, "/metrics")
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
