package replicator

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// converting is the versions that are with a guest, and the payloads that are being read again. It
// keeps the rule that a generation is retired after its last conversion was answered and everything
// below the next generation's cut is settled.
type converting struct {
	*step
	cuts    *cuts
	backlog *backlog
	poison  *poison
	reading *reading

	probation *probation
	operator  *operator

	tasks      map[uint64]*task
	taskID     uint64
	received   talos.Version // the highest whose statements the queue was given
	refetching map[talos.Version]*queue.Entry
}

// task is some versions that one generation converts at once.
type task struct {
	generation cohort.Generation
	before     cohort.Generation // that what it makes is compared with
	entries    []*queue.Entry
}

// startConversions hands versions to the guests, ahead of their eligibility and in version order, while
// there is memory for what they make.
func (c *converting) startConversions() {
	for !c.draining && c.backlog.ready.Len() > 0 && len(c.tasks) < c.opts.Conversions && (c.queue.Made() < c.opts.queueHigh() || c.frontierOn(&c.backlog.ready)) {
		t := &task{generation: c.cuts.generation(c.backlog.ready.Top())}
		t.before = c.probation.beforeOf(c.backlog.ready.Top().Guest, t.generation)
		a := &Convert{Task: c.taskID, Generation: t.generation, Before: t.before}
		for c.backlog.ready.Len() > 0 && len(t.entries) < c.opts.ConvertMax {
			e := c.backlog.ready.Top()
			if c.cuts.generation(e) != t.generation {
				break
			}
			c.backlog.ready.Pop()
			c.cuts.given[e.Guest] = max(c.cuts.given[e.Guest], e.Version)
			t.entries = append(t.entries, e)
			a.Works = append(a.Works, Work{Version: e.Version, Safepoint: e.Safepoint, Candidate: e.Candidate})
		}
		c.tasks[c.taskID] = t
		c.taskID++
		c.do(a)
	}
}

// frontierOn reports whether the frontier is on top: it goes on whatever the memory is full of, for it
// makes room.
func (c *converting) frontierOn(h *queue.Heap) bool {
	return h.Len() > 0 && h.Top() == c.queue.Frontier()
}

// onConverted takes the results of a task. There may be fewer than versions, when what the guest made is
// large: the rest is given out again.
func (c *converting) onConverted(ev *Converted) {
	t := c.tasks[ev.Task]
	if t == nil || len(ev.Results) == 0 || len(ev.Results) > len(t.entries) {
		panic(queue.Assertion("a conversion was answered that was not asked for, or not whole"))
	}
	delete(c.tasks, ev.Task)
	for _, e := range t.entries[len(ev.Results):] {
		c.backlog.push(e)
	}
	c.probation.converted(t.entries[0].Guest, t.generation, took(len(ev.Results), ev.Fuel, ev.Took, ev.Fresh))
	if t.before != cohort.NoGeneration && ev.BeforeTook > 0 {
		c.probation.compared(t.entries[0].Guest, t.generation, took(len(ev.Results), ev.BeforeFuel, ev.BeforeTook, 0))
	}
	c.received = max(c.received, t.entries[len(ev.Results)-1].Version)
	for i, e := range t.entries[:len(ev.Results)] {
		r := &ev.Results[i]
		e.Journey.Guest, e.Journey.Details = r.Guest, r.Details
		e.Journey.Record(timing.GuestConversionBegin, r.Begin)
		e.Journey.Record(timing.GuestConversionComplete, r.End)
		e.Journey.Record(timing.QueueStatemapReceived, c.now)
		e.Generation, e.Alike = t.generation, r.Alike
		switch r.Verdict {
		case OK:
			c.stats.Converted++
			c.queue.Converted(e, r.Conversion, t.generation)
		case Skipped:
			c.poison.settleSkipped(e)
		default:
			c.poison.hold(e, r.Failure)
		}
	}
}

// onGuestArmed lets a generation convert, and answers who asked for it.
func (c *converting) onGuestArmed(ev *GuestArmed) {
	from := c.cutOver(ev.Guest, ev.Generation, "")
	if ev.Believed {
		c.probation.believe(ev.Guest)
	}
	if ev.Request != 0 {
		c.operator.answers = append(c.operator.answers, Answer{Request: ev.Request, Reply: ReplyDone, Words: fmt.Sprintf("from version %d on", from)})
	}
}

// cutOver makes a generation convert everything that is not given out yet, and the poison that an
// earlier one left. The earlier one finishes what it has. why is in what that did worse, when it is taken
// back by itself.
func (c *converting) cutOver(guest cohort.GuestID, generation cohort.Generation, why string) (from talos.Version) {
	from = c.cuts.arm(guest, generation)
	c.probation.begin(guest, generation)
	if why != "" {
		c.stats.TakenBack++
	}
	c.stats.CutOvers++
	c.do(&CutOver{Guest: guest, Generation: generation, From: from, Why: why})
	c.poison.release(c.poison.outdated)
	return from
}

// takeBack lets the generation before convert again where the newest does worse on probation.
func (c *converting) takeBack() {
	for {
		guest, why := c.probation.judge()
		if why == "" {
			return
		}
		c.cutOver(guest, c.probation.trials[guest].before, why)
	}
}

// retire lets go of the generations whose versions are all settled, and that nothing may need again.
func (c *converting) retire() {
	lowest := talos.Version(c.reading.beyond().Resume)
	if f := c.queue.Frontier(); f != nil {
		lowest = f.Version
	}
	for guest, cuts := range c.cuts.byGuest {
		for len(cuts) > 1 && lowest >= cuts[1].From && !c.busy(cuts[0].Generation) && !c.probation.needs(cuts[0].Generation) {
			c.cuts.drop(cuts[0].Generation)
			cuts = cuts[1:]
		}
		c.cuts.byGuest[guest] = cuts
	}
	c.cuts.dropped = slices.DeleteFunc(c.cuts.dropped, func(generation cohort.Generation) bool {
		switch {
		case c.cuts.converts(generation):
			return true
		case c.busy(generation) || c.probation.needs(generation):
			return false
		}
		c.do(&Retire{Generation: generation})
		return true
	})
}

// waiting returns how many versions wait for their statements: for a guest, or for their payload.
func (c *converting) waiting() int {
	n := c.backlog.ready.Len() + c.backlog.awaitingPayload.Len() + len(c.refetching)
	for _, t := range c.tasks { // the sum is the same in any order
		n += len(t.entries)
	}
	return n
}

// busy reports whether a generation converts, or what it made is not installed yet.
func (c *converting) busy(generation cohort.Generation) bool {
	if c.queue.Has(generation) {
		return true
	}
	for _, t := range c.tasks { // any of them, in any order
		if t.generation == generation || t.before == generation {
			return true
		}
	}
	return false
}

// refetch asks for payloads that were let go, as far as memory allows.
func (c *converting) refetch() {
	if c.draining || len(c.refetching) > 0 || c.backlog.awaitingPayload.Len() == 0 {
		return
	}
	// While others have their payloads and fill the memory, these can wait.
	if c.backlog.ready.Len() > 0 && c.queue.Bytes() >= c.opts.queueHigh() && !c.frontierOn(&c.backlog.awaitingPayload) {
		return
	}
	a := &Refetch{}
	for c.backlog.awaitingPayload.Len() > 0 && len(a.Versions) < refetchVersionsMax && a.Bytes < c.opts.refetchBytesMax() {
		e := c.backlog.awaitingPayload.Pop()
		a.Bytes += int(e.Size)
		a.Versions = append(a.Versions, e.Version)
		c.refetching[e.Version] = e
	}
	c.stats.Refetched += uint64(len(a.Versions))
	c.do(a)
}

func (c *converting) onRefetched(ev *Refetched) {
	e := c.refetching[ev.Version]
	if e == nil {
		return
	}
	delete(c.refetching, ev.Version)
	if ev.Payload != nil && !slices.Equal(ev.Keys, e.Keys) {
		c.stop(StopHalted, Failure{Class: Broken, Kind: KindDiverged, Message: fmt.Sprintf(
			"position %d was read again and holds another candidate: the topic was recreated or is another one", ev.Version)})
		return
	}
	if ev.Payload == nil {
		c.poison.hold(e, Failure{Class: Poison, Kind: KindPayloadLost, Message: "retention took the candidate before it was installed"})
		return
	}
	c.queue.Restore(e, ev.Payload)
	c.backlog.push(e)
}
