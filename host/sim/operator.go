package sim

import (
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Operators ask by rows of ichor.request, which stand until a host ends them. They skip only what never takes
// effect and abandon what is never decided, so that what a serial replay leaves is the same, and what is decided
// already, which must be refused; and retry, pause and resume as they like.

// requestRow is a row of ichor.request.
type requestRow struct {
	verb    replicator.Verb
	version talos.Version
	taken   bool
	done    bool
	refused bool
}

func (r requestRow) open() bool { return !r.done && !r.refused }

func requestKey(id int64) rowKey { return rowKey{tableRequest, id} }

// ask enters a request, unless the same one is open.
func (w *world) ask(verb replicator.Verb, v talos.Version) {
	s := w.primary()
	for _, id := range s.requests {
		if r := read[requestRow](s, requestKey(id)); r.open() && r.verb == verb && r.version == v {
			return
		}
	}
	w.lastRequest++
	t := &transaction{backend: &backend{server: s}}
	t.put(requestKey(w.lastRequest), requestRow{verb: verb, version: v})
	t.commit()
	w.met("asked: " + string(verb))
}

// standing returns the requests that are not ended.
func (s *server) standing() (all []replicator.Request) {
	for _, id := range s.requests {
		if r := read[requestRow](s, requestKey(id)); r.open() {
			all = append(all, replicator.Request{ID: id, Verb: r.verb, Version: r.version, Who: "somebody"})
		}
	}
	return all
}

// excused reports whether a version counts as settled without effects because somebody asked for it: from
// the moment that a skip is asked for, and that an abandon is durable.
func (s *server) excused(v talos.Version) bool {
	for _, id := range s.requests {
		r := read[requestRow](s, requestKey(id))
		if r.version == v && (r.verb == replicator.Skip && !r.refused || r.verb == replicator.Abandon && r.done) {
			return true
		}
	}
	return false
}

// abandoned returns the versions from a resume point on that were abandoned.
func (s *server) abandoned(resume talos.Position) (versions []talos.Version) {
	for _, id := range s.requests {
		r := read[requestRow](s, requestKey(id))
		if r.verb == replicator.Abandon && r.done && talos.Position(r.version) >= resume {
			versions = append(versions, r.version)
		}
	}
	return versions
}

// operate lets somebody ask for something.
func (w *world) operate() {
	d := &w.faultDice
	if w.setup.faults[failOver] > 0 && d.chance(150) { // the server of before goes on with the lanes
		w.failOver(d.below(2), true, false)
		w.met("asked of a copy")
		w.endAll(w.primary())
		return
	}
	held := w.heldFor(w.primary(), d.below(2) == 0)
	switch d.below(6) {
	case 5:
		w.abandonTooLate()
	case 0:
		w.ask(replicator.Pause, 0)
	case 1, 2:
		w.ask(replicator.Resume, 0)
	default:
		if len(held) > 0 {
			v := held[d.below(len(held))]
			w.ask(of(d, replicator.Retry, w.ending(v)), v)
		}
	}
}

// abandonTooLate asks to abandon one of the versions that were decided last.
func (w *world) abandonTooLate() {
	const newest = 5 // records of the log
	i := w.shown - 1 - w.faultDice.below(newest)
	if i < 0 || w.log.records[i].decision == nil {
		return
	}
	w.ask(replicator.Abandon, w.log.records[i].decision.Version)
	w.met("asked to abandon what is decided")
}

// heldFor returns the versions that are held for ever and those that are never decided; all that are held
// when all are asked for.
func (w *world) heldFor(s *server, all bool) (versions []talos.Version) {
	for _, id := range s.rowsOf(tableQuarantine) {
		v := talos.Version(id)
		if row := read[quarantineRow](s, quarantined(v)); row.held && (all || w.ending(v) != replicator.Retry) {
			versions = append(versions, v)
		}
	}
	for _, n := range w.truth.nodes {
		if n.class == undecided && talos.Position(n.version) < w.end {
			versions = append(versions, n.version)
		}
	}
	return versions
}

// ending returns the verb that ends a version that waits for ever; Retry for one that does not.
func (w *world) ending(v talos.Version) replicator.Verb {
	switch n := w.truth.byPlace[v]; {
	case n == nil, n.class == poison: // the log lacks it, or it takes no effect
		return replicator.Skip
	case n.class == undecided:
		return replicator.Abandon
	}
	return replicator.Retry
}

// restore ends every pause, and where somebody cares what waits for ever.
func (w *world) restore() {
	s := w.primary()
	for _, r := range s.standing() {
		if r.Verb == replicator.Pause {
			w.ask(replicator.Resume, 0)
		}
	}
	if !w.cares {
		return
	}
	w.endAll(s)
}

// endAll asks to end all that waits for ever.
func (w *world) endAll(s *server) {
	for _, v := range w.heldFor(s, false) {
		if verb := w.ending(v); verb != replicator.Retry && !s.excused(v) {
			w.ask(verb, v)
		}
	}
}

// answerRequest writes what a host says to a request. One that is ended stays as it is, and one that the server
// does not have was asked of another.
func answerRequest(a replicator.Answer) statement {
	return statement{name: "answer", own: true, about: [2]int64{a.Request, int64(a.Reply)}, run: func(_ *batch, t *transaction) answer {
		if _, there := get[requestRow](t, requestKey(a.Request)); !there && a.Reply != replicator.ReplyTaken {
			return fail(codeRegressed)
		}
		row, found, x := update(t, requestKey(a.Request), requestRow.open)
		if found {
			row.taken = true
			row.done, row.refused = a.Reply == replicator.ReplyDone, a.Reply == replicator.ReplyRefused
			t.put(requestKey(a.Request), row)
		}
		return x
	}}
}
