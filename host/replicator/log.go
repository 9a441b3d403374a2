package replicator

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// onRecord takes a record of the log; false when the event is none.
func (c *Core) onRecord(ev Event) bool {
	switch ev := ev.(type) {
	case *Candidate:
		if !c.seeking {
			c.onCandidate(ev)
		}
	case *Decision:
		if !c.seeking {
			c.onDecision(ev)
		}
	case *Refused:
		if !c.seeking {
			c.stats.Refused++
			c.refused.add(ev.Version)
		}
	case *Hole:
		if !c.seeking {
			c.onHole(ev)
		}
	default:
		return false
	}
	return true
}

// onCandidate keeps a candidate, unless it is known or there is no room for it.
func (c *Core) onCandidate(ev *Candidate) {
	if ev.Version == 0 {
		c.stats.OffsetZero++
		c.do(&Notice{Kind: OffsetZero})
		return
	}
	// Settled already, or read again after a Seek.
	if ev.Version <= c.queue.Last() || talos.Position(ev.Version) < c.next {
		c.stats.Redelivered++
		return
	}
	if c.skipFrom != 0 || suffixOverhead*c.suffix.Len() >= c.opts.suffixMax() {
		c.skip(ev)
		return
	}
	before := ev.Before
	if before.Position < 0 { // the first record since the start or a seek
		before = c.anchor
	}
	e := &suffix.Entry{
		Version: ev.Version, Received: c.now, Before: before, Keys: ev.Keys,
		Guest: ev.Guest, Kind: ev.Kind, Candidate: ev.Payload,
	}
	if ev.Payload != nil {
		e.Size = int32(min(ev.Payload.Bytes(), 1<<30))
	}
	if !c.suffix.Insert(e) {
		c.stats.Redelivered++
		return
	}
	c.stats.Candidates++
	c.known = ev.Version
	// The newest payloads go first: decisions come for the oldest.
	if c.suffix.Held() > c.opts.payloadMax() {
		c.suffix.LetGo(e)
		c.stats.LetGo++
	}
}

// skip leaves out a candidate that there is no room for. Reading goes on, because the
// decisions that make room lie behind it; press reads it again later.
func (c *Core) skip(ev *Candidate) {
	if c.skipFrom == 0 {
		c.skipFrom, c.skipped = talos.Position(ev.Version), ev.Before
		c.stats.Skips++
		c.do(&Notice{Kind: BacklogTooLong, Version: ev.Version})
	}
}

// onDecision notes what the certifier said. The first decision in the log about a version binds.
func (c *Core) onDecision(ev *Decision) {
	switch ev.Outcome {
	case talos.Committed:
		c.stats.Committed++
	case talos.Aborted:
		c.stats.Aborted++
	}
	if ev.Duplicate {
		c.stats.Duplicates++
	}
	if s := c.suffix.Find(ev.Version); s != nil {
		d := suffix.Decision{
			Position: ev.Position, Received: c.now, Safepoint: ev.Safepoint,
			Outcome: ev.Outcome, Duplicate: ev.Duplicate, Contradictory: ev.Contradictory,
		}
		if s.Decision.Outcome == talos.Undecided {
			s.Decision = d
			return
		}
		c.countRepeat(ev, s.Decision.Outcome, s.Decision.Duplicate, s.Decision.Safepoint, s.Decision.Position)
		return
	}
	if e := c.queue.Find(ev.Version); e != nil {
		c.countRepeat(ev, e.Outcome, e.Duplicate, e.Safepoint, e.DecidedAt)
		return
	}
	if ev.Outcome == talos.Committed && c.refused.take(ev.Version) {
		c.lateCommit(ev)
		return
	}
	if h, found := c.holes.find(ev.Version); found && ev.Outcome == talos.Committed && !ev.Duplicate {
		c.missing(ev, h)
		return
	}
	if d, found := c.findSettled(ev.Version); found {
		c.countRepeat(ev, d.outcome, d.duplicate, d.safepoint, d.decidedAt)
		return
	}
	c.stats.UnknownDecisions++
}

// countRepeat counts a further decision about a version that is decided: nothing else follows from it.
func (c *Core) countRepeat(ev *Decision, outcome talos.Outcome, duplicate bool, safepoint talos.Version, first talos.Position) {
	switch {
	case ev.Position == first:
		c.stats.Redelivered++
	case ev.Outcome != outcome || ev.Duplicate != duplicate:
		c.stats.ConflictingOutcomes++
		c.do(&Notice{Kind: ConflictOutcome, Version: ev.Version, First: first, Later: ev.Position})
	case ev.Safepoint != safepoint:
		c.stats.ConflictingSafepoints++
	default:
		c.stats.Repeated++
	}
}

func (c *Core) lateCommit(ev *Decision) {
	c.stats.LateCommits++
	f := Failure{Class: Poison, Kind: KindLateCommit, Message: fmt.Sprintf("the decision at position %d commits a record that the certifier's parser refuses", ev.Position)}
	c.note(Poisoned{Version: ev.Version, Safepoint: ev.Safepoint, Failure: f, Generation: -1, At: c.now})
	c.do(&Notice{Kind: LateCommit, Version: ev.Version, Failure: f})
}

func (c *Core) onReadTo(ev *ReadTo) {
	if c.seeking {
		return
	}
	if ev.Next < c.next {
		c.broken(fmt.Sprintf("the log was read from position %d although it had been read to %d", ev.Next, c.next))
		return
	}
	c.next, c.end = ev.Next, ev.End
	if ev.Anchor.Position >= 0 {
		c.anchor = ev.Anchor
	}
}

func (c *Core) broken(message string) {
	c.stop(BrokenWord, Failure{Class: Broken, Kind: "assertion", Message: message})
}

// refetch asks for payloads that were let go, as far as memory allows.
func (c *Core) refetch() {
	if c.draining || len(c.fetching) > 0 || c.starved.Len() == 0 {
		return
	}
	// While others have their payloads and fill the memory, these can wait.
	if c.convert.Len() > 0 && c.queue.Bytes() >= c.opts.queueHigh() {
		return
	}
	var versions []talos.Version
	for bytes := 0; c.starved.Len() > 0 && len(versions) < refetchMax && bytes < c.opts.refetchMax(); {
		e := c.starved.Pop()
		bytes += int(e.Size)
		versions = append(versions, e.Version)
		c.fetching[e.Version] = e
	}
	slices.Sort(versions) // held ones that are tried again come in the order of their trying
	c.stats.Refetched += uint64(len(versions))
	c.do(&Refetch{Versions: versions})
}

func (c *Core) onFetched(ev *Fetched) {
	e := c.fetching[ev.Version]
	if e == nil {
		return
	}
	delete(c.fetching, ev.Version)
	if ev.Payload != nil && !slices.Equal(ev.Keys, e.Keys) {
		c.stop(Halted, Failure{Class: Broken, Kind: KindDiverged, Message: fmt.Sprintf(
			"position %d was read again and holds another candidate: the topic was recreated or is another one", ev.Version)})
		return
	}
	if ev.Payload == nil {
		c.hold(e, Failure{Class: Poison, Kind: KindPayloadLost, Message: "retention took the candidate before it was installed"})
		return
	}
	c.queue.Restore(e, ev.Payload)
	c.convert.Push(e)
}

// press pauses fetching while what is decided fills the memory, and reads again what was
// skipped once there is room. Progress never needs what is not read: an undecided backlog
// does not pause.
func (c *Core) press() {
	head := c.suffix.Head()
	full := c.queue.Bytes() >= c.opts.queueHigh() && head != nil && head.Decision.Outcome != talos.Undecided
	switch {
	case !c.paused && full:
		c.paused, c.pausedAt = true, c.now
		c.stats.Pauses++
		c.do(&PauseFetch{})
	case c.paused && c.queue.Bytes() <= c.opts.queueLow():
		c.paused = false
		took := c.now - c.pausedAt
		c.stats.PausedTotal += took
		c.stats.PausedLongest = max(c.stats.PausedLongest, took)
		c.do(&ResumeFetch{})
	}
	if c.skipFrom != 0 && suffixOverhead*c.suffix.Len() <= c.opts.suffixMax()/2 {
		c.do(&Seek{To: c.skipFrom})
		c.next, c.anchor, c.skipFrom, c.seeking = c.skipFrom, c.skipped, 0, true
	}
}

// publish offers the durable resume point for the group's offset, at most once a second.
func (c *Core) publish() {
	if c.resume <= c.published {
		c.publishAt = 0
		return
	}
	if c.publishAt == 0 {
		c.publishAt = c.now + publishDelay
		if c.published < 0 {
			c.publishAt = c.now
		}
	}
	if c.now >= c.publishAt {
		c.published, c.publishAt = c.resume, 0
		c.do(&Publish{Resume: c.resume})
	}
}

// refusedVersions remembers the latest refused versions, to recognise a decision about one.
type refusedVersions struct {
	held  map[talos.Version]bool
	order []talos.Version
	next  int
}

func (r *refusedVersions) add(v talos.Version) {
	if r.held == nil {
		r.held = map[talos.Version]bool{}
	}
	if r.held[v] {
		return
	}
	if len(r.order) < refusedMax {
		r.order = append(r.order, v)
	} else {
		delete(r.held, r.order[r.next])
		r.order[r.next] = v
		r.next = (r.next + 1) % refusedMax
	}
	r.held[v] = true
}

// take reports whether the version is among the refused, and forgets it.
func (r *refusedVersions) take(v talos.Version) bool {
	was := r.held[v]
	delete(r.held, v)
	return was
}
