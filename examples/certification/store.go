package certification

import (
	"slices"
	"time"
)

// storeLimit is how many decisions the store holds before the oldest are forgotten. Copies
// and repeats come far sooner.
const storeLimit = 20_000

// store is the certifier's table of decisions by xid: the first that is saved stays.
type store struct {
	byXID  map[string]decisionWire
	recent []pending
}

func newStore() *store { return &store{byXID: map[string]decisionWire{}} }

// save saves the decision about a candidate unless its xid has one, and returns what is to be
// published: the stored decision, marked as a duplicate when it is another candidate's.
func (s *store) save(p pending, now time.Time) decisionWire {
	d, saved := s.byXID[p.wire.XID]
	if !saved {
		d = newDecision(p.ruling, p.wire, now)
		s.byXID[p.wire.XID] = d
	}
	if d.Version != p.ruling.Version {
		d.DuplicateVersion = &p.ruling.Version
		d.Agent = p.wire.Agent
	}
	d.Metrics.DBSaveStarted, d.Metrics.DBSaveEnded = now.UnixNano(), now.UnixNano()+1
	return d
}

// remember notes a decision that may be asked for again, forgetting the oldest.
func (s *store) remember(p pending) {
	s.recent = append(s.recent, p)
	if len(s.recent) < 2*storeLimit {
		return
	}
	for _, old := range s.recent[:storeLimit] {
		delete(s.byXID, old.wire.XID)
	}
	s.recent = slices.Clone(s.recent[storeLimit:])
}

// newest returns the last n decisions that were saved.
func (s *store) newest(n int) []pending {
	return slices.Clone(s.recent[max(0, len(s.recent)-n):])
}
