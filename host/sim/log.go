package sim

import (
	"slices"
	"sort"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// record is one place of the log, or a range of places at which there is nothing.
type record struct {
	at, next  talos.Position // the place, and the first behind it
	candidate *candidate
	refused   bool
	decision  *replicator.Decision
	hole      bool // nothing is there, and nobody says why
}

// candidate is what is true of one.
type candidate struct {
	version  talos.Version
	kind     suffix.Kind
	keys     []talos.Key
	reads    []int // accounts
	writes   []int
	amounts  []int64 // that are added to what it writes; their sum is 0
	skipped  bool    // its guest has nothing to install
	accepted int     // the first digest of a guest that takes it; never for none
	spoilt   int     // a later one that does not all the same, for it is worse; 0 for none, and never the last
	refusal  string  // the SQLSTATE by which the database refuses it, "" for none
	forever  bool    // the refusal is never cured
	size     int     // bytes of its statements
	payload  *talos.Candidate
	binding  *replicator.Decision // the first decision about it in the log; nil for none
}

// takenBy reports whether a guest of a digest takes it.
func (c *candidate) takenBy(digest int) bool {
	return digest >= c.accepted && (c.spoilt == 0 || digest != c.spoilt)
}

// never is a digest that no guest reaches.
const never = 1 << 30

// history is a log.
type history struct {
	records    []record
	candidates []*candidate // those that are kept, ascending
	missing    []*replicator.Decision
	digests    int // how many modules there are: with the last one everything is taken that ever is
}

// writer makes a log.
type writer struct {
	*setup
	d       *dice
	out     *history
	at      talos.Position
	pending []*open
	last    map[int]*touched // by account
	highest talos.Version    // that has effects
	value   []byte
}

// open is a candidate that has no decision yet.
type open struct {
	decision replicator.Decision
	late     bool // it comes at the end
	again    bool // it was decided
}

// touched is who last wrote an account, and the highest that touched it.
type touched struct{ written, read talos.Version }

// writeLog makes the log of a setup.
func writeLog(s *setup, d *dice) *history {
	w := &writer{setup: s, d: d, out: &history{digests: 1 + d.below(4)}, at: 1, last: map[int]*touched{}, value: make([]byte, s.payload)}
	for written := 0; written < s.candidates || len(w.pending) > 0; {
		if written < s.candidates && (len(w.pending) == 0 || d.below(3) > 0) {
			w.between()
			w.candidate()
			written++
			continue
		}
		w.decide(written == s.candidates)
	}
	return w.out
}

func (w *writer) append(r record, places talos.Position) {
	r.at, r.next = w.at, w.at+places
	w.at = r.next
	w.out.records = append(w.out.records, r)
}

// between writes what is no candidate.
func (w *writer) between() {
	l := &w.log
	for w.d.chance(l.foreign) {
		w.append(record{}, 1)
	}
	switch {
	case w.d.chance(l.gap):
		w.append(record{}, of(w.d, talos.Position(2), 50, 1e9))
	case w.d.chance(l.hole):
		if w.d.chance(l.missing) {
			w.pending = append(w.pending, &open{decision: replicator.Decision{Version: talos.Version(w.at), Outcome: talos.Committed}})
		}
		w.append(record{hole: true}, talos.Position(1+w.d.below(3)))
	case w.d.chance(l.refused):
		if w.d.chance(100) {
			w.pending = append(w.pending, &open{decision: replicator.Decision{Version: talos.Version(w.at), Outcome: talos.Committed}})
		}
		w.append(record{refused: true}, 1)
	case w.d.chance(l.early):
		w.append(record{decision: &replicator.Decision{Version: talos.Version(w.at) + 1 + talos.Version(w.d.below(3)), Position: w.at, Outcome: of(w.d, talos.Committed, talos.Aborted)}}, 1)
	}
}

// candidate writes one, and notes how it will be decided.
func (w *writer) candidate() {
	l := &w.log
	c := &candidate{version: talos.Version(w.at), size: 1 + w.d.below(w.statement)}
	c.payload = &talos.Candidate{Version: c.version, Value: w.value[:w.d.below(len(w.value)+1)]}
	w.touch(c)
	o := &open{decision: replicator.Decision{Version: c.version, Outcome: talos.Committed}, late: w.d.chance(l.long)}
	w.fate(c, &o.decision)
	d := &o.decision
	effects := d.Outcome == talos.Committed && !d.Duplicate && c.kind == suffix.Installable
	if safepoint := w.safepoint(c, effects); d.Outcome == talos.Committed && !d.Contradictory && !w.d.chance(l.forgotten) {
		d.Safepoint = safepoint
	}
	w.out.candidates = append(w.out.candidates, c)
	w.append(record{candidate: c}, 1)
	if !w.d.chance(l.never) {
		w.pending = append(w.pending, o)
	}
}

// touch picks what a candidate reads and writes.
func (w *writer) touch(c *candidate) {
	pick := func() int {
		if w.d.chance(w.hot) {
			return w.d.below(min(3, w.accounts))
		}
		return w.d.below(w.accounts)
	}
	add := func(to []int, account int) []int {
		if slices.Contains(c.reads, account) || slices.Contains(c.writes, account) {
			return to
		}
		return append(to, account)
	}
	for range 1 + w.d.below(3) {
		c.writes = add(c.writes, pick())
	}
	if w.d.below(2) == 0 {
		c.reads = add(c.reads, pick())
	}
	if !w.d.chance(w.log.keyless) {
		c.keys = talos.Keys(accountNames(c.reads), accountNames(c.writes))
	}
	if w.d.chance(w.log.hidden) {
		c.writes = add(c.writes, pick())
	}
	sort.Ints(c.writes)
	rest := int64(0)
	for range c.writes[1:] {
		x := int64(w.d.between(-50, 50))
		c.amounts = append(c.amounts, x)
		rest -= x
	}
	c.amounts = append(c.amounts, rest)
}

// fate picks what becomes of a candidate.
func (w *writer) fate(c *candidate, d *replicator.Decision) {
	l := &w.log
	switch {
	case w.d.chance(l.aborted):
		d.Outcome = talos.Aborted
	case w.d.chance(l.duplicate):
		d.Duplicate = true
	case w.d.chance(l.contradictory):
		d.Contradictory = true
		d.Outcome = of(w.d, talos.Committed, talos.Aborted)
	case w.d.chance(l.empty):
		c.kind = suffix.Empty
	case w.d.chance(l.unreadable):
		c.kind = of(w.d, suffix.Unreadable, suffix.Unrouted)
	case w.d.chance(l.skipped):
		c.skipped = true
	case w.d.chance(l.rejected):
		c.accepted = w.d.below(w.out.digests)
		if w.out.digests > 2 && w.d.chance(500) {
			c.accepted, c.spoilt = 0, w.d.between(1, w.out.digests-2)
		}
		if w.d.chance(l.forever) {
			c.accepted = never
		}
	case w.d.chance(l.poison):
		c.refusal, c.forever = of(w.d, "23503", "22P02"), w.d.chance(l.forever)
	}
}

// safepoint returns the highest version below that conflicts, and notes what the candidate touches.
func (w *writer) safepoint(c *candidate, effects bool) (highest talos.Version) {
	if len(c.keys) == 0 {
		highest = w.highest
	}
	of := func(account int) *touched {
		if w.last[account] == nil {
			w.last[account] = &touched{}
		}
		return w.last[account]
	}
	for _, a := range c.writes {
		highest = max(highest, of(a).written, of(a).read)
	}
	for _, a := range c.reads {
		highest = max(highest, of(a).written)
	}
	if effects {
		for _, a := range c.writes {
			of(a).written = c.version
		}
		for _, a := range c.reads {
			of(a).read = c.version
		}
		w.highest = c.version
	}
	return highest
}

// decide writes the decision about one of the pending.
func (w *writer) decide(last bool) {
	k := w.d.below(min(len(w.pending), 1+w.d.below(w.log.delay)))
	o := w.pending[k]
	if o.late && !last {
		w.pending = append(slices.Delete(w.pending, k, k+1), o)
		return
	}
	d := o.decision
	d.Position = w.at
	if o.again && w.d.chance(500) {
		d.Outcome, d.Duplicate, d.Contradictory, d.Safepoint = of(w.d, talos.Aborted, talos.Committed), false, false, 0
	}
	if !o.again {
		if c := w.out.find(d.Version); c != nil {
			c.binding = &d
		} else if h := w.out.at(d.Version); h != nil && h.hole {
			w.out.missing = append(w.out.missing, &d)
		}
	}
	w.append(record{decision: &d}, 1)
	if w.d.chance(w.log.repeated) || !o.again && w.d.chance(w.log.conflicting) {
		o.again = true
		return
	}
	w.pending = slices.Delete(w.pending, k, k+1)
}

// find returns the candidate of a version, nil for none.
func (h *history) find(v talos.Version) *candidate {
	i := sort.Search(len(h.candidates), func(i int) bool { return h.candidates[i].version >= v })
	if i == len(h.candidates) || h.candidates[i].version != v {
		return nil
	}
	return h.candidates[i]
}

// index returns which record stands at a position or is the first behind it.
func (h *history) index(p talos.Position) int {
	return sort.Search(len(h.records), func(i int) bool { return h.records[i].next > p })
}

// at returns the record that covers a version's place, nil for none.
func (h *history) at(v talos.Version) *record {
	i := h.index(talos.Position(v))
	if i == len(h.records) || h.records[i].at > talos.Position(v) {
		return nil
	}
	return &h.records[i]
}
