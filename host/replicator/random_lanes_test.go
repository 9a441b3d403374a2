package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
)

// first returns the action that a lane would come to before the k-th: it takes its jobs in order.
func (w *world) first(k int) int {
	a, ok := w.asked[k].(*Install)
	if !ok || !a.Group.Chained {
		return k
	}
	for i, earlier := range w.asked[:k] {
		if b, ok := earlier.(*Install); ok && b.Lane == a.Lane {
			return i
		}
	}
	return k
}

// chained returns the group of a lane that is chained to the one before, or nil.
func (w *world) chained(lane cohort.Lane) *Install {
	for _, a := range w.asked {
		if i, ok := a.(*Install); ok && i.Lane == lane && i.Group.Chained {
			return i
		}
	}
	return nil
}

// takes reports whether the database has nothing against a group.
func (w *world) takes(g *queue.Group) bool {
	return !slices.ContainsFunc(g.Entries, func(e *queue.Entry) bool { return w.poison[e.Version] && e.Version%2 == 1 })
}

// drop lets a lane drop the group that is chained to one which failed.
func (w *world) drop(lane cohort.Lane) {
	w.asked = slices.DeleteFunc(w.asked, func(a Action) bool {
		i, ok := a.(*Install)
		return ok && i.Lane == lane && i.Group.Chained
	})
}
