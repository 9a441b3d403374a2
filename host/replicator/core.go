// Package replicator is the core of the host: Step takes an event and returns what to do.
//
// It owns the suffix and the queue and knows everything that decides what is installed when:
// grouping, lanes, retries, poison, the snapshot, bounded memory and which guest converts what.
// It has no goroutine, clock, channel or I/O, and nothing in it depends on the order of a map,
// so the same events always give the same actions; a simulator and the host drive the same
// code. Time comes in with the events.
//
// Each part of the core has its state, its rules and its file: reading, operator,
// forwarding, converting, committing, lanes and poison, above cuts, backlog and step, which several of them share. A part
// knows those below it and never the Core.
package replicator

import (
	"math/rand/v2"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Core is the state of one host. New makes one; only Step changes it. It is not safe for use
// by several goroutines.
type Core struct {
	*step
	cuts       cuts
	backlog    backlog
	poison     poison
	reading    reading
	operator   operator
	forwarding forwarding
	probation  probation
	converting converting
	committing committing
	lanes      lanes
}

// New returns a core that begins at start. opts must be valid. The first Step should be a
// Tick: it asks for the lanes to be connected.
func New(opts Options, start Start) *Core {
	opts.Fill()
	s := &step{opts: opts, queue: queue.New(start.Snapshot), jitter: rand.New(rand.NewPCG(opts.Seed, 0x1c40))}
	c := &Core{step: s}
	ledger := make(map[talos.Version]bool, len(start.Ledger))
	c.cuts = cuts{step: s}
	c.probation = probation{step: s, cuts: &c.cuts, trials: make([]trial, len(start.Guests))}
	c.poison = poison{step: s, cuts: &c.cuts, backlog: &c.backlog, probation: &c.probation, troubles: map[talos.Version]*trouble{}, skips: map[talos.Version]int64{}, breaker: breaker{step: s}}
	c.reading = reading{step: s, poison: &c.poison, passed: map[talos.Version]*suffix.Entry{}, abandoned: map[talos.Version]bool{}, next: start.Resume, anchor: start.Anchor}
	c.operator = operator{step: s, reading: &c.reading, poison: &c.poison, ledger: ledger, seen: map[int64]bool{}, deciding: map[int64]talos.Version{}}
	c.forwarding = forwarding{step: s, reading: &c.reading, poison: &c.poison, backlog: &c.backlog, ledger: ledger}
	c.converting = converting{
		step: s, cuts: &c.cuts, backlog: &c.backlog, poison: &c.poison, reading: &c.reading, probation: &c.probation, operator: &c.operator,
		tasks: map[uint64]*task{}, refetching: map[talos.Version]*queue.Entry{},
	}
	c.committing = committing{step: s, reading: &c.reading, resume: start.Resume, published: -1}
	c.lanes = lanes{step: s, reading: &c.reading, operator: &c.operator, cuts: &c.cuts, poison: &c.poison, committing: &c.committing, all: make([]lane, opts.Lanes)}
	c.restore(start)
	return c
}

// restore takes over what the database says of versions above the snapshot, and of generations.
func (c *Core) restore(start Start) {
	given := start.Snapshot
	for _, v := range start.Ledger {
		c.forwarding.ledger[v] = true
		given = max(given, v)
	}
	for _, cuts := range start.Guests {
		c.cuts.byGuest = append(c.cuts.byGuest, append([]Cut(nil), cuts...))
		c.cuts.given = append(c.cuts.given, given)
		c.probation.trials[len(c.cuts.given)-1].current = cuts[len(cuts)-1].Generation
	}
	for _, t := range start.Trials {
		c.probation.goOn(t)
		c.cuts.drop(t.Before)
	}
	for _, v := range start.Held {
		if v <= start.Snapshot || c.forwarding.ledger[v] {
			c.poison.unended = append(c.poison.unended, End{Version: v, How: EndedPassed, Generation: cohort.NoGeneration})
		} else {
			c.poison.troubles[v] = &trouble{recorded: true}
			c.reading.wasHeld(v, start)
		}
	}
	for _, v := range start.Abandoned {
		c.reading.abandoned[v] = true
	}
	c.operator.refuseHandovers(start.Requests)
	c.operator.onAsked(start.Requests)
}

// Step tells the core what happened at the instant now (ns since the Unix epoch) and returns
// what to do, in order. The slice is valid until the next Step; the actions are the caller's.
// Records of the log only change what is known; what follows from them is decided by the
// BatchRead that ends their batch. After Stop was returned, Step returns nothing. When a rule of the
// core is broken the answer is a Stop alone.
func (c *Core) Step(now int64, ev Event) (actions []Action) {
	c.out = c.out[:0]
	if c.stopped {
		return nil
	}
	defer c.stopWhenBroken(&actions)
	c.now = max(c.now, now) // a clock that steps back must not stop anything
	if c.committing.advancedAt == 0 {
		c.committing.advancedAt, c.committing.progressAt, c.lanes.aheadAtLast = c.now, c.now, c.now
		for i := range c.lanes.all {
			c.lanes.all[i].downAt = c.now
		}
		c.operator.begin()
	}
	if c.reading.onRecord(ev) {
		return c.out
	}
	switch ev := ev.(type) {
	case *BatchRead:
		c.reading.onBatchRead(ev)
		if !c.reading.seeking && c.reading.next >= c.reading.end && !ev.Hidden {
			c.operator.abandon(ev.Asked)
		}
	case *SeekDone:
		c.reading.seeking = false
	case *Refetched:
		c.converting.onRefetched(ev)
	case *Converted:
		c.converting.onConverted(ev)
	case *LaneUp:
		c.lanes.onLaneUp(ev)
	case *LaneDown:
		c.lanes.onLaneDown(ev)
	case *Installed:
		c.lanes.onInstalled(ev)
	case *Failed:
		c.lanes.onFailed(ev)
	case *Alive:
		c.lanes.onAlive(ev)
	case *GuestArmed:
		c.converting.onGuestArmed(ev)
	case *GuestRefused:
		c.operator.onGuestRefused(ev)
	case *Asked:
		c.operator.onAsked(ev.Requests)
	case *Halt:
		c.stop(StopHalted, ev.Failure)
	case *Drain:
		c.draining = true
	case *Tick:
	}
	if !c.stopped {
		c.decide()
	}
	return c.out
}

// HandingOver reports whether the core drains for another host.
func (c *Core) HandingOver() bool { return c.handingOver }

// stopWhenBroken answers an assertion of the core or of its queue with a Stop. Any other panic goes on.
func (c *Core) stopWhenBroken(actions *[]Action) {
	switch broken := recover().(type) {
	case nil:
	case queue.Assertion:
		c.out = c.out[:0]
		c.stop(StopBrokenPromise, Failure{Class: Broken, Kind: KindAssertion, Message: string(broken)})
		*actions = c.out
	default:
		panic(broken)
	}
}

// Deadline returns the instant at which the core wants a Tick, or 0 for none.
func (c *Core) Deadline() int64 {
	at := earlier(c.timers.first(), c.poison.cureAt)
	for i := range c.lanes.all {
		if l := &c.lanes.all[i]; l.state == laneIdle {
			at = earlier(at, l.beatAt)
		}
	}
	at = earlier(at, c.committing.publishAt)
	for _, ahead := range [2]int64{c.reading.passAt(), c.lanes.aheadAt()} {
		if ahead > c.now { // what is due and could not be done waits for something else
			at = earlier(at, ahead)
		}
	}
	// A flush that nobody could begin now begins when a lane answers.
	if c.lanes.canFlush() {
		at = earlier(at, c.committing.flushAt)
	}
	return at
}

// decide looks for everything that may begin now.
func (c *Core) decide() {
	c.timers.pass(c.now)
	c.poison.cure()
	c.operator.skipHeld()
	c.operator.bring()
	c.forwarding.forward()
	c.converting.takeBack()
	c.converting.startConversions()
	c.converting.refetch()
	c.committing.scheduleFlush()
	c.lanes.dispatch()
	c.reading.applyBackpressure()
	c.committing.publish()
	c.converting.retire()
	c.finish()
	c.lanes.watchProgress()
}

// finish ends a drained core once nothing is under way and everything settled is durable.
func (c *Core) finish() {
	if !c.draining || c.stopped {
		return
	}
	for i := range c.lanes.all {
		l := &c.lanes.all[i]
		if l.group != nil || l.rows != nil || l.answers != nil && l.state == laneBusy {
			return
		}
	}
	if c.committing.resume > c.committing.published {
		c.do(&Publish{Resume: c.committing.resume})
	}
	reason := StopDrained
	if c.handingOver {
		reason = StopHandedOver
	}
	c.stop(reason, Failure{})
}
