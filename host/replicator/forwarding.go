package replicator

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// forwarding takes decided versions from the suffix to the queue. It keeps the rule that a version
// which the ledger holds is settled when it comes, so that its effects are never installed twice.
type forwarding struct {
	*step
	reading *reading
	poison  *poison
	backlog *backlog

	ledger map[talos.Version]bool // installed ahead of the snapshot, and not forwarded yet
}

// forward moves the decided prefix of the suffix to the queue, as far as memory allows.
func (f *forwarding) forward() {
	for _, s := range f.reading.takeLate() {
		f.decided(f.queue.Find(s.Version), s)
	}
	for !f.draining && f.queue.Bytes() < f.opts.queueHigh() {
		s := f.reading.nextForward()
		if s == nil {
			return
		}
		f.admit(s)
	}
}

// admit adds a version to the queue, and sends it on its way if it is decided.
func (f *forwarding) admit(s *suffix.Entry) {
	e := &queue.Entry{
		Version: s.Version, Before: s.Before, Keys: s.Keys,
		Guest: s.Guest, Size: s.Size, Candidate: s.Candidate, Generation: cohort.NoGeneration, AddedAt: f.now,
		Journey: &timing.Journey{Version: s.Version},
	}
	e.Journey.Record(timing.ReplicatorCandidateReceived, s.Received)
	f.stats.Forwarded++
	f.take(e, s)
	f.queue.Add(e)
	if s.Decision.Outcome != talos.Undecided {
		f.send(e, s)
	}
}

// decided sends a version on its way that was passed without a decision.
func (f *forwarding) decided(e *queue.Entry, s *suffix.Entry) {
	f.take(e, s)
	f.queue.Decided(e)
	f.send(e, s)
}

// take notes on an entry what its decision says.
func (f *forwarding) take(e *queue.Entry, s *suffix.Entry) {
	d := s.Decision
	if d.Outcome == talos.Undecided {
		return
	}
	e.Outcome, e.Duplicate, e.Safepoint, e.DecidedAt = d.Outcome, d.Duplicate, d.Safepoint, d.Position
	e.Journey.Record(timing.ReplicatorDecisionReceived, d.Received)
	e.Journey.Record(timing.ReplicatorStatemapPicked, f.now)
	e.Effects = poisonOf(s) != "" || (d.Outcome == talos.Committed && !d.Duplicate && s.Kind != suffix.Empty)
	if f.ledger[e.Version] { // whatever the routes say of it by now, its effects are there
		e.Effects, e.Ahead = true, true
		delete(f.ledger, e.Version)
	}
}

// send has an entry converted, or holds it when no guest can make anything of it.
func (f *forwarding) send(e *queue.Entry, s *suffix.Entry) {
	poison := poisonOf(s)
	switch {
	case e.State() == queue.Settled:
		f.poison.settled(e)
	case f.poison.skips[e.Version] != 0:
		f.poison.settleByOperator(e)
	case poison != "":
		f.poison.hold(e, Failure{Class: Poison, Kind: poison, Message: poisonMessage(s)})
	default:
		f.backlog.push(e)
	}
}

// poisonOf names why a decided version can never be converted, or returns "".
func poisonOf(s *suffix.Entry) string {
	switch {
	case s.Decision.Contradictory:
		return KindContradiction
	case s.Decision.Outcome != talos.Committed || s.Decision.Duplicate:
		return ""
	case s.Kind == suffix.Missing:
		return KindMissing
	case s.Kind == suffix.Unreadable:
		return KindUnreadable
	case s.Kind == suffix.Unrouted:
		return KindUnrouted
	}
	return ""
}

func poisonMessage(s *suffix.Entry) string {
	switch {
	case s.Decision.Contradictory && s.Decision.Outcome == talos.Committed:
		return "the decision says committed and has no safepoint"
	case s.Decision.Contradictory:
		return "the decision says aborted and has a safepoint"
	case s.Kind == suffix.Missing:
		return missingMessage(s.Decision.Position)
	case s.Kind == suffix.Unrouted:
		return "guests.routes gives the items of the candidate to no guest, or not all of them to the same one"
	case s.Candidate != nil && s.Candidate.Unreadable != nil:
		return s.Candidate.Unreadable.Error()
	}
	return "the statemap has no meaning"
}
