package verify

import (
	"context"

	"github.com/ichor-replicator/ichor/host/installer"
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

// ReadGoing reads the log once more for the keys of what lies above the snapshot, and computes by the
// conflict rule what may be installed while others wait.
func ReadGoing(ctx context.Context, from Source, log *Log, e *installer.Evidence) (*Going, error) {
	books := NewInstalled(e)
	held := map[talos.Version]bool{}
	for _, row := range e.Quarantine {
		held[row.Version] = row.Held
	}
	g, waits := &Going{}, blockade{keys: map[uint64]bool{}}
	err := from.Read(ctx, func(r *Record) error {
		v := talos.Version(r.Position)
		class := log.Class(v)
		if v <= e.Snapshot || class == "" || class.settled() || books.passed[v] {
			return nil
		}
		var c talos.Candidate
		if err := talos.DecodeCandidate(v, r.Value, &c); err != nil {
			return nil //nolint:nilerr // what the certifier refuses is no version
		}
		keys := talos.Keys(c.ReadSet, c.WriteSet)
		switch {
		case class != Installable || held[v] || waits.stops(keys):
			waits.add(keys)
		case books.Has(v):
			g.Allowed++
			g.Installed++
		default:
			g.Allowed++
			if len(g.Waiting) < shownMax {
				g.Waiting = append(g.Waiting, v)
			}
		}
		return nil
	})
	return g, err
}
