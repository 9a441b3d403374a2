// Package replicator is the core of the host: Step takes an event and returns what to do.
//
// It owns the suffix and the queue and knows everything that decides what is installed when:
// grouping, lanes, retries, poison, the snapshot, bounded memory and which guest converts what.
// It has no goroutine, clock, channel or I/O, and nothing in it depends on the order of a map,
// so the same events always give the same actions; a simulator and the host drive the same
// code. Time comes in with the events.
package replicator

import (
	"math/rand/v2"

	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/ring"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Core is the state of one host. New makes one; only Step changes it. It is not safe for use
// by several goroutines.
type Core struct {
	opts   Options
	now    int64
	suffix suffix.Suffix
	queue  *queue.Queue
	ledger map[talos.Version]bool

	lanes      []lane
	notes      []Poisoned // to be recorded
	troubles   map[talos.Version]*trouble
	unended    []End // quarantines that ended without a transaction
	breaker    breaker
	guests     [][]Cut
	tasks      map[uint64]*task
	taskID     uint64
	convert    ring.Ring[*queue.Entry] // converting, with payload, not yet given out
	fetching   map[talos.Version]*queue.Entry
	starved    ring.Ring[*queue.Entry] // converting, payload let go, not yet asked for
	held       []heldVersion           // poison
	unresolved int                     // versions that were held and have not settled since
	cureAt     int64                   // when the first of them is tried again; 0 is never
	mendedAt   int64                   // when held versions were last tried because another was cured
	given      []talos.Version         // by guest: the highest version that was given to a generation

	next     talos.Position // where the log is read next
	anchor   talos.Anchor   // of the newest record below next
	end      talos.Position
	resume   talos.Position // durable
	known    talos.Version  // highest candidate seen
	skipFrom talos.Position // candidates from here on were not kept; 0 is none
	skipped  talos.Anchor
	seeking  bool // what arrives was read before the shell sought
	refused  refusedVersions
	holes    holes
	lost     []*suffix.Entry // committed and not in the log, not forwarded yet; ascending
	settled  ring.Ring[settledDecision]
	paused   bool
	pausedAt int64

	pace       int64 // ns that a version takes in a lane, of late
	progressAt int64 // when something that was due last got on
	flushAt    int64 // when settled versions must reach the snapshot; 0 is no need
	advancedAt int64 // when the resume point last became durable
	published  talos.Position
	publishAt  int64
	wakes      wakes
	draining   bool
	stopped    bool

	jitter *rand.Rand
	stats  Stats
	out    []Action
}

type task struct {
	generation int32
	entries    []*queue.Entry
}

// New returns a core that begins at start. opts must be valid. The first Step should be a
// Tick: it asks for the lanes to be connected.
func New(opts Options, start Start) *Core {
	opts.fill()
	c := &Core{
		opts:      opts,
		queue:     queue.New(start.Snapshot),
		ledger:    make(map[talos.Version]bool, len(start.Ledger)),
		lanes:     make([]lane, opts.Lanes),
		tasks:     map[uint64]*task{},
		troubles:  map[talos.Version]*trouble{},
		fetching:  map[talos.Version]*queue.Entry{},
		next:      start.Resume,
		anchor:    start.Anchor,
		resume:    start.Resume,
		published: -1,
		jitter:    rand.New(rand.NewPCG(opts.Seed, 0x1c40)),
	}
	for _, v := range start.Ledger {
		c.ledger[v] = true
	}
	given := start.Snapshot
	for _, v := range start.Ledger {
		given = max(given, v)
	}
	for _, cuts := range start.Guests {
		c.guests = append(c.guests, append([]Cut(nil), cuts...))
		c.given = append(c.given, given)
	}
	for _, v := range start.Held {
		if v <= start.Snapshot || c.ledger[v] {
			c.unended = append(c.unended, End{v, EndedPassed, -1})
		} else {
			c.troubles[v] = &trouble{recorded: true}
		}
	}
	return c
}

// Step tells the core what happened at the instant now (ns since the Unix epoch) and returns
// what to do, in order. The slice is valid until the next Step; the actions are the caller's.
// Records of the log only change what is known; what follows from them is decided by the
// ReadTo that ends their batch. After Stop was returned, Step returns nothing.
func (c *Core) Step(now int64, ev Event) []Action {
	c.out = c.out[:0]
	if c.stopped {
		return nil
	}
	c.now = max(c.now, now) // a clock that steps back must not stop anything
	if c.advancedAt == 0 {
		c.advancedAt, c.progressAt = c.now, c.now
		for i := range c.lanes {
			c.lanes[i].downAt = c.now
		}
	}
	if c.onRecord(ev) {
		return c.out
	}
	switch ev := ev.(type) {
	case *ReadTo:
		c.onReadTo(ev)
	case *Sought:
		c.seeking = false
	case *Fetched:
		c.onFetched(ev)
	case *Converted:
		c.onConverted(ev)
	case *LaneUp:
		c.onLaneUp(ev)
	case *LaneDown:
		c.onLaneDown(ev)
	case *Installed:
		c.onInstalled(ev)
	case *Failed:
		c.onFailed(ev)
	case *Alive:
		c.onAlive(ev)
	case *GuestArmed:
		c.onGuestArmed(ev)
	case *Halt:
		c.stop(Halted, ev.Failure)
	case *Drain:
		c.draining = true
	case *Tick:
	}
	if !c.stopped {
		c.decide()
	}
	return c.out
}

// Deadline returns the instant at which the core wants a Tick, or 0 for none.
func (c *Core) Deadline() int64 {
	at := earlier(c.wakes.first(), c.cureAt)
	for i := range c.lanes {
		if l := &c.lanes[i]; l.state == laneIdle {
			at = earlier(at, l.beatAt)
		}
	}
	at = earlier(at, c.publishAt)
	// A flush that nobody could begin now begins when a lane answers.
	if c.canFlush() {
		at = earlier(at, c.flushAt)
	}
	return at
}

// decide looks for everything that may begin now.
func (c *Core) decide() {
	c.wakes.pass(c.now)
	c.cure()
	c.forward()
	c.giveOut()
	c.refetch()
	c.plan()
	c.dispatch()
	c.press()
	c.publish()
	c.retire()
	c.finish()
	c.watchProgress()
}

func (c *Core) do(a Action) {
	if !c.stopped {
		c.out = append(c.out, a)
	}
}

func (c *Core) stop(reason StopReason, f Failure) {
	c.do(&Stop{Reason: reason, Failure: f})
	c.stopped = true
}

// forward moves the decided prefix of the suffix to the queue, as far as memory allows.
func (c *Core) forward() {
	for !c.draining && c.queue.Bytes() < c.opts.queueHigh() {
		s := c.nextForward()
		if s == nil {
			return
		}
		c.admit(s)
	}
}

// admit adds a decided version to the queue and sends it on its way.
func (c *Core) admit(s *suffix.Entry) {
	d := s.Decision
	e := &queue.Entry{
		Version: s.Version, Safepoint: d.Safepoint, Before: s.Before, Keys: s.Keys,
		Guest: s.Guest, Size: s.Size, Candidate: s.Candidate, Generation: -1,
		Outcome: d.Outcome, Duplicate: d.Duplicate, DecidedAt: d.Position,
		Journey: &timing.Journey{Version: s.Version},
	}
	e.Journey.Record(timing.ReplicatorCandidateReceived, s.Received)
	e.Journey.Record(timing.ReplicatorDecisionReceived, d.Received)
	e.Journey.Record(timing.ReplicatorStatemapPicked, c.now)
	c.stats.Forwarded++
	poison := poisonOf(s)
	e.Effects = poison != "" || (d.Outcome == talos.Committed && !d.Duplicate && s.Kind != suffix.Empty)
	if e.Effects && c.ledger[e.Version] {
		e.Ahead = true
		delete(c.ledger, e.Version)
	}
	c.queue.Add(e)
	switch {
	case e.State() == queue.Installed:
	case poison != "":
		c.hold(e, Failure{Class: Poison, Kind: poison, Message: poisonMessage(s)})
	case e.Candidate == nil:
		c.starved.Push(e)
	default:
		c.convert.Push(e)
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
		return "no route of the settings names a guest for the candidate's cohort"
	case s.Candidate != nil && s.Candidate.Unreadable != nil:
		return s.Candidate.Unreadable.Error()
	}
	return "the statemap has no meaning"
}

// beyond is what lies above the queue: the suffix, or else the place where the log is read.
func (c *Core) beyond() queue.Beyond {
	head := c.suffix.Head()
	if len(c.lost) > 0 && (head == nil || c.lost[0].Version < head.Version) {
		head = c.lost[0]
	}
	if head != nil {
		return queue.Beyond{Resume: talos.Position(head.Version), Anchor: head.Before}
	}
	if c.skipFrom != 0 {
		return queue.Beyond{Resume: c.skipFrom, Anchor: c.skipped}
	}
	return queue.Beyond{Resume: c.next, Anchor: c.anchor}
}

// finish ends a drained core once nothing is under way and everything settled is durable.
func (c *Core) finish() {
	if !c.draining || c.stopped {
		return
	}
	for i := range c.lanes {
		if c.lanes[i].group != nil || c.lanes[i].rows != nil {
			return
		}
	}
	if c.resume > c.published {
		c.do(&Publish{Resume: c.resume})
	}
	c.stop(Drained, Failure{})
}
