package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/timing"
)

// explain names what the snapshot waits for.
func (c *Core) explain(s *Status) {
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
	default:
		s.Reason = frontierReason(f, c.now)
	}
}

func frontierReason(f *queue.Entry, now int64) Reason {
	switch f.State() {
	case queue.Held:
		return HeldByPoison
	case queue.Converting:
		return NotConverted
	case queue.Awaiting:
		if f.NotBefore() > now {
			return Retrying
		}
	}
	return Installing
}
