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
	shown   Readiness // the last verdict of the core's goroutine
	other   Reason    // that is true now and not shown yet
	otherAt int64     // ns, since when
	logged  int64     // ns, when the outage began that was logged
	waiting bool      // and it is not over
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
	r, changed := h.verdict()
	switch {
	case h.c.phase != PhaseRunning || !changed:
	case !r.Ready:
		if !h.waiting {
			h.logged = h.c.now
		}
		h.waiting = true
		h.log.Warn("no progress", "reason", r.Reason, "detail", r.Detail)
	case h.waiting:
		h.log.Info("progress goes on", "after", h.c.since(h.logged).Round(time.Millisecond))
		h.waiting = false
	}
}

// steadyFor is how long another reason must hold before it takes the place of the one that is shown:
// a database that comes and goes is one outage with one reason.
const steadyFor = 2 * time.Second

// verdict judges the condition, and reports whether the reason is another one than before. While a
// host is not ready its reason stays until another has held for a while.
func (h *health) verdict() (r Readiness, changed bool) {
	r = h.c.judge(h.overdue)
	switch {
	case r.Ready || h.shown.Ready || h.shown.Reason == "" || h.c.phase != PhaseRunning || r.Reason == h.shown.Reason:
		h.other = ""
	case r.Reason != h.other:
		h.other, h.otherAt = r.Reason, h.c.now
		return h.shown, false
	case h.c.since(h.otherAt) < steadyFor:
		return h.shown, false
	}
	changed = r.Ready != h.shown.Ready || (!r.Ready && r.Reason != h.shown.Reason)
	h.shown = r
	return r, changed
}

// readiness returns the verdict as of now, and the condition that it is about.
func (h *health) readiness() (Readiness, condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.now = now()
	// What it changes is taken back: the core's goroutine alone moves on, and logs that it does.
	shown, other, at := h.shown, h.other, h.otherAt
	r, _ := h.verdict()
	h.shown, h.other, h.otherAt = shown, other, at
	return r, h.c
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
