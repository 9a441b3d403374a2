package queue

// Blocker is an unsettled version that another must come after, and the hash of the key that they
// share; 0 when one of the two has no keys and conflicts with all.
type Blocker struct {
	Entry *Entry
	Key   uint64
}

// Blockers returns the unsettled versions below an entry that conflict with it, the lowest first, at most
// so many. It looks at all that the queue holds below the entry: for people who ask, not for each step.
func (q *Queue) Blockers(e *Entry, most int) (blockers []Blocker) {
	writes := map[uint64]bool{}
	for _, k := range e.Keys {
		writes[k.Hash()] = k.Writes()
	}
	for i := q.settled; i < q.entries.Len() && len(blockers) < most; i++ {
		below := q.entries.At(i)
		if below.Version >= e.Version {
			break
		}
		if key, conflict := below.conflict(writes); below.state != Settled && conflict {
			blockers = append(blockers, Blocker{below, key})
		}
	}
	return blockers
}

// conflict returns the first key of an entry that conflicts with those of another, by whether that
// one writes them.
func (e *Entry) conflict(writes map[uint64]bool) (key uint64, conflict bool) {
	if len(e.Keys) == 0 || len(writes) == 0 {
		return 0, true
	}
	for _, k := range e.Keys {
		if written, both := writes[k.Hash()]; both && (written || k.Writes()) {
			return k.Hash(), true
		}
	}
	return 0, false
}
