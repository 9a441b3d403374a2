package replicator

import "slices"

// timers is the instants at which something that was put off is due, ascending. Few are
// pending at a time: one a failed group or lane.
type timers struct{ at []int64 }

func (t *timers) add(at int64) {
	i, found := slices.BinarySearch(t.at, at)
	if !found {
		t.at = slices.Insert(t.at, i, at)
	}
}

func (t *timers) first() int64 {
	if len(t.at) == 0 {
		return 0
	}
	return t.at[0]
}

// pass drops the instants up to now.
func (t *timers) pass(now int64) {
	for len(t.at) > 0 && t.at[0] <= now {
		t.at = slices.Delete(t.at, 0, 1)
	}
}
