package queue

// Radius is what waits for an unsettled version, directly or through others.
type Radius struct {
	Versions int // that conflict with it, or with one that waits for it
	Keys     int // that it and they touch
	// Free is how many of Versions wait for no other version that cannot go: they go once it settles.
	Free int
	// Partial says that the queue holds more than was looked at: the numbers are at least these.
	Partial bool
}

// radiusMax is how many entries are looked at, so that a question holds nobody up for long.
const radiusMax = 1 << 17

// Radius looks at the queue above an entry: for people who ask, not for each step.
func (q *Queue) Radius(e *Entry) Radius {
	from := q.entries.Search(func(x *Entry) bool { return x.Version > e.Version })
	to := min(q.entries.Len(), from+radiusMax)
	r := Radius{Partial: to < q.entries.Len()}
	waits := newWake(e)
	others := newWake() // of what is held or undecided but for e, whatever waits for it
	below := q.settled
	if from-below > radiusMax {
		below, r.Partial = from-radiusMax, true
	}
	for i := below; i < to; i++ {
		x := q.entries.At(i)
		if x.state == Settled || x == e {
			continue
		}
		stuck := x.state == Held || x.state == Undecided
		behind := others.catches(x)
		if stuck || behind {
			others.add(x)
		}
		if i < from || !waits.catches(x) {
			continue
		}
		waits.add(x)
		r.Versions++
		if !stuck && !behind {
			r.Free++
		}
	}
	r.Keys = len(waits.touched)
	return r
}

// wake is the keys of versions that others must come after, each with whether one of them writes it.
type wake struct {
	touched map[uint64]bool
	all     bool // one of them has no keys, and conflicts with everything
	any     bool
}

func newWake(entries ...*Entry) *wake {
	w := &wake{touched: map[uint64]bool{}}
	for _, e := range entries {
		w.add(e)
	}
	return w
}

func (w *wake) add(e *Entry) {
	w.any = true
	w.all = w.all || len(e.Keys) == 0
	for _, k := range e.Keys {
		w.touched[k.Hash()] = w.touched[k.Hash()] || k.Writes()
	}
}

// catches reports whether an entry above all that was added conflicts with one of it.
func (w *wake) catches(e *Entry) bool {
	if w.all || w.any && len(e.Keys) == 0 {
		return true
	}
	for _, k := range e.Keys {
		if written, both := w.touched[k.Hash()]; both && (written || k.Writes()) {
			return true
		}
	}
	return false
}
