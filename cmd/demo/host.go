package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

// host is the process of the host: one at a time, and another after a kill. Its methods may be
// called from any goroutine.
type host struct {
	binary, settings, log string

	mu      sync.Mutex
	process *hosttest.Process // nil before the start and after the stop
	kills   int
}

// prepare makes the host's own tables.
func (h *host) prepare(ctx context.Context) error {
	_, _, err := hosttest.Run(ctx, h.binary, "db", "init", "-c", h.settings)
	return err
}

// start starts the host, which must not run.
func (h *host) start() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.process, err = hosttest.Start(h.binary, h.settings, h.log)
	return err
}

// running returns the process, or an error if there is none.
func (h *host) running() (*hosttest.Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return nil, errors.New("the host does not run")
	}
	return h.process, nil
}

// ready waits until the host says that it is ready, or ends.
func (h *host) ready(ctx context.Context, address string, patience time.Duration) error {
	p, err := h.running()
	if err != nil {
		return err
	}
	return p.Ready(ctx, address, patience)
}

// killAndStart kills the host at whatever it does, and starts it again.
func (h *host) killAndStart() error {
	if err := h.check(); err != nil {
		return err
	}
	h.mu.Lock()
	h.process.Kill()
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
	p, err := h.running()
	if err != nil {
		return err
	}
	return p.Check()
}

// tail returns the last lines that the host wrote.
func (h *host) tail() string {
	p, err := h.running()
	if err != nil {
		return err.Error()
	}
	return p.Tail()
}

// stop drains the host; it returns an error unless that ends well and in time.
func (h *host) stop() error {
	h.mu.Lock()
	process := h.process
	h.process = nil
	h.mu.Unlock()
	if process == nil {
		return nil
	}
	return process.Stop()
}
