package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// stopWithin is how long the host may take to drain.
const stopWithin = 15 * time.Second

// host is the process of the host: one at a time, and another after a kill. Its methods may be
// called from any goroutine.
type host struct {
	binary, settings, log string

	mu      sync.Mutex
	process *child
	kills   int
}

// prepare makes the host's own tables.
func (h *host) prepare(ctx context.Context) error {
	initialise := exec.CommandContext(ctx, h.binary, "db", "init", "-c", h.settings)
	initialise.Env = hostEnvironment(os.Environ())
	if text, err := initialise.CombinedOutput(); err != nil {
		return fmt.Errorf("ichor db init: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}

// start starts the host, which must not run.
func (h *host) start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	process, err := startChild(h.log, h.binary, "run", "-c", h.settings)
	h.process = process
	return err
}

// ready waits until the host says that it is ready, or ends.
func (h *host) ready(ctx context.Context, address string, patience time.Duration) error {
	client := http.Client{Timeout: 5 * time.Second}
	said := "nothing"
	for begun := time.Now(); time.Since(begun) < patience; {
		if err := h.check(); err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if said = response.Status; response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := sleep(ctx, gaugeEvery); err != nil {
			return err
		}
	}
	return fmt.Errorf("the host is not ready after %v, it says %s; its log ends:\n%s", patience, said, h.tail())
}

// killAndStart kills the host at whatever it does, and starts it again.
func (h *host) killAndStart() error {
	h.mu.Lock()
	if h.process == nil || !h.process.running() {
		h.mu.Unlock()
		return h.check()
	}
	h.process.kill()
	h.kills++
	h.mu.Unlock()
	return h.start()
}

// restarts returns how often the host was killed and started again.
func (h *host) restarts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kills
}

// check returns an error when the host has ended by itself.
func (h *host) check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.process == nil:
		return errors.New("the host does not run")
	case h.process.running():
		return nil
	case h.process.err != nil:
		return fmt.Errorf("the host ended by itself: %w; its log ends:\n%s", h.process.err, h.tail())
	}
	return fmt.Errorf("the host ended by itself with exit status 0; its log ends:\n%s", h.tail())
}

// tail returns the last lines that the host wrote.
func (h *host) tail() string {
	const lines = 20
	text, err := os.ReadFile(h.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// stop drains the host; it returns an error unless that ends well and in time.
func (h *host) stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return nil
	}
	process := h.process
	h.process = nil
	if !process.running() && process.err == nil {
		return errors.New("the host had ended before it was told to")
	}
	if err := process.stop(stopWithin); err != nil {
		return fmt.Errorf("the host did not end well: %w; its log ends:\n%s", err, h.tail())
	}
	return nil
}
