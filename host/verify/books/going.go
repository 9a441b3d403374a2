package books

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// HeldBack is the kind of finding of versions that wait although nothing that they depend on does (L2).
const HeldBack Kind = "held_back"

// goingShare is the share of what may go on past versions that hold the snapshot that must have gone.
const goingShare = 0.95

// Going says what went on past the versions that hold the snapshot.
type Going struct {
	Allowed   int             `json:"allowed"`   // committed versions above the snapshot that conflict with nothing that waits
	Installed int             `json:"installed"` // of those
	Waiting   []talos.Version `json:"waiting,omitempty"`
}

// OK reports whether enough of what may go on has gone.
func (g *Going) OK() bool { return float64(g.Installed) >= goingShare*float64(g.Allowed) }

// Waits reports whether something is left that others may go past.
func (r *Report) Waits() bool { return r.Reachable != r.Snapshot || r.Pending > 0 }

// Went takes what went on past what waits, when there was time for it.
func (r *Report) Went(g *Going) {
	r.Going = g
	if !g.OK() {
		r.Findings = append(r.Findings, Finding{
			Kind: HeldBack, Count: g.Allowed - g.Installed, Versions: g.Waiting,
			What: fmt.Sprintf("of %d versions that conflict with nothing that waits %d are installed", g.Allowed, g.Installed),
		})
	}
}

// blockade has the keys of versions that wait. What conflicts with it waits too.
type blockade struct {
	keys map[uint64]bool // by hash: whether one of them writes it
	all  bool            // one of them has no keys, and conflicts with everything
	any  bool
}

func (b *blockade) add(keys []talos.Key) {
	b.any, b.all = true, b.all || len(keys) == 0
	for _, k := range keys {
		b.keys[k.Hash()] = b.keys[k.Hash()] || k.Writes()
	}
}

// stops reports whether a version conflicts with what waits: they share a key that either of them writes.
func (b *blockade) stops(keys []talos.Key) bool {
	if b.all || b.any && len(keys) == 0 {
		return true
	}
	for _, k := range keys {
		if writes, shared := b.keys[k.Hash()]; shared && (writes || k.Writes()) {
			return true
		}
	}
	return false
}

// Walk goes over the versions above the snapshot in their order, and computes by the conflict rule what may
// be installed while others wait.
type Walk struct {
	log     *Log
	e       *Evidence
	inOrder bool
	is      *Installed
	held    map[talos.Version]bool
	missing []talos.Version // that come still
	waits   blockade
	going   Going
}

// NewWalk begins one. inOrder says that versions go in their order whatever their keys are (installer.order).
// What was abandoned is what the last Check said.
func NewWalk(log *Log, e *Evidence, inOrder bool) *Walk {
	w := &Walk{log: log, e: e, inOrder: inOrder, is: NewInstalled(e), held: map[talos.Version]bool{}, missing: log.missing(), waits: blockade{keys: map[uint64]bool{}}}
	for _, row := range e.Quarantine {
		w.held[row.Version] = row.Held
	}
	return w
}

// Wants reports whether Pass needs the keys of a version.
func (w *Walk) Wants(v talos.Version) bool {
	class := w.log.Class(v)
	return v > w.e.Snapshot && class != "" && !class.Settled() && !w.is.passed[v]
}

// Pass takes the next version that Wants named.
func (w *Walk) Pass(v talos.Version, keys []talos.Key) {
	for ; len(w.missing) > 0 && w.missing[0] < v; w.missing = w.missing[1:] {
		if w.Wants(w.missing[0]) {
			w.waits.add(nil) // nobody knows its keys
		}
	}
	switch {
	case w.log.Class(v) != Installable || w.held[v] || w.waits.stops(keys) || w.inOrder && w.waits.any:
		w.waits.add(keys)
	case slices.Contains(w.e.Skipped, v): // nothing shows whether it went
	case w.is.Has(v):
		w.going.Allowed++
		w.going.Installed++
	default:
		w.going.Allowed++
		if len(w.going.Waiting) < ShownMax {
			w.going.Waiting = append(w.going.Waiting, v)
		}
	}
}

// Going returns what went on past those that wait.
func (w *Walk) Going() *Going { return &w.going }
