package queue

import "github.com/ichor-replicator/ichor/host/talos"

// Group is what one transaction installs. A frontier group carries the snapshot and the
// resume point forward; one without entries is a flush. An ahead group moves neither.
type Group struct {
	Entries  []*Entry // in version order
	Frontier bool

	// Chained says that it follows a frontier group that is still in flight, on the same
	// connection: it must have no effect unless that one was committed.
	Chained bool

	// Of a frontier group: the snapshot before and after, the resume point with its anchor, and
	// how many ledger rows the new snapshot passes.
	From, Snapshot talos.Version
	Resume         talos.Position
	Anchor         talos.Anchor
	Ledgered       int

	begun  int64 // ns
	bytes  int
	most   int    // the least limit of its entries
	before *Group // the one in flight that it is chained to
}

// fills reports whether the group has reached the limits.
func (g *Group) fills(lim Limits) bool { return len(g.Entries) >= lim.Entries || g.bytes >= lim.Bytes }

// Limits bound a group.
type Limits struct {
	Entries int // at least 1
	Bytes   int // reached, not exceeded by more than the last entry; at least 1
}

// Beyond is what lies above everything that the queue holds: where to resume when all of it
// is settled, and the anchor below that.
type Beyond struct {
	Resume talos.Position
	Anchor talos.Anchor
}

// NextFrontier takes the run that starts at the frontier, if its first entry may go now, and
// returns nil otherwise or while another frontier group is in flight.
func (q *Queue) NextFrontier(now int64, lim Limits, beyond Beyond) *Group {
	if q.lastInFlight != nil {
		return nil
	}
	g := &Group{Frontier: true, From: q.snapshot}
	if !q.run(g, q.settled, now, lim, beyond) {
		return nil
	}
	return g
}

// NextChained takes the run that starts behind the frontier group in flight, if it fills a
// group, and returns nil otherwise. What it depends on may be in that group: the two are safe
// because the same connection takes them in order, and because the second compares the
// snapshot that the first sets; so the first must set another. A smaller run waits, and goes with
// what arrives meanwhile.
func (q *Queue) NextChained(now int64, lim Limits, beyond Beyond) *Group {
	if q.lastInFlight == nil || q.lastInFlight.before != nil || q.lastInFlight.Snapshot == q.lastInFlight.From {
		return nil
	}
	from := q.entries.Search(func(e *Entry) bool { return e.Version > q.lastInFlight.Snapshot })
	if q.entries.Len()-from < lim.Entries {
		return nil
	}
	g := &Group{Frontier: true, Chained: true, From: q.lastInFlight.Snapshot}
	if !q.fills(from, now, lim) || !q.run(g, from, now, lim, beyond) {
		return nil
	}
	return g
}

// fills reports whether the run from an index on reaches the limits of a group.
func (q *Queue) fills(from int, now int64, lim Limits) bool {
	entries, bytes := 0, 0
	for i := from; i < q.entries.Len(); i++ {
		e := q.entries.At(i)
		if e.state == Settled {
			continue
		}
		if e.state != Awaiting || e.notBefore > now || e.limit > 0 {
			return false
		}
		entries++
		bytes += e.bytes
		if entries >= lim.Entries || bytes >= lim.Bytes {
			return true
		}
	}
	return false
}

// run fills a frontier group with the run that starts at an index and takes it; false when
// its first unsettled entry cannot go now.
func (q *Queue) run(g *Group, from int, now int64, lim Limits, beyond Beyond) bool {
	g.most, g.begun = lim.Entries, now
	end := from
	for ; end < q.entries.Len(); end++ {
		e := q.entries.At(end)
		if e.state == Settled {
			continue
		}
		if e.state != Awaiting || e.notBefore > now || !g.admit(e, lim) {
			break
		}
	}
	if len(g.Entries) == 0 {
		return false
	}
	q.setCommit(g, from, end, beyond)
	q.take(g)
	return true
}

// NextAhead takes entries from beyond the frontier that conflict with nothing unsettled below them but
// what the group has too, and returns nil when there are none. The frontier must be kept from going
// itself: undecided, held, delayed, or converting since an instant (ns) or before. Beside one that is in
// flight since then or before the group may be small; beside another it is full, or nil: what does not
// fill a group costs less when it goes with the frontier's next.
func (q *Queue) NextAhead(now, since int64, lim Limits) *Group {
	f := q.Frontier()
	if f == nil || f.state == Converting && f.Since() > since || f.state == Awaiting && f.notBefore <= now {
		return nil
	}
	beside := f.state == InFlight && f.Since() > since
	if beside && (q.rest > 0 || q.entries.Len()-q.settled <= lim.Entries && q.bytes < lim.Bytes) {
		return nil
	}
	q.keepConflicts()
	g := q.collect(now, lim)
	switch {
	case beside && !g.fills(lim):
		for _, e := range g.Entries {
			e.group = nil
		}
		q.forgetConflicts()
		q.misses++
		q.rest = 1 << min(q.misses, restMax)
		return nil
	case len(g.Entries) == 0:
		return nil
	case beside:
		q.misses = 0
	}
	q.take(g)
	return g
}

// restMax bounds for how many frontier groups nothing is looked for that fills a group beside them, as
// a power of two: it doubles each time that there was nothing.
const restMax = 6

// collect takes for an ahead group what is free, and what waits only for members of the group.
func (q *Queue) collect(now int64, lim Limits) *Group {
	g := &Group{most: lim.Entries, begun: now}
	s := search{group: g, steps: searchSteps + 16*lim.Entries}
	var later []*Entry // that are free and delayed
	for {
		from := &q.ready
		if n := s.found.Top(); n != nil && (from.Top() == nil || n.Version < from.Top().Version) {
			from = &s.found
		}
		e := from.Top()
		if e == nil || q.conflicts.barred(e) {
			break
		}
		fit := e.state == Awaiting && e.group == nil && e.notBefore <= now && (e.waits == 0 || s.precedes(e))
		if fit && !g.admit(e, lim) {
			break
		}
		from.Pop()
		switch {
		case fit:
			e.ready, e.group = false, g
			s.follow(e)
		case from == &s.found:
		case e.state == Awaiting && e.group == nil:
			later = append(later, e)
		default:
			e.ready = false
		}
	}
	for _, e := range later {
		q.ready.Push(e)
	}
	return g
}

// keepConflicts begins to keep the table of conflicts, with what the queue has by now.
func (q *Queue) keepConflicts() {
	if q.conflicts.on {
		return
	}
	q.conflicts.on = true
	for i := q.settled; i < q.entries.Len(); i++ {
		if e := q.entries.At(i); e.state != Settled {
			q.enter(e)
		}
	}
}

// forgetConflicts ends to keep it: nothing asks for a while.
func (q *Queue) forgetConflicts() {
	q.conflicts = conflicts{lines: map[uint64]*line{}}
	q.ready = Heap{}
	for i := q.settled; i < q.entries.Len(); i++ {
		e := q.entries.At(i)
		e.touches, e.waits, e.ready = nil, 0, false
	}
}

// Flush returns a frontier group without entries that carries the snapshot over what has
// settled and the resume point to where it is now; nil while a frontier group is in flight.
func (q *Queue) Flush(beyond Beyond) *Group {
	if q.lastInFlight != nil {
		return nil
	}
	g := &Group{Frontier: true, From: q.snapshot}
	q.setCommit(g, 0, q.settled, beyond)
	q.take(g)
	return g
}

// Behind returns how many settled versions the durable snapshot has yet to pass.
func (q *Queue) Behind() int { return q.settled }

// ResumeAt returns where a restart would have to read from, were everything settled made
// durable now.
func (q *Queue) ResumeAt(beyond Beyond) talos.Position {
	if f := q.Frontier(); f != nil {
		return talos.Position(f.Version)
	}
	return beyond.Resume
}

// Done says that the group is durable. It returns the entries that the snapshot passed and that
// the queue therefore no longer holds; an ahead group passes none. The slice is the caller's.
func (q *Queue) Done(g *Group) []*Entry {
	q.release(g)
	for _, e := range g.Entries {
		q.require(e, InFlight)
		e.Ahead = !g.Frontier
		q.install(e)
	}
	q.advanceFrontier() // an ahead group may have held the frontier itself
	if !g.Frontier {
		return nil
	}
	q.snapshot = g.Snapshot
	q.rest = max(0, q.rest-1)
	var passed []*Entry
	for q.entries.Len() > 0 && q.entries.At(0).Version <= g.Snapshot {
		e := q.entries.Pop()
		if e.state != Settled {
			panic(Assertionf("the snapshot %d passes version %d, which is %v", g.Snapshot, e.Version, e.state))
		}
		q.settled--
		q.bytes -= e.bytes
		passed = append(passed, e)
	}
	if q.entries.Len() == 0 {
		q.conflicts.on = false
	}
	return passed
}

// Undone says that the group had no effect: its entries await installation again.
func (q *Queue) Undone(g *Group) {
	q.release(g)
	for _, e := range g.Entries {
		q.require(e, InFlight)
		e.state, e.group = Awaiting, nil
		q.offer(e)
	}
}

// admit adds the entry to the group if the number, the bytes and every limit allow it.
func (g *Group) admit(e *Entry, lim Limits) bool {
	most := g.most
	if e.limit > 0 {
		most = min(most, int(e.limit))
	}
	if n := len(g.Entries); n > 0 && (n >= most || g.bytes >= lim.Bytes) {
		return false
	}
	g.most = most
	g.bytes += e.bytes
	g.Entries = append(g.Entries, e)
	return true
}

// setCommit computes what a frontier group makes durable that settles the entries up to an end;
// those below from are another's.
func (q *Queue) setCommit(g *Group, from, end int, beyond Beyond) {
	g.Snapshot = g.From
	if end > 0 {
		g.Snapshot = max(g.From, q.entries.At(end-1).Version)
	}
	if !g.Chained {
		from = 0 // what had settled before the run is carried along
	}
	for i := from; i < end; i++ {
		if e := q.entries.At(i); e.Ahead {
			g.Ledgered++
		}
	}
	g.Resume, g.Anchor = beyond.Resume, beyond.Anchor
	if end < q.entries.Len() {
		next := q.entries.At(end)
		g.Resume, g.Anchor = talos.Position(next.Version), next.Before
	}
}

func (q *Queue) take(g *Group) {
	if g.Frontier {
		g.before, q.lastInFlight = q.lastInFlight, g
	}
	for _, e := range g.Entries {
		e.state, e.group = InFlight, g
	}
}

// release lets the next frontier group begin. Of two that are chained, the first may be done
// while the second is in flight, and the second is undone before the first.
func (q *Queue) release(g *Group) {
	switch {
	case !g.Frontier:
	case q.lastInFlight == g:
		q.lastInFlight = g.before
	case q.lastInFlight.before == g:
		q.lastInFlight.before = nil
	default:
		panic(Assertionf("the group from snapshot %d is not in flight", g.From))
	}
}
