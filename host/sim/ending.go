package sim

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// ending is how a world must end: L1, L2 and L4.
type ending struct {
	snapshot talos.Version  // at least
	resume   talos.Position // exactly
	all      bool           // nothing waits for ever
	must     []*node        // that take effect
}

// endingOf says how a log must end, when a version that the log lacks is held.
func (w *world) endingOf(s *server, missing talos.Version) ending {
	e := ending{resume: w.log.records[len(w.log.records)-1].next, all: true}
	lowest := talos.Version(1 << 62)
	stops := map[*node]bool{} // they wait for ever, or what conflicts with them may do so
	for _, n := range w.truth.nodes {
		excused := n.class != installable && s.excused(n.version)
		stops[n] = n.class != installable && !excused
		for _, b := range n.below {
			stops[n] = stops[n] || stops[b]
		}
		if stops[n] && !excused {
			lowest = min(lowest, n.version)
		}
	}
	lowest = min(lowest, missing)
	if lowest < 1<<62 {
		e.all, e.resume = false, talos.Position(lowest)
	}
	for _, c := range w.log.candidates {
		if c.version < lowest {
			e.snapshot = c.version
		}
	}
	for _, n := range w.truth.nodes {
		if n.class == installable && !stops[n] && n.version < missing {
			e.must = append(e.must, n)
		}
	}
	return e
}

// missing returns the versions that a server has as held and that the log lacks, ascending.
func (w *world) missing(s *server) (versions []talos.Version) {
	for _, d := range w.log.missing {
		if read[quarantineRow](s, quarantined(d.Version)).held {
			versions = append(versions, d.Version)
		}
	}
	slices.Sort(versions)
	return versions
}

// settled reports whether the world has ended as it must.
func (w *world) settled() bool { return w.unsettled() == "" }

// unsettled says what is not yet as it must end; "" for nothing.
func (w *world) unsettled() string {
	s := w.primary()
	state := read[stateRow](s, stateKey)
	missing := append(w.missing(s), 1<<62)
	e := w.endingOf(s, missing[0])
	switch {
	case state.snapshot < e.snapshot:
		return "L1: the snapshot does not reach the last version that is settled"
	case state.resume < e.resume && (state.resume > 0 || e.resume > w.log.records[0].at): // nothing was ever settled
		return "L1: the resume point does not reach the end"
	case state.resume > e.resume && e.resume != talos.Position(missing[0]): // which it may pass until its decision is known
		return "L1: the resume point passes what is not settled"
	case e.all && len(s.ledger) > 0:
		return "L1: the ledger is not empty"
	}
	for _, n := range e.must {
		if !s.applied(n) {
			return "L2: version " + n.version.String() + " could be installed and is not"
		}
	}
	for _, r := range s.standing() {
		if row := read[requestRow](s, requestKey(r.ID)); !row.taken || r.Verb == replicator.Skip && r.Version <= state.snapshot {
			return "L4: a request to " + string(r.Verb) + " has no answer"
		}
	}
	if v := w.curable(s, missing[0]); v != 0 {
		return "L4: version " + v.String() + " is held and could be installed"
	}
	for _, h := range w.hosts {
		switch {
		case h.core != nil && h.core.Status().InFlight > 0:
			return "L4: a version is in flight still"
		case h.owns(s) && h.core.Status().Next < w.end:
			return "L1: the log is not read to its end"
		case h.owns(s) && h.published != max(state.resume, w.log.records[0].at):
			return "L1: the published offset is not the resume point"
		}
	}
	return ""
}

// curable returns a version that is held and could be installed, 0 for none.
func (w *world) curable(s *server, missing talos.Version) talos.Version {
	for _, id := range s.rowsOf(tableQuarantine) {
		row := read[quarantineRow](s, rowKey{tableQuarantine, id})
		if n := w.truth.byPlace[talos.Version(id)]; row.held && n != nil && n.class == installable && !n.stops && n.version < missing {
			return n.version
		}
	}
	return 0
}

// final compares all rows with the replay once more. A version that the log lacks is not passed without a
// record of that, unless a host began above it or lost what it knew.
func (w *world) final() {
	snapshot := read[stateRow](w.primary(), stateKey).snapshot
	for _, d := range w.log.missing {
		if _, there := w.primary().rows[quarantined(d.Version)]; !there && w.takeovers == 1 && snapshot >= d.Version {
			w.violated("I12: version %d was committed, the log lacks it, and the snapshot %d passed it in silence", d.Version, snapshot)
		}
	}
	for a := range w.setup.accounts {
		w.checker.account(w.primary(), a)
	}
}
