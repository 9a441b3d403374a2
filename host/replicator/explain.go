package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Whereabouts is where a version stands, in one stable word.
type Whereabouts string

// The words, in the order of a version's way.
const (
	NotRead        Whereabouts = "not_read"         // the log is not read so far
	NoCandidate    Whereabouts = "no_candidate"     // read, and no candidate that the certifier accepts
	AwaitsDecision Whereabouts = "undecided"        // there is no decision yet
	AwaitsEarlier  Whereabouts = "behind_undecided" // decided; an earlier one, For, has no decision yet
	AwaitsPayload  Whereabouts = "awaiting_payload" // its statemap was let go and is read again
	WithGuest      Whereabouts = "converting"       // its guest makes statements of it
	AwaitsOthers   Whereabouts = "waiting"          // converted; For must settle before
	AwaitsRetry    Whereabouts = "backing_off"      // it failed, and is tried again at RetryAt
	AwaitsLane     Whereabouts = "ready"            // it goes when a lane is free, or the frontier has come to it
	InTransaction  Whereabouts = "in_flight"        // Lane installs it, or whether it did is in doubt
	HeldBack       Whereabouts = "held"             // Failure says why
	InstalledAhead Whereabouts = "installed_ahead"  // its effects are durable, above the snapshot
	SettledAbove   Whereabouts = "settled"          // it has no effects, or they are durable; the snapshot has yet to pass
	BelowSnapshot  Whereabouts = "below_snapshot"   // the snapshot has passed it
)

// AllWhereabouts are all of them.
var AllWhereabouts = []Whereabouts{NotRead, NoCandidate, AwaitsDecision, AwaitsEarlier, AwaitsPayload, WithGuest, AwaitsOthers, AwaitsRetry, AwaitsLane, InTransaction, HeldBack, InstalledAhead, SettledAbove, BelowSnapshot}

// blockersShown is how many versions an explanation names at most that another waits for.
const blockersShown = 10

// Explanation is what the core knows of a version. Instants are ns, 0 for none.
type Explanation struct {
	Version   talos.Version
	Stands    Whereabouts
	Outcome   talos.Outcome
	Duplicate bool
	Safepoint talos.Version
	Received  int64
	DecidedAt talos.Position // of the decision in the log
	// For are the versions that it waits for: the lowest that conflict with it, or the one without a
	// decision; at most ten.
	For        []WaitsFor
	Lane       cohort.Lane // of a version in a transaction
	Generation cohort.Generation
	Attempts   uint32 // transactions with it that were begun
	RetryAt    int64
	Failure    Failure // the latest
	// Radius is what waits for a version that is held.
	Radius   queue.Radius
	Paused   bool // nothing is begun: an operator paused it
	Snapshot talos.Version
	Next     talos.Position
}

// WaitsFor is a version that another waits for.
type WaitsFor struct {
	Version talos.Version
	Stands  Whereabouts
	Key     uint64 // the hash of the key that they share; 0 for none
	Since   int64  // ns, when it was read
}

// Explain says where a version stands and what it waits for. Like Step it is the owner's to call; it
// changes nothing.
func (c *Core) Explain(v talos.Version) Explanation {
	x := Explanation{Version: v, Generation: cohort.NoGeneration, Snapshot: c.queue.Snapshot(), Next: c.reading.next, Paused: c.operator.pause.ID != 0}
	if t := c.poison.troubles[v]; t != nil {
		x.Failure = t.failure
	}
	lost := slices.IndexFunc(c.reading.lost, func(s *suffix.Entry) bool { return s.Version == v })
	switch e, s := c.queue.Find(v), c.reading.suffix.Find(v); {
	case e != nil:
		c.explainQueued(&x, e)
	case s != nil:
		c.explainUnforwarded(&x, s)
	case lost >= 0:
		c.explainUnforwarded(&x, c.reading.lost[lost])
	case v <= c.queue.Snapshot():
		x.Stands = BelowSnapshot
		if d, known := c.reading.findSettled(v); known {
			x.Outcome, x.Duplicate, x.Safepoint, x.DecidedAt = d.outcome, d.duplicate, d.safepoint, d.decidedAt
		}
	case c.forwarding.ledger[v]:
		x.Stands = InstalledAhead
	case talos.Position(v) >= c.reading.next || c.reading.skipFrom != 0 && talos.Position(v) >= c.reading.skipFrom:
		x.Stands = NotRead
	default:
		x.Stands = NoCandidate
	}
	return x
}

func (c *Core) explainUnforwarded(x *Explanation, s *suffix.Entry) {
	x.Received, x.Stands = s.Received, AwaitsDecision
	if s.Decision.Outcome == talos.Undecided {
		return
	}
	d := s.Decision
	x.Stands, x.Outcome, x.Duplicate, x.Safepoint, x.DecidedAt = AwaitsEarlier, d.Outcome, d.Duplicate, d.Safepoint, d.Position
	if head := c.reading.suffix.Head(); head != nil && head.Version < s.Version {
		x.For = []WaitsFor{{Version: head.Version, Stands: AwaitsDecision, Since: head.Received}}
	}
}

func (c *Core) explainQueued(x *Explanation, e *queue.Entry) {
	x.Outcome, x.Duplicate, x.Safepoint, x.DecidedAt = e.Outcome, e.Duplicate, e.Safepoint, e.DecidedAt
	x.Generation, x.Attempts, x.Received, x.Stands = e.Generation, e.Journey.Attempts, receivedAt(e), c.whereabouts(e)
	switch x.Stands {
	case InTransaction:
		x.Lane = c.laneOf(e)
	case HeldBack:
		x.Radius = c.queue.Radius(e)
		for _, h := range c.poison.held {
			if h.entry == e {
				x.RetryAt = h.retryAt
			}
		}
	case AwaitsRetry:
		x.RetryAt = e.NotBefore()
	case AwaitsLane:
		for _, b := range c.queue.Blockers(e, blockersShown) {
			x.For = append(x.For, WaitsFor{Version: b.Entry.Version, Stands: c.whereabouts(b.Entry), Key: b.Key, Since: receivedAt(b.Entry)})
		}
		if len(x.For) > 0 {
			x.Stands = AwaitsOthers
		}
	}
}

func (c *Core) whereabouts(e *queue.Entry) Whereabouts {
	switch e.State() {
	case queue.Undecided:
		return AwaitsDecision
	case queue.Converting:
		if e.Candidate == nil {
			return AwaitsPayload
		}
		return WithGuest
	case queue.Awaiting:
		if e.NotBefore() > c.now {
			return AwaitsRetry
		}
		return AwaitsLane
	case queue.InFlight:
		return InTransaction
	case queue.Held:
		return HeldBack
	}
	if e.Ahead {
		return InstalledAhead
	}
	return SettledAbove
}

func receivedAt(e *queue.Entry) int64 {
	at, _ := e.Journey.Get(timing.ReplicatorCandidateReceived)
	return at
}

// laneOf returns the lane that has an entry in flight.
func (c *Core) laneOf(e *queue.Entry) cohort.Lane {
	for i := range c.lanes.all {
		for _, g := range [2]*queue.Group{c.lanes.all[i].group, c.lanes.all[i].next} {
			if g != nil && slices.Contains(g.Entries, e) {
				return cohort.Lane(i)
			}
		}
	}
	return 0
}
