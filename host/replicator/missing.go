package replicator

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/ring"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// holes are the ranges of positions at which the log had nothing when it was read: no record, no
// marker, no aborted record. Only the newest are remembered.
type holes struct{ ranges ring.Ring[Hole] }

func (h *holes) add(r Hole) {
	if n := h.ranges.Len(); n > 0 && r.From < h.ranges.At(n-1).To {
		return // read again after a seek
	}
	h.ranges.Push(r)
	if h.ranges.Len() > holesMax {
		h.ranges.Pop()
	}
}

// find returns the hole that a version lies in.
func (h *holes) find(v talos.Version) (Hole, bool) {
	i := h.ranges.Search(func(r Hole) bool { return r.To > talos.Position(v) })
	if i == h.ranges.Len() || h.ranges.At(i).From > talos.Position(v) {
		return Hole{}, false
	}
	return h.ranges.At(i), true
}

func (c *Core) onHole(ev *Hole) {
	if c.skipFrom == 0 || ev.From < c.skipFrom {
		c.holes.add(*ev)
	}
}

// missing takes a committed decision about a candidate that the log did not have: it holds its
// place in the order, as poison. When later versions were forwarded already the place is gone,
// and only the fact can be recorded.
func (c *Core) missing(ev *Decision, h Hole) {
	for _, s := range c.lost {
		if s.Version == ev.Version {
			c.countRepeat(ev, s.Decision.Outcome, s.Decision.Duplicate, s.Decision.Safepoint, s.Decision.Position)
			return
		}
	}
	c.stats.MissingCandidates++
	if ev.Version > c.queue.Last() {
		s := &suffix.Entry{
			Version: ev.Version, Received: c.now, Before: h.Before, Kind: suffix.Missing,
			Decision: suffix.Decision{Position: ev.Position, Received: c.now, Safepoint: ev.Safepoint, Outcome: ev.Outcome, Contradictory: ev.Contradictory},
		}
		i, _ := slices.BinarySearchFunc(c.lost, s, func(a, b *suffix.Entry) int { return int(int64(a.Version) - int64(b.Version)) })
		c.lost = slices.Insert(c.lost, i, s)
		return
	}
	f := Failure{Class: Poison, Kind: KindMissing, Message: missingMessage(ev.Position) + "; later versions were installed before"}
	c.note(Poisoned{Version: ev.Version, Safepoint: ev.Safepoint, Failure: f, Generation: -1, At: c.now})
	c.do(&Notice{Kind: CandidateMissing, Version: ev.Version, Failure: f})
}

// nextForward takes the next version that may be forwarded: the head of the suffix if it is
// decided, or a missing one below it.
func (c *Core) nextForward() *suffix.Entry {
	head := c.suffix.Head()
	if len(c.lost) > 0 && (head == nil || c.lost[0].Version < head.Version) {
		s := c.lost[0]
		c.lost = slices.Delete(c.lost, 0, 1)
		return s
	}
	return c.suffix.Forward()
}

func missingMessage(decided talos.Position) string {
	return fmt.Sprintf("the decision at position %d commits it, and the log had nothing at its position when it was read: was the topic compacted?", decided)
}

// settledDecision is what is remembered of a version that the snapshot has passed, to recognise
// a decision that contradicts it.
type settledDecision struct {
	version   talos.Version
	safepoint talos.Version
	decidedAt talos.Position
	outcome   talos.Outcome
	duplicate bool
}

// remember keeps the decision of a version that the snapshot passed; the oldest are forgotten.
func (c *Core) remember(d settledDecision) {
	c.settled.Push(d)
	if c.settled.Len() > settledMax {
		c.settled.Pop()
	}
}

func (c *Core) findSettled(v talos.Version) (settledDecision, bool) {
	i := c.settled.Search(func(d settledDecision) bool { return d.version >= v })
	if i == c.settled.Len() || c.settled.At(i).version != v {
		return settledDecision{}, false
	}
	return c.settled.At(i), true
}
