package host

import (
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// Readiness is whether the host makes progress, and the typed reason when it does not.
type Readiness struct {
	Ready bool `json:"ready"` // true: /readyz answers 200; false: 503
	// Reason is one of the words of Reasons; of a host that is ready it is empty, or undecided
	// while it waits for a decision that is not overdue.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"` // for people; it never holds a user's row
	// Degraded says what is not as the operator wants it, whether or not there is progress.
	Degraded string `json:"degraded,omitempty"`
}

// Reason is why a host is not ready, a stable word.
type Reason string

// The reasons, beside those of the core (replicator.Reason) and the phases of a start.
const (
	ReasonSource          Reason = "source_unavailable"
	ReasonOpenTransaction Reason = "open_transaction"
)

// How long something lasts before it is said, so that what mends itself at once does not make a
// host flap; in each case it is said within five seconds of its beginning.
const (
	stallAfter    = 4 * time.Second // no progress although something decided waits; no answer of the log
	databaseAfter = time.Second     // no lane has a connection
	troubleAfter  = time.Second     // the log answers with errors
)

// condition is everything that readiness is judged by, at one instant.
type condition struct {
	now    int64 // ns
	phase  Phase
	detail string // of the phase
	core   replicator.Status

	trouble   error // of the source, nil when the last fetch was answered
	troubleAt int64 // ns, when it began
	answered  int64 // ns, when the log last answered; 0 for not yet
	batch     kafka.Batch
	stableAt  int64 // ns, when the end of what is readable last moved, or nobody's transaction was open
}

// judge is the whole verdict. There is one clock for progress, the core's; the age of a version
// says nothing about a host that works off a backlog.
func (c *condition) judge(overdue time.Duration) Readiness {
	no := func(reason Reason, format string, args ...any) Readiness {
		return Readiness{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
	core := &c.core
	stalled := c.since(core.ProgressAt)
	switch {
	case c.phase != PhaseRunning:
		return no(Reason(c.phase), "%s", c.detail)
	case core.LanesUp == 0 && c.since(core.DownSince) > databaseAfter:
		return no(Reason(replicator.NoDatabase), "%v", core.Failure)
	case core.Reason == replicator.DatabaseRefuses:
		return no(Reason(core.Reason), "one version after another, so that it is asked again with pauses; %d are held, see ichor.quarantine%s", core.Held, because(core.Failure))
	case core.Held > 0:
		return no(Reason(replicator.HeldByPoison), "version %d can not be installed (%v), the snapshot is %d; %d are held, see ichor.quarantine",
			core.Lowest, core.HeldFor, core.Snapshot, core.Held)
	case stalled > stallAfter && core.Reason != replicator.Undecided && core.Reason != replicator.Progressing:
		return no(Reason(core.Reason), "version %d, and no progress for %s%s", core.Blocker, stalled.Round(time.Second), because(core.Failure))
	case c.trouble != nil && c.since(c.troubleAt) > troubleAfter:
		return no(ReasonSource, "%s: %v", kafka.ClassOf(c.trouble), c.trouble)
	case !core.Paused && c.answered != 0 && c.since(c.answered) > stallAfter:
		return no(ReasonSource, "the log has not answered for %s", c.since(c.answered).Round(time.Second))
	case c.batch.StableEnd < c.batch.HighWatermark && core.Next >= c.batch.StableEnd && c.since(c.stableAt) > stallAfter:
		return no(ReasonOpenTransaction, "another client's transaction has been open for %s at position %d, and %d positions behind it can not be read",
			c.since(c.stableAt).Round(time.Second), c.batch.StableEnd, c.batch.HighWatermark-c.batch.StableEnd)
	}
	if core.Reason != replicator.Undecided {
		return Readiness{Ready: true}
	}
	waited := c.since(core.Since)
	r := Readiness{Ready: waited <= overdue}
	if waited > stallAfter {
		r.Reason, r.Detail = Reason(core.Reason), fmt.Sprintf("version %d for %s", core.Blocker, waited.Round(time.Second))
	}
	return r
}

// since returns how long ago an instant was; 0 for none.
func (c *condition) since(at int64) time.Duration {
	if at == 0 {
		return 0
	}
	return time.Duration(c.now - at)
}

func because(f replicator.Failure) string {
	if f.Kind == "" {
		return ""
	}
	return ": " + f.String()
}
