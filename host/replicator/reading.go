package replicator

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/ring"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// reading is what is known of the log and not forwarded yet. It keeps these rules: the first copy of a
// candidate and the first decision about it bind; a version is forwarded after every earlier one is
// decided; and what there was no room for is read again before anything above it is forwarded.
type reading struct {
	*step
	poison *poison

	suffix suffix.Suffix
	// abandoned are versions that an operator abandoned, also while that is being made durable: a decision
	// about one is a later one.
	abandoned  map[talos.Version]bool
	passed     map[talos.Version]*suffix.Entry // forwarded without a decision, and not decided since
	order      ring.Ring[talos.Version]        // of passed, ascending; with some that are decided by now
	late       []*suffix.Entry                 // of passed, those that are decided by now
	next       talos.Position                  // where the log is read next
	anchor     talos.Anchor                    // of the newest record below next
	start, end talos.Position                  // of what is readable
	known      talos.Version                   // the highest candidate seen
	decision   talos.Position                  // of the newest decision, and the version that it is about
	about      talos.Version
	skipFrom   talos.Position // candidates from here on were not kept; 0 is none
	skipped    talos.Anchor
	seeking    bool // what arrives was read before the shell sought
	refused    refusedVersions
	holes      holes
	lost       []*suffix.Entry // committed and not in the log, not forwarded yet; ascending
	held       []talos.Version // by an earlier host, above what was read since; ascending
	settled    ring.Ring[settledDecision]
	paused     bool
	pausedAt   int64 // ns
}

// onRecord takes a record of the log; false when the event is none.
func (r *reading) onRecord(ev Event) bool {
	switch ev := ev.(type) {
	case *Candidate:
		if !r.seeking {
			r.onCandidate(ev)
		}
	case *Decision:
		if !r.seeking {
			r.onDecision(ev)
		}
	case *Refused:
		if !r.seeking {
			r.stats.Refused++
			r.refused.add(ev.Version)
		}
	case *Hole:
		if !r.seeking {
			r.onHole(ev)
		}
	default:
		return false
	}
	return true
}

// onCandidate keeps a candidate, unless it is known or there is no room for it.
func (r *reading) onCandidate(ev *Candidate) {
	if ev.Version == 0 {
		r.stats.OffsetZero++
		r.do(&Notice{Kind: OffsetZero})
		return
	}
	// Settled already, or read again after a Seek.
	if ev.Version <= r.queue.Last() || talos.Position(ev.Version) < r.next {
		r.stats.Redelivered++
		return
	}
	if r.skipFrom != 0 || r.suffixBytes() >= r.opts.suffixMax() {
		r.skip(ev)
		return
	}
	before := ev.Before
	if before.Position < 0 { // the first record since the start or a seek
		before = r.anchor
	}
	e := &suffix.Entry{
		Version: ev.Version, Received: r.now, Before: before, Keys: ev.Keys,
		Guest: ev.Guest, Kind: ev.Kind, Candidate: ev.Payload,
	}
	if ev.Payload != nil {
		e.Size = int32(min(ev.Payload.Bytes(), 1<<30))
	}
	if !r.suffix.Insert(e) {
		r.stats.Redelivered++
		return
	}
	r.stats.Candidates++
	r.known = ev.Version
	if r.abandoned[ev.Version] { // before this host began
		r.suffix.Decide(e, abandonment(r.now))
	}
	// The newest payloads go first: decisions come for the oldest.
	if r.suffix.Held() > r.opts.payloadMax() {
		r.suffix.LetGo(e)
		r.stats.LetGo++
	}
}

// suffixBytes is what the undecided candidates take beside their payloads.
func (r *reading) suffixBytes() int { return r.opts.overhead*r.suffix.Len() + keyBytes*r.suffix.Keys() }

// skip leaves out a candidate that there is no room for. Reading goes on, because the
// decisions that make room lie behind it; press reads it again later.
func (r *reading) skip(ev *Candidate) {
	if r.skipFrom == 0 {
		r.skipFrom, r.skipped = talos.Position(ev.Version), ev.Before
		r.stats.Skips++
		r.do(&Notice{Kind: BacklogTooLong, Version: ev.Version})
	}
}

// onDecision notes what the certifier said. The first decision in the log about a version binds.
func (r *reading) onDecision(ev *Decision) {
	r.decision, r.about = ev.Position, ev.Version
	switch ev.Outcome {
	case talos.Committed:
		r.stats.Committed++
	case talos.Aborted:
		r.stats.Aborted++
	}
	if ev.Duplicate {
		r.stats.Duplicates++
	}
	s := r.suffix.Find(ev.Version)
	if s == nil {
		s = r.passed[ev.Version]
	}
	if s != nil {
		d := suffix.Decision{
			Position: ev.Position, Received: r.now, Safepoint: ev.Safepoint,
			Outcome: ev.Outcome, Duplicate: ev.Duplicate, Contradictory: ev.Contradictory,
		}
		switch {
		case s.Decision.Outcome != talos.Undecided:
		case r.abandoned[s.Version]:
			r.countRepeat(ev, talos.Aborted, false, 0, AtOperator)
			return
		default:
			r.decide(s, d)
			return
		}
		r.countRepeat(ev, s.Decision.Outcome, s.Decision.Duplicate, s.Decision.Safepoint, s.Decision.Position)
		return
	}
	if e := r.queue.Find(ev.Version); e != nil {
		r.countRepeat(ev, e.Outcome, e.Duplicate, e.Safepoint, e.DecidedAt)
		return
	}
	if ev.Outcome == talos.Committed && r.refused.take(ev.Version) {
		r.lateCommit(ev)
		return
	}
	if h, found := r.holes.find(ev.Version); found && ev.Outcome == talos.Committed && !ev.Duplicate {
		r.missing(ev, h)
		return
	}
	if d, found := r.findSettled(ev.Version); found {
		r.countRepeat(ev, d.outcome, d.duplicate, d.safepoint, d.decidedAt)
		return
	}
	r.stats.UnknownDecisions++
}

// decide notes the decision that binds about a candidate of the suffix, or one that was passed.
func (r *reading) decide(s *suffix.Entry, d suffix.Decision) {
	if r.passed[s.Version] == nil {
		r.suffix.Decide(s, d)
		return
	}
	s.Decision = d
	r.late = append(r.late, s)
}

// AtOperator stands for the position of a decision that is an operator's: the version was abandoned.
const AtOperator talos.Position = -1

// abandonment is the decision about a version that an operator abandoned.
func abandonment(now int64) suffix.Decision {
	return suffix.Decision{Position: AtOperator, Received: now, Outcome: talos.Aborted}
}

// undecided returns a candidate that has no decision yet, or nil.
func (r *reading) undecided(v talos.Version) *suffix.Entry {
	s := r.suffix.Find(v)
	if s == nil {
		s = r.passed[v]
	}
	if s == nil || s.Decision.Outcome != talos.Undecided {
		return nil
	}
	return s
}

// oldestUndecided returns the lowest candidate that has no decision yet, or nil.
func (r *reading) oldestUndecided() *suffix.Entry {
	for r.order.Len() > 0 {
		if s := r.passed[r.order.At(0)]; s != nil && s.Decision.Outcome == talos.Undecided {
			return s
		}
		r.order.Pop()
	}
	if head := r.suffix.Head(); head != nil && head.Decision.Outcome == talos.Undecided {
		return head
	}
	return nil
}

// decisionOf returns the decision about a version, as far as it is remembered.
func (r *reading) decisionOf(v talos.Version) settledDecision {
	s := r.suffix.Find(v)
	if s == nil {
		s = r.passed[v]
	}
	if i := slices.IndexFunc(r.lost, func(l *suffix.Entry) bool { return l.Version == v }); i >= 0 {
		s = r.lost[i]
	}
	if s != nil {
		d := s.Decision
		return settledDecision{v, d.Safepoint, d.Position, d.Outcome, d.Duplicate}
	}
	if e := r.queue.Find(v); e != nil {
		return settledDecision{v, e.Safepoint, e.DecidedAt, e.Outcome, e.Duplicate}
	}
	d, _ := r.findSettled(v)
	return d
}

// countRepeat counts a further decision about a version that is decided: nothing else follows from it.
func (r *reading) countRepeat(ev *Decision, outcome talos.Outcome, duplicate bool, safepoint talos.Version, first talos.Position) {
	switch {
	case ev.Position == first:
		r.stats.Redelivered++
	case ev.Outcome != outcome || ev.Duplicate != duplicate:
		r.stats.ConflictingOutcomes++
		r.do(&Notice{Kind: ConflictOutcome, Version: ev.Version, First: first, Later: ev.Position})
	case ev.Safepoint != safepoint:
		r.stats.ConflictingSafepoints++
	default:
		r.stats.Repeated++
	}
}

func (r *reading) lateCommit(ev *Decision) {
	r.stats.LateCommits++
	f := Failure{Class: Poison, Kind: KindLateCommit, Message: fmt.Sprintf("the decision at position %d commits a record that the certifier's parser refuses", ev.Position)}
	r.poison.quarantine(Poisoned{Version: ev.Version, Safepoint: ev.Safepoint, Failure: f, Generation: cohort.NoGeneration, At: r.now})
	r.do(&Notice{Kind: LateCommit, Version: ev.Version, Failure: f})
}

func (r *reading) onHole(ev *Hole) {
	if r.skipFrom != 0 && ev.From >= r.skipFrom {
		return
	}
	r.holes.add(*ev)
	for len(r.held) > 0 && talos.Position(r.held[0]) < ev.To {
		if v := r.held[0]; talos.Position(v) >= ev.From && v > r.queue.Last() {
			r.lose(v, ev.Before, suffix.Decision{Outcome: talos.Committed})
		}
		r.held = r.held[1:]
	}
}

// wasHeld takes a version that an earlier host held. One that the log lacks has no record which would
// bring it back: below the resume point, which passes a hole as long as no decision is known, it takes its
// place at once, and above it when the hole is read.
func (r *reading) wasHeld(v talos.Version, start Start) {
	if talos.Position(v) < start.Resume {
		r.lose(v, start.Anchor, suffix.Decision{Outcome: talos.Committed})
		return
	}
	r.held = append(r.held, v)
}

// lose gives a committed version that the log lacks its place in the order.
func (r *reading) lose(v talos.Version, before talos.Anchor, d suffix.Decision) {
	d.Received = r.now
	s := &suffix.Entry{Version: v, Received: r.now, Before: before, Kind: suffix.Missing, Decision: d}
	i, found := slices.BinarySearchFunc(r.lost, s, func(a, b *suffix.Entry) int { return int(int64(a.Version) - int64(b.Version)) })
	if !found {
		r.lost = slices.Insert(r.lost, i, s)
	}
}

// missing takes a committed decision about a candidate that the log did not have: it holds its
// place in the order, as poison. When later versions were forwarded already the place is gone,
// and only the fact can be recorded.
func (r *reading) missing(ev *Decision, h Hole) {
	for _, s := range r.lost {
		if s.Version == ev.Version {
			r.countRepeat(ev, s.Decision.Outcome, s.Decision.Duplicate, s.Decision.Safepoint, s.Decision.Position)
			return
		}
	}
	r.stats.MissingCandidates++
	if ev.Version > r.queue.Last() {
		r.lose(ev.Version, h.Before, suffix.Decision{Position: ev.Position, Safepoint: ev.Safepoint, Outcome: ev.Outcome, Contradictory: ev.Contradictory})
		return
	}
	f := Failure{Class: Poison, Kind: KindMissing, Message: missingMessage(ev.Position) + "; later versions were installed before"}
	r.poison.quarantine(Poisoned{Version: ev.Version, Safepoint: ev.Safepoint, Failure: f, Generation: cohort.NoGeneration, At: r.now})
	r.do(&Notice{Kind: CandidateMissing, Version: ev.Version, Failure: f})
}

// missingMessage says what is known of a version that the log lacks; of one that an earlier host held the
// decision is not.
func missingMessage(decided talos.Position) string {
	if decided == 0 {
		return "an earlier host read that it is committed, and the log has nothing at its position: was the topic compacted?"
	}
	return fmt.Sprintf("the decision at position %d commits it, and the log had nothing at its position when it was read: was the topic compacted?", decided)
}

// nextForward takes the next version that may be forwarded: the head of the suffix if it is
// decided, or a missing one below it. A head without a decision is passed when it has been waited for
// long enough and others are decided; then it holds its place in the queue like a held one.
func (r *reading) nextForward() *suffix.Entry {
	head := r.suffix.Head()
	if len(r.lost) > 0 && (head == nil || r.lost[0].Version < head.Version) {
		s := r.lost[0]
		r.lost = slices.Delete(r.lost, 0, 1)
		return s
	}
	if s := r.suffix.Forward(); s != nil {
		return s
	}
	if due := r.passAt(); due == 0 || due > r.now {
		return nil
	}
	r.passed[head.Version] = head
	r.order.Push(head.Version)
	r.stats.Passed++
	return r.suffix.Pass()
}

// passAt returns the instant at which the head of the suffix is passed; 0 is never.
func (r *reading) passAt() int64 {
	head := r.suffix.Head()
	if r.opts.Order == OrderVersion || r.suffix.Decided() == 0 || head.Decision.Outcome != talos.Undecided {
		return 0
	}
	return head.Received + r.opts.AheadAfter
}

// takeLate returns the versions that were passed and are decided by now, in the order of their decisions.
func (r *reading) takeLate() []*suffix.Entry {
	late := r.late
	r.late = nil
	for _, s := range late {
		delete(r.passed, s.Version)
	}
	return late
}

func (r *reading) onBatchRead(ev *BatchRead) {
	if r.seeking {
		return
	}
	if ev.Next < r.next {
		panic(queue.Assertionf("the log was read from position %d although it had been read to %d", ev.Next, r.next))
	}
	r.next, r.start, r.end = ev.Next, ev.Start, ev.End
	if ev.Anchor.Position >= 0 {
		r.anchor = ev.Anchor
	}
}

// applyBackpressure pauses fetching while what is decided fills the memory, and reads again what was
// skipped once there is room. Progress must never need what is not read: neither an undecided backlog
// nor a version that was passed without a decision lets it pause.
func (r *reading) applyBackpressure() {
	head := r.suffix.Head()
	full := r.queue.Bytes() >= r.opts.queueHigh() && head != nil && head.Decision.Outcome != talos.Undecided && len(r.passed) == 0
	switch {
	case !r.paused && full:
		r.paused, r.pausedAt = true, r.now
		r.stats.Pauses++
		r.do(&PauseFetch{})
	case r.paused && (r.queue.Bytes() <= r.opts.queueLow() || len(r.passed) > 0):
		r.paused = false
		took := r.now - r.pausedAt
		r.stats.PausedTotal += took
		r.stats.PausedLongest = max(r.stats.PausedLongest, took)
		r.do(&ResumeFetch{})
	}
	if r.skipFrom != 0 && r.suffixBytes() <= r.opts.suffixMax()/2 {
		r.do(&Seek{To: r.skipFrom})
		r.next, r.anchor, r.skipFrom, r.seeking = r.skipFrom, r.skipped, 0, true
	}
}

// beyond is what lies above the queue: the suffix, or else the place where the log is read.
func (r *reading) beyond() queue.Beyond {
	head := r.suffix.Head()
	if len(r.lost) > 0 && (head == nil || r.lost[0].Version < head.Version) {
		head = r.lost[0]
	}
	if head != nil {
		return queue.Beyond{Resume: talos.Position(head.Version), Anchor: head.Before}
	}
	if r.skipFrom != 0 {
		return queue.Beyond{Resume: r.skipFrom, Anchor: r.skipped}
	}
	return queue.Beyond{Resume: r.next, Anchor: r.anchor}
}

// decidedAhead reports whether the snapshot has something to pass that is decided.
func (r *reading) decidedAhead() bool {
	if f := r.queue.Frontier(); f != nil {
		return f.State() != queue.Undecided
	}
	if r.queue.Len() > 0 || len(r.lost) > 0 {
		return true
	}
	head := r.suffix.Head()
	return head != nil && head.Decision.Outcome != talos.Undecided
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
func (r *reading) remember(d settledDecision) {
	delete(r.abandoned, d.version)
	r.settled.Push(d)
	if r.settled.Len() > settledMax {
		r.settled.Pop()
	}
}

func (r *reading) findSettled(v talos.Version) (settledDecision, bool) {
	i := r.settled.Search(func(d settledDecision) bool { return d.version >= v })
	if i == r.settled.Len() || r.settled.At(i).version != v {
		return settledDecision{}, false
	}
	return r.settled.At(i), true
}
