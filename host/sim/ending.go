package sim

import (
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// settled reports whether the world has ended as it must.
func (w *world) settled() bool { return w.unsettled() == "" }

// unsettled says what is not yet as it must end; "" for nothing: L1, L2 and L4.
func (w *world) unsettled() string {
	s := w.primary()
	r := w.checker.books.check(s, true)
	end := w.log.records[len(w.log.records)-1].next
	if r.Open > 0 {
		end = talos.Position(r.Open)
	}
	switch g := r.Going; {
	case len(r.Findings) > 0:
		return invariants[r.Findings[0].Kind] + ": " + r.Findings[0].What
	case g != nil && g.Installed < g.Allowed: // the books allow for those that are under way
		return "L2: version " + g.Waiting[0].String() + " could be installed and is not"
	case r.Resume < end && (r.Resume > 0 || end > w.log.records[0].at): // nothing was ever settled
		return "L1: the resume point does not reach the end"
	}
	for _, asked := range s.standing() {
		row := read[requestRow](s, requestKey(asked.ID))
		if !row.taken || asked.Verb == replicator.Skip && asked.Version <= r.Snapshot || asked.Verb == replicator.Abandon {
			return "L4: a request to " + string(asked.Verb) + " has no answer"
		}
	}
	if v := w.curable(s); v != 0 {
		return "L4: version " + v.String() + " is held and could be installed"
	}
	for _, h := range w.hosts {
		switch {
		case h.core != nil && h.core.Status().InFlight > 0:
			return "L4: a version is in flight still"
		case h.owns(s) && h.core.Status().Next < w.end:
			return "L1: the log is not read to its end"
		case h.owns(s) && h.published != max(r.Resume, w.log.records[0].at):
			return "L1: the published offset is not the resume point"
		}
	}
	return ""
}

// curable returns a version that is held and could be installed, 0 for none. Nothing is above one that the log lacks.
func (w *world) curable(s *server) talos.Version {
	missing := talos.Version(1 << 62)
	for _, d := range w.log.missing {
		if read[quarantineRow](s, quarantined(d.Version)).held {
			missing = min(missing, d.Version)
		}
	}
	for _, id := range s.rowsOf(tableQuarantine) {
		row := read[quarantineRow](s, rowKey{tableQuarantine, id})
		if n := w.truth.byPlace[talos.Version(id)]; row.held && n != nil && n.class == installable && !n.stops && n.version < missing {
			return n.version
		}
	}
	return 0
}

// final compares all rows with the replay once more, and what the books have as installed with them.
func (w *world) final() {
	s := w.primary()
	is := books.NewInstalled(s.evidence())
	for _, n := range w.truth.nodes {
		if n.class == installable && is.Has(n.version) && !s.applied(n) {
			w.violated("I1: version %d has not taken effect, and the books have it as installed", n.version)
		}
	}
	for a := range w.setup.accounts {
		w.checker.account(s, a)
	}
}
