package replicator

import "slices"

// wakes is the instants at which something that was put off is due, ascending. Few are
// pending at a time: one a failed group or lane.
type wakes struct{ at []int64 }

func (w *wakes) add(at int64) {
	i, found := slices.BinarySearch(w.at, at)
	if !found {
		w.at = slices.Insert(w.at, i, at)
	}
}

func (w *wakes) first() int64 {
	if len(w.at) == 0 {
		return 0
	}
	return w.at[0]
}

// pass drops the instants up to now.
func (w *wakes) pass(now int64) {
	for len(w.at) > 0 && w.at[0] <= now {
		w.at = slices.Delete(w.at, 0, 1)
	}
}
