package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// behind reports whether the snapshot has something to pass that is decided.
func (c *Core) behind() bool {
	if c.queue.Len() > 0 || len(c.lost) > 0 {
		return true
	}
	head := c.suffix.Head()
	return head != nil && head.Decision.Outcome != talos.Undecided
}

// watchProgress keeps the one clock by which progress is judged: the time since the snapshot or
// the resume point moved, while something decided waits. It is never the age of a version: a host
// that works off a backlog makes progress.
func (c *Core) watchProgress() {
	if !c.behind() {
		c.progressAt = c.now
	}
}

// explain names what the snapshot waits for.
func (c *Core) explain(s *Status) {
	s.ProgressAt = c.progressAt
	f := c.queue.Frontier()
	head := c.suffix.Head()
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
	case f == nil && head == nil:
		s.Reason = Progressing
	case f == nil:
		s.Reason = Undecided
	case c.breaker.until != 0:
		s.Reason, s.Failure = DatabaseRefuses, c.breaker.failure
	default:
		s.Reason = c.frontierReason(f)
		if t := c.troubles[f.Version]; t != nil {
			s.Failure = t.failure
		}
	}
}

func (c *Core) frontierReason(f *queue.Entry) Reason {
	t := c.troubles[f.Version]
	switch {
	case t != nil && t.held > 0: // also while it is tried again
		return HeldByPoison
	case f.State() == queue.Converting:
		return NotConverted
	case t != nil && t.failure.Class == Contention:
		return Contended
	case t != nil && t.failure.Class == TimedOut:
		return SlowStatement
	}
	return Installing
}
