package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Stats counts what the core has seen and done since it was made.
type Stats struct {
	Candidates            uint64          `json:"candidates"`
	Refused               uint64          `json:"refused"`
	OffsetZero            uint64          `json:"offset_zero"`
	Redelivered           uint64          `json:"redelivered"`
	Skips                 uint64          `json:"skips"`
	Committed             uint64          `json:"committed"` // decisions, as the next five
	Aborted               uint64          `json:"aborted"`
	Duplicates            uint64          `json:"duplicates"`
	Repeated              uint64          `json:"repeated"`
	UnknownDecisions      uint64          `json:"unknown_decisions"`
	LateCommits           uint64          `json:"late_commits"`
	ConflictingOutcomes   uint64          `json:"conflicting_outcomes"`
	ConflictingSafepoints uint64          `json:"conflicting_safepoints"`
	MissingCandidates     uint64          `json:"missing_candidates"`
	Forwarded             uint64          `json:"forwarded"`
	Converted             uint64          `json:"converted"`
	SkippedByGuest        uint64          `json:"skipped_by_guest"`
	CutOvers              uint64          `json:"cut_overs"`
	Installed             uint64          `json:"installed"`
	Groups                uint64          `json:"groups"`
	AheadGroups           uint64          `json:"ahead_groups"`
	Flushes               uint64          `json:"flushes"`
	Poisoned              uint64          `json:"poisoned"`
	Splits                uint64          `json:"splits"`
	InDoubt               uint64          `json:"in_doubt"`
	DoubtCommitted        uint64          `json:"doubt_committed"`
	DoubtAborted          uint64          `json:"doubt_aborted"`
	LetGo                 uint64          `json:"let_go"`
	Refetched             uint64          `json:"refetched"`
	KeyBites              uint64          `json:"key_bites"`
	Pauses                uint64          `json:"pauses"`
	PausedTotal           int64           `json:"paused_total_ns"`   // ns
	PausedLongest         int64           `json:"paused_longest_ns"` // ns
	Failures              [Classes]uint64 `json:"failures"`          // by class
}

// Reason is why the snapshot does not move, in one stable word.
type Reason string

// The reasons, most urgent first.
const (
	Progressing     Reason = ""
	Stopped         Reason = "stopped"
	NoDatabase      Reason = "database_unavailable"
	HeldByPoison    Reason = "poison_held"
	Undecided       Reason = "undecided"
	NotConverted    Reason = "converting"
	Installing      Reason = "installing"
	Contended       Reason = "contention"
	SlowStatement   Reason = "statement_timeout"
	DatabaseRefuses Reason = "database_refuses"
)

// Status is the core at one instant, for people and metrics.
type Status struct {
	Snapshot talos.Version
	Resume   talos.Position
	Next     talos.Position
	End      talos.Position

	SuffixLen  int
	SuffixHead talos.Version
	QueueLen   int
	QueueHead  talos.Version // the frontier
	QueueLast  talos.Version
	Known      talos.Version
	Bytes      int
	Held       int           // versions that were held and have not settled since
	Lowest     talos.Version // the lowest held version
	InFlight   int
	LanesUp    int
	Lanes      int
	Paused     bool

	Reason Reason
	// Blocker is the version that Reason is about, and Since when it was read, ns.
	Blocker talos.Version
	Since   int64
	// ProgressAt is when something that was due last got on, ns; while nothing is due it is now.
	ProgressAt int64
	// DownSince is since when no lane has had a connection, ns; 0 while one has.
	DownSince int64
	// Failure is the last failure of what Reason is about.
	Failure Failure

	Stats Stats
}

// Status returns the core's state. Like Step it is the owner's to call.
func (c *Core) Status() Status {
	s := Status{
		Snapshot: c.queue.Snapshot(), Resume: c.resume, Next: c.next, End: c.end,
		SuffixLen: c.suffix.Len(), QueueLen: c.queue.Len(), QueueLast: c.queue.Last(), Known: c.known,
		Bytes: c.queue.Bytes() + c.suffix.Held() + suffixOverhead*c.suffix.Len(),
		Held:  c.unresolved, Lanes: len(c.lanes), Paused: c.paused, Stats: c.stats,
	}
	s.Stats.KeyBites = c.queue.Bites()
	for _, h := range c.held {
		if s.Lowest == 0 || h.entry.Version < s.Lowest {
			s.Lowest = h.entry.Version
		}
	}
	for i := range c.lanes {
		l := &c.lanes[i]
		if l.state == laneIdle || l.state == laneBusy {
			s.LanesUp++
		} else if l.failure.Kind != "" {
			s.Failure = l.failure
		}
		for _, g := range [2]*queue.Group{l.group, l.next} {
			if g != nil {
				s.InFlight += len(g.Entries)
			}
		}
	}
	if s.LanesUp == 0 {
		for i := range c.lanes {
			s.DownSince = max(s.DownSince, c.lanes[i].downAt)
		}
	}
	c.explain(&s)
	return s
}
