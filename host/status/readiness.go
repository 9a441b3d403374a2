package status

import (
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Readiness is whether the host makes progress, and the typed reason when it does not.
type Readiness struct {
	Ready bool `json:"ready"` // true: /readyz answers 200; false: 503
	// Reason is one of the words of Explained; of a host that is ready it is empty, standby while another
	// owns the cohort, or undecided while it waits for a decision that is not overdue.
	Reason Reason `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"` // for people; it never holds a user's row
	// Degraded says what is not as the operator wants it, whether or not there is progress.
	Degraded string `json:"degraded,omitempty"`
}

// Phase is where a host is between its start and its end: Running, or the reason why it does not run.
type Phase string

// The phases.
const (
	PhaseStarting  = Phase(Starting)
	PhaseSource    = Phase(SourceUnavailable)
	PhaseDatabase  = Phase(DatabaseUnavailable)
	PhaseGuests    = Phase(LoadingGuests)
	PhaseReloading = Phase(Reloading)
	PhaseStandby   = Phase(Standby)
	PhaseUnowned   = Phase(Unowned)
	PhaseStopped   = Phase(Stopped)
	PhaseRunning   = Phase("running")
)

// readOnly is the SQLSTATE of a database that is a standby or takes no writes.
const readOnly = "25006"

// AllPhases are the phases, in the order in which a host comes to them first.
var AllPhases = []Phase{PhaseStarting, PhaseSource, PhaseDatabase, PhaseGuests, PhaseReloading, PhaseStandby, PhaseUnowned, PhaseRunning, PhaseStopped}

// How long something lasts before it is said, so that what mends itself at once does not make a
// host flap; in each case it is said within five seconds of its beginning.
const (
	stallAfter    = 4 * time.Second // no progress although something decided waits; no answer of the log
	databaseAfter = time.Second     // no lane has a connection
	troubleAfter  = time.Second     // the log answers with errors
)

// Log is where the log begins, and how far it reaches: a client's open transaction keeps what lies from StableEnd up to
// HighWatermark from being read.
type Log struct{ Start, StableEnd, HighWatermark talos.Position }

// Tail is what a host that stands by holds of the log: what lies between the owner's resume point and Next.
type Tail struct {
	Next  talos.Position `json:"next"`  // the position that is read next
	Bytes int            `json:"bytes"` // about; it is bounded by limits.memory
	Full  bool           `json:"full"`  // it reads on when the owner has passed something
}

// Condition is everything that readiness is judged by, at one instant. Instants are nanoseconds since
// the Unix epoch.
type Condition struct {
	Now    int64
	Phase  Phase
	Detail string // of the phase
	Core   replicator.Status

	Trouble   string // of the source, empty when the last fetch was answered
	TroubleAt int64  // when it began
	Asked     int64  // since when an answer of the log is waited for; 0 while what it answered is worked off
	Log       Log
	StableAt  int64 // when the end of what is readable last moved, or nobody's transaction was open
	Tail      Tail  // while it stands by
	Looked    int64 // when the phase began; while it stands by: when the database last said who the owner is
}

// Judge is the whole verdict; a candidate may be undecided for as long as overdue. There is one clock
// for progress, the core's; the age of a version says nothing about a host that works off a backlog.
func (c *Condition) Judge(overdue time.Duration) Readiness {
	no := func(reason Reason, format string, args ...any) Readiness {
		return Readiness{Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
	core := &c.Core
	stalled := c.since(core.ProgressAt)
	switch {
	case c.Phase == PhaseStandby && c.Trouble != "" && c.since(c.TroubleAt) > troubleAfter:
		return no(SourceUnavailable, "standing by: %s", c.Trouble)
	case c.Phase == PhaseStandby && c.since(c.Looked) > stallAfter:
		return no(DatabaseUnavailable, "standing by: the database has not answered for %s", c.since(c.Looked).Round(time.Second))
	case c.Phase == PhaseStandby && c.since(c.Asked) > stallAfter:
		return no(SourceUnavailable, "standing by: the log has not answered for %s", c.since(c.Asked).Round(time.Second))
	case c.Phase == PhaseStandby: // it does all that it is there for
		return Readiness{Ready: true, Reason: Standby, Detail: c.Detail}
	case c.asks() && c.since(c.Looked) <= stallAfter: // it has no reason to say so yet
		return no(Starting, "it takes the cohort over")
	case c.asks():
		return no(Reason(c.Phase), "no answer for %s", c.since(c.Looked).Round(time.Second))
	case c.Phase != PhaseRunning:
		return no(Reason(c.Phase), "%s", c.Detail)
	case core.LanesUp == 0 && c.since(core.DownSince) > databaseAfter:
		return no(DatabaseUnavailable, "%v", core.Failure)
	case core.Pause.ID != 0:
		return no(Paused, "by %s since %s, as request %d: %s", core.Pause.Who, time.Unix(0, core.Pause.At).UTC().Format(time.RFC3339), core.Pause.ID, core.Pause.Why)
	case core.Reason == replicator.DatabaseRefuses && core.Failure.Class == replicator.Transient:
		return no(Reason(core.Reason), "version %d waits, the snapshot is %d%s", core.Blocker, core.Snapshot, because(core.Failure))
	case core.Reason == replicator.DatabaseRefuses:
		return no(Reason(core.Reason), "one version after another, so that it is asked again with pauses; %d are held, see ichor quarantine list%s", core.Held, because(core.Failure))
	case stalled > stallAfter && core.Reason == replicator.Installing && (core.Failure.Code == readOnly || core.Failure.Kind == replicator.KindConnection): // lanes that read, or wait, are up
		return no(DatabaseUnavailable, "%v", core.Failure)
	case stalled > stallAfter && core.Reason != replicator.Undecided && core.Reason != replicator.Progressing && core.Reason != replicator.HeldByPoison:
		return no(Reason(core.Reason), "version %d, and no progress for %s%s", core.Blocker, stalled.Round(time.Second), because(core.Failure))
	case c.Trouble != "" && c.since(c.TroubleAt) > troubleAfter:
		return no(SourceUnavailable, "%s", c.Trouble)
	case c.since(c.Asked) > stallAfter:
		return no(SourceUnavailable, "the log has not answered for %s", c.since(c.Asked).Round(time.Second))
	case c.Log.StableEnd < c.Log.HighWatermark && core.Next >= c.Log.StableEnd && c.since(c.StableAt) > stallAfter:
		return no(OpenTransaction, "another client's transaction has been open for %s at position %d, and %d positions behind it cannot be read",
			c.since(c.StableAt).Round(time.Second), c.Log.StableEnd, c.Log.HighWatermark-c.Log.StableEnd)
	case core.Held > 0: // after what stops every version, held or not
		return no(PoisonHeld, "version %d cannot be installed (%v), the snapshot is %d; %d are held, see ichor quarantine list",
			core.Lowest, core.HeldFor, core.Snapshot, core.Held)
	}
	if core.Reason != replicator.Undecided {
		return Readiness{Ready: true}
	}
	waited := c.since(core.Since)
	r := Readiness{Ready: waited <= overdue}
	if waited > stallAfter {
		r.Reason, r.Detail = Undecided, fmt.Sprintf("version %d for %s", core.Blocker, waited.Round(time.Second))
	}
	return r
}

// asks reports whether the host asks log or database for the first time in its phase.
func (c *Condition) asks() bool {
	return (c.Phase == PhaseSource || c.Phase == PhaseDatabase) && c.Detail == ""
}

// since returns how long ago an instant was; 0 for none.
func (c *Condition) since(at int64) time.Duration {
	if at == 0 {
		return 0
	}
	return time.Duration(c.Now - at)
}

func because(f replicator.Failure) string {
	if f.Kind == "" {
		return ""
	}
	return ": " + f.String()
}
