package host

import (
	"log/slog"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// Phase is where a host is between its start and its end.
type Phase string

// The phases.
const (
	PhaseStarting  Phase = "starting"
	PhaseSource    Phase = "source_unavailable"
	PhaseDatabase  Phase = "database_unavailable"
	PhaseGuests    Phase = "loading_guests"
	PhaseReloading Phase = "reloading"
	PhaseRunning   Phase = "running"
	PhaseStopped   Phase = "stopped"
)

// health is what the goroutines know of the host's condition. It is safe for use by all of them.
type health struct {
	log     *slog.Logger
	overdue time.Duration // how long a candidate may be undecided

	mu      sync.Mutex
	c       condition
	reason  Reason // the one that was last logged
	logged  int64  // ns, when
	waiting bool   // an outage was logged and is not over
}

// phase notes where the host is.
func (h *health) phase(p Phase, detail string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.phase, h.c.detail = p, detail
	if p == PhaseRunning {
		h.c.answered, h.c.stableAt, h.c.trouble = now(), now(), nil
	}
}

// source notes how the last fetch went; a batch's records are not kept.
func (h *health) source(trouble error, b kafka.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := now()
	if trouble != nil {
		if h.c.trouble == nil {
			h.c.troubleAt = at
		}
		h.c.trouble = trouble
		return
	}
	h.c.trouble, h.c.answered = nil, at
	if b.StableEnd != h.c.batch.StableEnd || b.StableEnd >= b.HighWatermark {
		h.c.stableAt = at
	}
	b.Records, b.Holes = nil, nil
	h.c.batch = b
}

// show notes the core's status, and says in one line when progress ends and when it goes on.
func (h *health) show(s replicator.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.core = s
	h.c.now = now()
	r := h.c.judge(h.overdue)
	switch {
	case !r.Ready && r.Reason != h.reason && h.c.phase == PhaseRunning:
		if !h.waiting {
			h.logged = h.c.now
		}
		h.reason, h.waiting = r.Reason, true
		h.log.Warn("no progress", "reason", r.Reason, "detail", r.Detail)
	case r.Ready && h.waiting:
		h.log.Info("progress goes on", "after", h.c.since(h.logged).Round(time.Millisecond), "reason", h.reason)
		h.reason, h.waiting = "", false
	}
}

// condition returns everything that is known, as of now and of one piece.
func (h *health) condition() condition {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.c
	c.now = now()
	return c
}

func (h *health) status() (replicator.Status, kafka.Batch) {
	c := h.condition()
	return c.core, c.batch
}
