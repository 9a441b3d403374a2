package host

import (
	"fmt"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// Phase is where a host is between its start and its end.
type Phase string

// The phases.
const (
	PhaseStarting Phase = "starting"
	PhaseSource   Phase = "source_unavailable"
	PhaseDatabase Phase = "database_unavailable"
	PhaseRunning  Phase = "running"
	PhaseStopped  Phase = "stopped"
)

// health is what the goroutines know of the host's condition. It is safe for use by all of them.
type health struct {
	mu      sync.Mutex
	at      Phase
	detail  string
	trouble error // of the source, nil when it is well
	batch   kafka.Batch
	core    replicator.Status
}

// phase notes where the host is; it reports whether that is new.
func (h *health) phase(p Phase, detail string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.at != p || h.detail != detail
	h.at, h.detail = p, detail
	return changed
}

// source notes how the last fetch went; a batch's records are not kept.
func (h *health) source(trouble error, b kafka.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = trouble
	if trouble == nil {
		b.Records = nil
		h.batch = b
	}
}

func (h *health) show(s replicator.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.core = s
}

func (h *health) status() (replicator.Status, kafka.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.core, h.batch
}

// Readiness is whether the host makes progress, and the typed reason when it does not.
type Readiness struct {
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// ready judges the host's condition. Waiting for a decision is normal until it is overdue;
// another's open transaction is, as long.
func (h *health) ready(overdue time.Duration) Readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	no := func(reason, format string, args ...any) Readiness {
		return Readiness{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
	c := &h.core
	switch {
	case h.at != PhaseRunning:
		return no(string(h.at), "%s", h.detail)
	case h.trouble != nil:
		return no("source_unavailable", "%s: %v", kafka.ClassOf(h.trouble), h.trouble)
	case c.Reason == replicator.NoDatabase:
		return no(string(c.Reason), "%v", c.Failure)
	case c.Held > 0:
		return no(string(replicator.HeldByPoison), "version %d can not be installed and holds the snapshot at %d; %d are held, see ichor.quarantine", c.Lowest, c.Snapshot, c.Held)
	}
	waited := time.Duration(now() - c.Since)
	if c.Since != 0 && waited > overdue {
		reason := string(c.Reason)
		if c.Reason == replicator.Undecided && h.batch.StableEnd < h.batch.HighWatermark {
			reason = "open_transaction"
		}
		return no(reason, "version %d for %s", c.Blocker, waited.Round(time.Second))
	}
	return Readiness{Ready: true}
}
