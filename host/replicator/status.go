package replicator

import "github.com/ichor-replicator/ichor/host/talos"

// Stats counts what the core has seen and done since it was made.
type Stats struct {
	Candidates, Refused, OffsetZero, Redelivered, Skips uint64
	Committed, Aborted, Duplicates                      uint64 // decisions
	Repeated, UnknownDecisions, LateCommits             uint64
	ConflictingOutcomes, ConflictingSafepoints          uint64
	Forwarded, Converted, SkippedByGuest, CutOvers      uint64
	Installed, Groups, AheadGroups, Flushes             uint64
	Poisoned, Splits, InDoubt                           uint64
	DoubtCommitted, DoubtAborted                        uint64
	LetGo, Refetched, KeyBites                          uint64
	Pauses                                              uint64
	PausedTotal, PausedLongest                          int64 // ns
	Failures                                            [Classes]uint64
}

// Reason is why the snapshot does not move, in one stable word.
type Reason string

// The reasons, most urgent first.
const (
	Progressing  Reason = ""
	Stopped      Reason = "stopped"
	NoDatabase   Reason = "database_unavailable"
	HeldByPoison Reason = "poison_held"
	Undecided    Reason = "undecided"
	NotConverted Reason = "converting"
	Installing   Reason = "installing"
	Retrying     Reason = "contention"
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
	Held       int
	Lowest     talos.Version // the lowest held version
	InFlight   int
	LanesUp    int
	Lanes      int
	Paused     bool

	Reason Reason
	// Blocker is the version that Reason is about, and Since when it was read, ns.
	Blocker talos.Version
	Since   int64
	Failure Failure

	Stats Stats
}

// Status returns the core's state. Like Step it is the owner's to call.
func (c *Core) Status() Status {
	s := Status{
		Snapshot: c.queue.Snapshot(), Resume: c.resume, Next: c.next, End: c.end,
		SuffixLen: c.suffix.Len(), QueueLen: c.queue.Len(), QueueLast: c.queue.Last(), Known: c.known,
		Bytes: c.queue.Bytes() + c.suffix.Held() + suffixOverhead*c.suffix.Len(),
		Held:  len(c.held), Lanes: len(c.lanes), Paused: c.paused, Stats: c.stats,
	}
	s.Stats.KeyBites = c.queue.Bites()
	for _, e := range c.held {
		if s.Lowest == 0 || e.Version < s.Lowest {
			s.Lowest = e.Version
		}
	}
	for i := range c.lanes {
		l := &c.lanes[i]
		if l.state == laneIdle || l.state == laneBusy {
			s.LanesUp++
		} else if l.failure.Kind != "" {
			s.Failure = l.failure
		}
		if l.group != nil {
			s.InFlight += len(l.group.Entries)
		}
	}
	c.explain(&s)
	return s
}
