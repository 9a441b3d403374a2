package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

// readiness asks a host all the time whether it is ready, and notes what it says.
type readiness struct {
	mu      sync.Mutex
	address string
	reasons []string // since forget, each once, in their order
}

// at changes the host that is asked.
func (r *readiness) at(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.address = address
}

// forget begins anew.
func (r *readiness) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reasons = nil
}

// said returns the reasons since forget.
func (r *readiness) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reasons)
}

// follow asks until the context ends.
func (r *readiness) follow(ctx context.Context) {
	client := http.Client{Timeout: time.Second}
	for ctx.Err() == nil {
		r.mu.Lock()
		address := r.address
		r.mu.Unlock()
		if reason := ask(ctx, &client, address); reason != "" {
			r.note(reason)
		}
		_ = hosttest.Sleep(ctx, 25*time.Millisecond) // the context's end is seen above
	}
}

func (r *readiness) note(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.reasons, reason) {
		r.reasons = append(r.reasons, reason)
	}
}

// ask returns the reason for which a host is not ready; empty while it is, or does not answer.
func ask(ctx context.Context, client *http.Client, address string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return ""
	}
	answer, err := client.Do(request)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	var said struct {
		Ready  bool   `json:"ready"`
		Reason string `json:"reason"`
	}
	if json.NewDecoder(answer.Body).Decode(&said) != nil || said.Ready {
		return ""
	}
	return said.Reason
}
