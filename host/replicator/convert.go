package replicator

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// giveOut hands versions to the guests, ahead of their eligibility and in version order.
func (c *Core) giveOut() {
	for !c.draining && c.convert.Len() > 0 && len(c.tasks) < c.opts.Conversions {
		t := &task{generation: c.generation(c.convert.At(0))}
		a := &Convert{Task: c.taskID, Generation: t.generation}
		for c.convert.Len() > 0 && len(t.entries) < c.opts.ConvertMax {
			e := c.convert.At(0)
			if c.generation(e) != t.generation {
				break
			}
			c.convert.Pop()
			c.given[e.Guest] = max(c.given[e.Guest], e.Version)
			t.entries = append(t.entries, e)
			a.Works = append(a.Works, Work{Version: e.Version, Safepoint: e.Safepoint, Candidate: e.Candidate})
		}
		c.tasks[c.taskID] = t
		c.taskID++
		c.do(a)
	}
}

// generation returns which generation converts the entry: what the history says, or for a
// poison version that is tried again the newest.
func (c *Core) generation(e *queue.Entry) int32 {
	cuts := c.guests[e.Guest]
	i := len(cuts) - 1
	for i > 0 && e.Generation < 0 && cuts[i].From > e.Version {
		i--
	}
	return cuts[i].Generation
}

func (c *Core) onConverted(ev *Converted) {
	t := c.tasks[ev.Task]
	if t == nil || len(t.entries) != len(ev.Results) {
		c.broken("a conversion was answered that was not asked for, or not whole")
		return
	}
	delete(c.tasks, ev.Task)
	for i, e := range t.entries {
		r := &ev.Results[i]
		e.Journey.Guest = r.Guest
		e.Journey.Record(timing.GuestConversionBegin, r.Begin)
		e.Journey.Record(timing.GuestConversionComplete, r.End)
		e.Journey.Record(timing.QueueStatemapReceived, c.now)
		e.Generation = t.generation
		switch r.Verdict {
		case OK:
			c.stats.Converted++
			c.queue.Converted(e, r.Conversion, t.generation)
		case Skipped:
			c.settleSkipped(e)
		default:
			c.hold(e, r.Failure)
		}
	}
}

// onGuestArmed makes a generation convert everything that is not given out yet, and the
// poison that an earlier one left. The earlier one finishes what it has.
func (c *Core) onGuestArmed(ev *GuestArmed) {
	cuts := c.guests[ev.Guest]
	last := &cuts[len(cuts)-1]
	from := max(c.given[ev.Guest]+1, last.From)
	if last.Recorded && from == last.From {
		from++
	}
	if from == last.From {
		// Nothing was converted since the last swap: this one takes its place.
		c.do(&Retire{Generation: last.Generation})
		last.Generation = ev.Generation
	} else {
		c.guests[ev.Guest] = append(cuts, Cut{From: from, Generation: ev.Generation})
	}
	c.stats.CutOvers++
	c.do(&CutOver{Guest: ev.Guest, Generation: ev.Generation, From: from})
	c.release(c.outdated)
}

// uses returns the rows of the guest history that the group depends on and that are not
// known to be recorded.
func (c *Core) uses(g *queue.Group) []Use {
	var uses []Use
	for _, e := range g.Entries {
		cut := c.cutOf(e.Guest, e.Version)
		switch {
		case cut.Generation != e.Generation:
			uses = append(uses, Use{Guest: e.Guest, Generation: e.Generation, From: e.Version, Only: true})
		case !cut.Recorded && !used(uses, e.Guest, cut.From):
			uses = append(uses, Use{Guest: e.Guest, Generation: e.Generation, From: cut.From})
		}
	}
	return uses
}

func used(uses []Use, guest int32, from talos.Version) bool {
	for _, u := range uses {
		if u.Guest == guest && u.From == from && !u.Only {
			return true
		}
	}
	return false
}

// cutOf returns the cut that covers the version.
func (c *Core) cutOf(guest int32, v talos.Version) *Cut {
	cuts := c.guests[guest]
	i := len(cuts) - 1
	for i > 0 && cuts[i].From > v {
		i--
	}
	return &cuts[i]
}

// recorded notes that the history rows of a durable group are there.
func (c *Core) recorded(g *queue.Group) {
	for _, e := range g.Entries {
		if cut := c.cutOf(e.Guest, e.Version); cut.Generation == e.Generation {
			cut.Recorded = true
		}
	}
}

// retire lets go of the generations whose versions are all settled.
func (c *Core) retire() {
	lowest := talos.Version(c.beyond().Resume)
	if f := c.queue.Frontier(); f != nil {
		lowest = f.Version
	}
	for guest, cuts := range c.guests {
		for len(cuts) > 1 && lowest >= cuts[1].From && !c.converting(cuts[0].Generation) {
			c.do(&Retire{Generation: cuts[0].Generation})
			cuts = cuts[1:]
		}
		c.guests[guest] = cuts
	}
}

func (c *Core) converting(generation int32) bool {
	for _, t := range c.tasks { // any of them, in any order
		if t.generation == generation {
			return true
		}
	}
	return false
}
