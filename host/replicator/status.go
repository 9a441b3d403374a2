package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

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
	Suspended       Reason = "paused"
)

// Reasons are all of them.
var Reasons = []Reason{Progressing, Stopped, NoDatabase, HeldByPoison, Undecided, NotConverted, Installing, Contended, SlowStatement, DatabaseRefuses, Suspended}

// Status is the core at one instant, for people and metrics.
type Status struct {
	Snapshot talos.Version
	// SnapshotAt is when the snapshot or the resume point was last written, ns; of a core that wrote none
	// yet, when it began. Settled is the version up to which all is settled, written or not yet.
	SnapshotAt int64
	Settled    talos.Version
	Resume     talos.Position
	Next       talos.Position
	End        talos.Position

	SuffixLen  int
	SuffixHead talos.Version
	QueueLen   int
	QueueHead  talos.Version // the frontier
	QueueLast  talos.Version
	Known      talos.Version
	Bytes      int
	Held       int           // versions that were held and have not settled since
	Lowest     talos.Version // the lowest held version
	HeldFor    Failure       // why
	Undecided  int           // versions that were passed and have no decision yet
	// Decision is where the newest decision stands, and Decided the version that it is about.
	Decision talos.Position
	Decided  talos.Version
	// OldestUndecided is the lowest candidate without a decision, 0 for none, and since when, ns, it is known.
	OldestUndecided      talos.Version
	OldestUndecidedSince int64
	Converting           int           // versions that wait for their statements
	Received             talos.Version // the highest whose statements the queue was given
	Sent                 talos.Version // the highest that a lane was given
	// OldestInFlight is the lowest version in a lane, 0 for none, and since when, ns, it is there.
	OldestInFlight      talos.Version
	OldestInFlightSince int64
	InFlight            int
	LanesUp             int
	Lanes               int
	Paused              bool
	Pause               Request // an operator's that is in force; one without an ID is none

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
		Snapshot: c.queue.Snapshot(), SnapshotAt: c.committing.advancedAt, Settled: c.queue.SettledTo(), Resume: c.committing.resume, Next: c.reading.next, End: c.reading.end,
		SuffixLen: c.reading.suffix.Len(), QueueLen: c.queue.Len(), QueueLast: c.queue.Last(), Known: c.reading.known,
		Bytes: c.queue.Bytes() + c.reading.suffix.Held() + c.reading.suffixBytes(),
		Held:  c.poison.unresolved, Lanes: len(c.lanes.all), Paused: c.reading.paused, Pause: c.operator.pause, Undecided: len(c.reading.passed), Stats: c.stats,
	}
	s.Decision, s.Decided = c.reading.decision, c.reading.about
	s.Converting, s.Received, s.Sent = c.converting.waiting(), c.converting.received, c.lanes.sent
	if u := c.reading.oldestUndecided(); u != nil {
		s.OldestUndecided, s.OldestUndecidedSince = u.Version, u.Received
	}
	s.Stats.SafepointsTooLow, s.Stats.KeyWaits = c.queue.TooLow(), c.queue.KeyWaits()
	if c.reading.paused {
		took := c.now - c.reading.pausedAt
		s.Stats.PausedTotal += took
		s.Stats.PausedLongest = max(s.Stats.PausedLongest, took)
	}
	for v, t := range c.poison.troubles { // the lowest is the same in any order
		if t.held > 0 && (s.Lowest == 0 || v < s.Lowest) {
			s.Lowest, s.HeldFor = v, t.failure
		}
	}
	for i := range c.lanes.all {
		l := &c.lanes.all[i]
		if l.state == laneIdle || l.state == laneBusy {
			s.LanesUp++
		} else if l.failure.Kind != "" {
			s.Failure = l.failure
		}
		for _, g := range [2]*queue.Group{l.group, l.next} {
			if g != nil {
				s.sees(g)
			}
		}
	}
	if s.LanesUp == 0 {
		for i := range c.lanes.all {
			s.DownSince = max(s.DownSince, c.lanes.all[i].downAt)
		}
	}
	c.explain(&s)
	return s
}

// sees counts a group in a lane.
func (s *Status) sees(g *queue.Group) {
	s.InFlight += len(g.Entries)
	if len(g.Entries) == 0 {
		return
	}
	if first := g.Entries[0]; s.OldestInFlight == 0 || first.Version < s.OldestInFlight {
		s.OldestInFlight, s.OldestInFlightSince = first.Version, first.Since()
	}
}

// explain names what the snapshot waits for.
func (c *Core) explain(s *Status) {
	s.ProgressAt = c.committing.progressAt
	f := c.queue.Frontier()
	head := c.reading.suffix.Head()
	if head != nil {
		s.SuffixHead = head.Version
	}
	if f != nil {
		s.QueueHead = f.Version
		s.Blocker = f.Version
		s.Since, _ = f.Journey.Get(timing.ReplicatorCandidateReceived)
	} else if head != nil {
		s.Blocker, s.Since = head.Version, head.Received
	}
	switch {
	case c.stopped:
		s.Reason = Stopped
	case s.LanesUp == 0:
		s.Reason = NoDatabase
	case s.Pause.ID != 0:
		s.Reason = Suspended
	case f == nil && head == nil:
		s.Reason = Progressing
	case f == nil:
		s.Reason = Undecided
	case f.State() == queue.Undecided:
		s.Reason = Undecided
		if e := c.lanes.stuckAhead(); e != nil {
			s.Blocker, s.ProgressAt = e.Version, c.lanes.aheadAtLast
			c.blame(s, e)
		}
	case c.poison.breaker.until != 0:
		s.Reason, s.Failure = DatabaseRefuses, c.poison.breaker.failure
	default:
		c.blame(s, f)
	}
}

// blame says why a version does not get on.
func (c *Core) blame(s *Status, e *queue.Entry) {
	s.Reason = c.reasonOf(e)
	if t := c.poison.troubles[e.Version]; t != nil {
		s.Failure = t.failure
	}
}

func (c *Core) reasonOf(e *queue.Entry) Reason {
	t := c.poison.troubles[e.Version]
	switch {
	case t != nil && t.held > 0: // also while it is tried again
		return HeldByPoison
	case e.State() == queue.Converting:
		return NotConverted
	case t != nil && t.failure.refusal():
		return DatabaseRefuses
	case t != nil && t.failure.Class == Contention:
		return Contended
	case t != nil && t.failure.Class == TimedOut:
		return SlowStatement
	}
	return Installing
}
