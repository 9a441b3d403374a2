// Package queue decides who may be installed now. It holds the versions whose decisions are
// known, in version order, from just above the durable snapshot on.
//
// The rule: an entry may join a group if and only if its safepoint is below the lowest
// unsettled version that is not in the group. Two kinds of group follow from it. A frontier
// group is the run that starts at the frontier: however hot its keys, everything below each
// member is settled or in the group. An ahead group takes entries from beyond whose gate lies
// below the frontier; it cannot move the snapshot, so its versions go to the ledger.
//
// The queue is pure: no clock, goroutine or I/O; time comes in as an argument. Each step costs
// O(log n) of what it holds, amortised. Its caller is the core.
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

	blocked      heap // awaiting entries by gate
	ready        heap // awaiting entries by version whose gate has passed
	keys         map[uint64]touch
	lastInFlight *Group // the last frontier group in flight; it may be chained to one before

	keyWaits uint64
}

// touch is who touched and who wrote a key last, among the versions the queue holds.
type touch struct{ any, write talos.Version }

// New returns an empty queue above the given durable snapshot.
func New(snapshot talos.Version) *Queue {
	return &Queue{
		snapshot: snapshot,
		blocked:  heap{by: func(e *Entry) talos.Version { return e.gate }},
		ready:    heap{by: func(e *Entry) talos.Version { return e.Version }},
		keys:     map[uint64]touch{},
	}
}

// Len returns how many versions the queue holds, settled ones above the durable snapshot included.
func (q *Queue) Len() int { return q.entries.Len() }

// Bytes returns the memory that the queue's entries count for.
func (q *Queue) Bytes() int { return q.bytes }

// Snapshot returns the durable snapshot.
func (q *Queue) Snapshot() talos.Version { return q.snapshot }

// KeyWaits returns how often a key made an entry wait for longer than its safepoint said.
func (q *Queue) KeyWaits() uint64 { return q.keyWaits }

// Frontier returns the lowest unsettled entry, or nil when all is settled.
func (q *Queue) Frontier() *Entry {
	if q.settled == q.entries.Len() {
		return nil
	}
	return q.entries.At(q.settled)
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

// Add appends a forwarded version. An entry without effects, or one that the ledger holds
// already (Ahead), is settled at once; any other is Converting. Versions must ascend.
func (q *Queue) Add(e *Entry) {
	if e.Version <= q.Last() {
		panic(Assertionf("version %d added after %d", e.Version, q.Last()))
	}
	e.state = Converting
	if !e.Effects || e.Ahead {
		e.state = Settled
		e.Candidate = nil
	}
	if e.Effects {
		q.index(e)
	}
	e.bytes = e.measure()
	q.bytes += e.bytes
	q.entries.Push(e)
	q.advanceFrontier()
}

// index computes the entry's gate and notes what it touches.
func (q *Queue) index(e *Entry) {
	e.gate = e.Safepoint
	for _, k := range e.Keys {
		t := q.keys[k.Hash()]
		before := t.write
		if k.Writes() {
			before = t.any
			t.write = e.Version
		}
		e.gate = max(e.gate, before)
		t.any = e.Version
		q.keys[k.Hash()] = t
	}
	if f := q.Frontier(); f != nil && e.gate >= f.Version && e.gate > e.Safepoint {
		q.keyWaits++
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
	q.enqueue(e)
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

func (q *Queue) enqueue(e *Entry) {
	if !e.indexed {
		e.indexed = true
		q.blocked.push(e)
	}
}

func (q *Queue) install(e *Entry) {
	e.state = Settled
	e.Candidate, e.Conversion = nil, nil
	q.recount(e)
}

// advanceFrontier moves the frontier over what is settled.
func (q *Queue) advanceFrontier() {
	for q.settled < q.entries.Len() && q.entries.At(q.settled).state == Settled {
		q.settled++
	}
}

func (q *Queue) recount(e *Entry) {
	n := e.measure()
	q.bytes += n - e.bytes
	e.bytes = n
}

func (q *Queue) require(e *Entry, want State) {
	if e.state != want {
		panic(Assertionf("version %d is %v, not %v", e.Version, e.state, want))
	}
}
