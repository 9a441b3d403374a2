package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// cuts says which generation of which guest converts what. It keeps the rule that each version is
// converted by exactly one generation, also after a restart: the cut from which a generation converts
// is recorded in the first transaction that installs what it made (Install.Uses).
type cuts struct {
	*step
	byGuest [][]Cut             // ascending; the first covers everything
	given   []talos.Version     // by guest: the highest version that was given to a generation
	dropped []cohort.Generation // that lost a cut, and are not retired
}

// converts reports whether a generation has one of the cuts.
func (c *cuts) converts(generation cohort.Generation) bool {
	for _, cuts := range c.byGuest {
		if slices.ContainsFunc(cuts, func(c Cut) bool { return c.Generation == generation }) {
			return true
		}
	}
	return false
}

// drop notes that a generation lost a cut: it is retired when it has no other and nothing needs it.
func (c *cuts) drop(generation cohort.Generation) {
	if !slices.Contains(c.dropped, generation) {
		c.dropped = append(c.dropped, generation)
	}
}

// arm makes a generation convert from the first version on that was not given to another, and returns
// that version.
func (c *cuts) arm(guest cohort.GuestID, generation cohort.Generation) (from talos.Version) {
	cuts := c.byGuest[guest]
	last := &cuts[len(cuts)-1]
	from = max(c.given[guest]+1, last.From)
	if last.Recorded && from == last.From {
		from++
	}
	if from == last.From {
		// Nothing was converted since the last swap: this one takes its place.
		c.drop(last.Generation)
		last.Generation = generation
	} else {
		c.byGuest[guest] = append(cuts, Cut{From: from, Generation: generation})
	}
	return from
}

// generation returns which generation converts the entry: what the history says, or for a
// poison version that is tried again the newest.
func (c *cuts) generation(e *queue.Entry) cohort.Generation {
	cuts := c.byGuest[e.Guest]
	i := len(cuts) - 1
	for i > 0 && e.Generation == cohort.NoGeneration && cuts[i].From > e.Version {
		i--
	}
	return cuts[i].Generation
}

// covering returns the cut that covers the version.
func (c *cuts) covering(guest cohort.GuestID, v talos.Version) *Cut {
	cuts := c.byGuest[guest]
	i := len(cuts) - 1
	for i > 0 && cuts[i].From > v {
		i--
	}
	return &cuts[i]
}

// uses returns the rows of the guest history that the group depends on and that are not
// known to be recorded.
func (c *cuts) uses(g *queue.Group) []Use {
	var uses []Use
	for _, e := range g.Entries {
		cut := c.covering(e.Guest, e.Version)
		switch {
		case cut.Generation != e.Generation || e.Version < cut.From: // one that was held when the history began
			uses = append(uses, Use{Guest: e.Guest, Generation: e.Generation, From: e.Version, Only: true})
		case !cut.Recorded && !used(uses, e.Guest, cut.From):
			uses = append(uses, Use{Guest: e.Guest, Generation: e.Generation, From: cut.From})
		}
	}
	return uses
}

func used(uses []Use, guest cohort.GuestID, from talos.Version) bool {
	for _, u := range uses {
		if u.Guest == guest && u.From == from && !u.Only {
			return true
		}
	}
	return false
}

// recorded notes that the history rows of a durable group are there.
func (c *cuts) recorded(g *queue.Group) {
	for _, e := range g.Entries {
		if cut := c.covering(e.Guest, e.Version); cut.Generation == e.Generation && e.Version >= cut.From {
			cut.Recorded = true
		}
	}
}
