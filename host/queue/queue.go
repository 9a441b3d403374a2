// Package queue decides who may be installed now. It holds the versions whose decisions are
// known, in version order, from just above the durable snapshot on.
//
// The rule: an entry may join a group if and only if no unsettled version below it and outside the
// group conflicts with it. Two versions conflict when they share a key that either of them writes; one
// without keys conflicts with all. Two kinds of group follow from it. A frontier group is the run that
// starts at the frontier: however hot its keys, everything below each member is settled or in the
// group. An ahead group takes entries from beyond that are free, and those that only wait for members;
// it cannot move the snapshot, so its versions go to the ledger.
//
// The queue is pure: no clock, goroutine or I/O; time comes in as an argument. Each step costs
// O(keys) and O(log n) of what it holds, amortised. Its caller is the core.
package queue

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/ring"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Queue is the forwarded versions above the durable snapshot. New makes one.
type Queue struct {
	entries  ring.Ring[*Entry] // version order; the front is the lowest above the durable snapshot
	settled  int               // entries[:settled] are installed; entries[settled] is the frontier
	snapshot talos.Version     // durable
	bytes    int
	made     int                       // of bytes, those of statements
	makers   map[cohort.Generation]int // of how many entries the statements are a generation's

	conflicts    conflicts
	ready        Heap   // entries that are free to go ahead, and some that were
	lastInFlight *Group // the last frontier group in flight; it may be chained to one before
	misses       int    // how often in a row nothing filled an ahead group beside a frontier group
	rest         int    // frontier groups for which that is not looked for

	tooLow   uint64
	keyWaits uint64
}

// New returns an empty queue above the given durable snapshot.
func New(snapshot talos.Version) *Queue {
	return &Queue{snapshot: snapshot, makers: map[cohort.Generation]int{}, conflicts: conflicts{lines: map[uint64]*line{}}}
}

// Len returns how many versions the queue holds, settled ones above the durable snapshot included.
func (q *Queue) Len() int { return q.entries.Len() }

// Bytes returns the memory that the queue's entries count for.
func (q *Queue) Bytes() int { return q.bytes }

// Made returns how many of Bytes are statements.
func (q *Queue) Made() int { return q.made }

// Has reports whether the queue has statements that a generation made.
func (q *Queue) Has(generation cohort.Generation) bool { return q.makers[generation] > 0 }

// Snapshot returns the durable snapshot.
func (q *Queue) Snapshot() talos.Version { return q.snapshot }

// TooLow returns how many safepoints lay below an unsettled version that shares a key: the certifier
// had forgotten that one. They are counted only while the table of conflicts is kept.
func (q *Queue) TooLow() uint64 { return q.tooLow }

// KeyWaits returns how many entries had an unsettled version below them that conflicts with them when they
// came. They are counted only while the table of conflicts is kept.
func (q *Queue) KeyWaits() uint64 { return q.keyWaits }

// SettledTo returns the version up to which everything is settled, durable in the snapshot or not yet.
func (q *Queue) SettledTo() talos.Version {
	if q.settled == 0 {
		return q.snapshot
	}
	return q.entries.At(q.settled - 1).Version
}

// Frontier returns the lowest unsettled entry, or nil when all is settled.
func (q *Queue) Frontier() *Entry {
	if q.settled == q.entries.Len() {
		return nil
	}
	return q.entries.At(q.settled)
}

// Free returns the lowest entry that conflicts with nothing and could go ahead, delayed ones too, or nil. It
// knows of none before somebody has asked what may go ahead.
func (q *Queue) Free() *Entry {
	for e := q.ready.Top(); e != nil; e = q.ready.Top() {
		if e.state == Awaiting && e.group == nil {
			return e
		}
		q.ready.Pop().ready = false
	}
	return nil
}

// Last returns the highest version the queue holds, or the durable snapshot when it is empty.
func (q *Queue) Last() talos.Version {
	if n := q.entries.Len(); n > 0 {
		return q.entries.At(n - 1).Version
	}
	return q.snapshot
}

// Find returns the entry of a version, or nil when the queue does not hold it.
func (q *Queue) Find(v talos.Version) *Entry {
	i := q.entries.Search(func(e *Entry) bool { return e.Version >= v })
	if i == q.entries.Len() || q.entries.At(i).Version != v {
		return nil
	}
	return q.entries.At(i)
}

// Add appends a forwarded version. It is Undecided while it has no Outcome, settled at once when it has
// no effects or the ledger holds it already (Ahead), and Converting otherwise. Versions must ascend.
func (q *Queue) Add(e *Entry) {
	if e.Version <= q.Last() {
		panic(Assertionf("version %d added after %d", e.Version, q.Last()))
	}
	if e.state = Undecided; e.Outcome != talos.Undecided {
		e.state = e.decided()
	}
	if e.state == Settled {
		e.Candidate = nil
	}
	e.bytes = e.measure()
	q.bytes += e.bytes
	q.entries.Push(e)
	if q.conflicts.on && e.state != Settled {
		q.enter(e)
	}
	q.advanceFrontier()
}

// Decided takes the decision that an Undecided entry was given.
func (q *Queue) Decided(e *Entry) {
	q.require(e, Undecided)
	if e.state = e.decided(); e.state == Settled {
		q.install(e)
		q.advanceFrontier()
	}
}

// enter puts an unsettled entry into the table of conflicts, and among the ready if it may go already.
func (q *Queue) enter(e *Entry) {
	before := e.behind
	q.conflicts.add(e)
	if before == 0 && e.behind > 0 { // it is counted once
		q.keyWaits++
		if e.behind > e.Safepoint {
			q.tooLow++
		}
	}
	q.offer(e)
}

// offer puts an entry among the ready ones when nothing is in its way any more.
func (q *Queue) offer(e *Entry) {
	if q.conflicts.on && e.state == Awaiting && e.waits == 0 && !e.ready {
		e.ready = true
		q.ready.Push(e)
	}
}

// Restore gives a Converting entry its payload back, after it was let go.
func (q *Queue) Restore(e *Entry, c *talos.Candidate) {
	e.Candidate = c
	q.recount(e)
}

// Converted gives an entry its statements: it awaits installation from now on.
func (q *Queue) Converted(e *Entry, c Conversion, generation cohort.Generation) {
	q.require(e, Converting)
	e.Conversion, e.Generation = c, generation
	e.state = Awaiting
	q.recount(e)
	q.offer(e)
}

// Settle marks a Converting entry as having no effects after all: the guest skipped it.
func (q *Queue) Settle(e *Entry) {
	q.require(e, Converting)
	e.Effects = false
	q.install(e)
	q.advanceFrontier()
}

// Hold takes a Converting or Awaiting entry out of the running: it stays unsettled.
func (q *Queue) Hold(e *Entry) {
	if e.state != Converting && e.state != Awaiting {
		panic(Assertionf("version %d held while %v", e.Version, e.state))
	}
	e.state = Held
}

// Reconvert sends a Held entry back to conversion, without the statements it had.
func (q *Queue) Reconvert(e *Entry) {
	q.require(e, Held)
	e.state, e.Conversion, e.limit, e.notBefore = Converting, nil, 0, 0
	q.recount(e)
}

// Delay keeps an Awaiting entry from being tried again before the instant, in ns.
func (q *Queue) Delay(e *Entry, until int64) { e.notBefore = until }

// Limit lets an entry only join groups of at most n entries; 1 makes it go alone.
func (q *Queue) Limit(e *Entry, n int) { e.limit = int32(n) }

// LetGo takes payload and statements of a Held entry, to bound memory.
func (q *Queue) LetGo(e *Entry) {
	q.require(e, Held)
	e.Candidate, e.Conversion = nil, nil
	q.recount(e)
}

// install settles an entry: what waits for it may go.
func (q *Queue) install(e *Entry) {
	e.state, e.group = Settled, nil
	e.Candidate, e.Conversion = nil, nil
	q.recount(e)
	if q.conflicts.on {
		q.conflicts.remove(e, q.offer)
	}
}

// advanceFrontier moves the frontier over what is settled.
func (q *Queue) advanceFrontier() {
	for q.settled < q.entries.Len() && q.entries.At(q.settled).state == Settled {
		q.settled++
	}
	for e := q.ready.Top(); e != nil && e.state == Settled; e = q.ready.Top() {
		q.ready.Pop().ready = false
	}
}

func (q *Queue) recount(e *Entry) {
	n, made := e.measure(), 0
	if e.Conversion != nil {
		made = e.Conversion.Bytes()
	}
	q.bytes += n - e.bytes
	q.made += made - e.made
	e.bytes, e.made = n, made
	if has := e.Conversion != nil; has != e.has {
		if e.has = has; has {
			q.makers[e.Generation]++
		} else if q.makers[e.Generation]--; q.makers[e.Generation] == 0 {
			delete(q.makers, e.Generation)
		}
	}
}

func (q *Queue) require(e *Entry, want State) {
	if e.state != want {
		panic(Assertionf("version %d is %v, not %v", e.Version, e.state, want))
	}
}
