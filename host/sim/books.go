package sim

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// bookkeeping holds what hosts wrote down on a server against the log, by the rules by which a real database is
// checked.
type bookkeeping struct {
	world *world
	log   *books.Log
	read  int // records of the world's log

	skipped []talos.Version // by their guests, of those records
}

// invariants say what a finding breaks.
var invariants = map[books.Kind]string{
	books.SnapshotTwice: "I7", books.SnapshotNoVersion: "I7", books.SnapshotPassed: "I6", books.SnapshotBehind: "L1", books.ResumePassed: "I8",
	books.LedgerBelow: "I1", books.LedgerNotCommitted: "I1", books.QuarantineWrong: "I1", books.SkippedWithoutAudit: "I15", books.AbandonedUnaudited: "I15",
	books.HistoryGap: "I14", books.ModuleMissing: "I14", books.ModuleWrong: "I14", books.NotSettled: "L1", books.HeldBack: "L2",
}

// check returns what the books of a server come to. At rest nothing fails any more.
func (b *bookkeeping) check(s *server, rest books.Rest) *books.Report {
	b.catchUp()
	e := s.evidence()
	e.Skipped = b.skipped
	b.holes(s, rest)
	r := books.Check(b.log, e, rest)
	if bool(rest) && r.Waits() {
		walk := books.NewWalk(b.log, e, b.world.truth.inOrder)
		for _, c := range b.world.log.candidates[b.world.log.firstAbove(r.Snapshot):] {
			if walk.Wants(c.version) {
				walk.Pass(c.version, c.keys)
			}
		}
		r.Went(walk.Going())
	}
	return r
}

// catchUp reads what the log has by now.
func (b *bookkeeping) catchUp() {
	w := b.world
	if b.log == nil {
		b.log = books.NewLog(w.log.records[0].at)
	}
	for ; b.read < w.shown; b.read++ {
		switch r := &w.log.records[b.read]; {
		case r.candidate != nil:
			b.log.Put(r.candidate.version, said[r.candidate.kind])
			if r.candidate.skipped {
				b.skipped = append(b.skipped, r.candidate.version)
			}
		case r.refused:
			b.log.Put(talos.Version(r.at), books.Refused)
		case r.decision != nil:
			d := r.decision
			b.log.Decide(r.at, d.Version, books.Decision{Outcome: d.Outcome, Duplicate: d.Duplicate, Contradictory: d.Contradictory, Safepoint: d.Safepoint})
		}
	}
	b.log.End = w.end
}

// said is what a candidate says itself. What has no route may have one later.
var said = map[suffix.Kind]books.Class{
	suffix.Installable: books.Installable, suffix.Unrouted: books.Installable, suffix.Empty: books.Empty, suffix.Unreadable: books.Poison,
}

// holes tells the log which positions hold nothing: those of versions that a host found missing, and when
// nothing more will come all that it must have found. One that took over above a hole knows nothing of it.
func (b *bookkeeping) holes(s *server, rest books.Rest) {
	w := b.world
	b.log.Holes = b.log.Holes[:0]
	for _, d := range w.log.missing {
		if _, found := s.rows[quarantined(d.Version)]; found || bool(rest) && w.takeovers == 1 {
			b.log.Holes = append(b.log.Holes, books.Hole{From: talos.Position(d.Version), To: talos.Position(d.Version) + 1})
		}
	}
	slices.SortFunc(b.log.Holes, func(a, b books.Hole) int { return int(a.From - b.From) })
}

// evidence is what hosts wrote down on a server.
func (s *server) evidence() *books.Evidence {
	state, there := s.rows[stateKey].(stateRow)
	e := &books.Evidence{
		Snapshot: state.snapshot, Cohort: read[cohortRow](s, cohortKey).version, Resume: state.resume, HasResume: state.resume > 0,
		Ledger: s.ledger, Modules: map[string]string{},
	}
	if !there {
		e.Snapshot = e.Cohort
	}
	for key, row := range s.rows {
		switch row := row.(type) {
		case historyRow:
			digest := strconv.Itoa(row.digest)
			e.Modules[digest] = digest
			e.History = append(e.History, cohort.Use{Guest: "g", Digest: digest, From: talos.Version(key.id / 2), Only: key.id%2 == 1})
		case quarantineRow:
			e.Quarantine = append(e.Quarantine, books.QuarantineRow{Version: talos.Version(key.id), Held: row.held, Resolution: row.resolved})
		}
	}
	slices.SortFunc(e.History, func(a, b cohort.Use) int { return int(int64(a.From) - int64(b.From)) })
	slices.SortFunc(e.Quarantine, func(a, b books.QuarantineRow) int { return int(int64(a.Version) - int64(b.Version)) })
	for _, id := range s.requests {
		r := read[requestRow](s, requestKey(id))
		if r.done {
			e.Deeds = append(e.Deeds, fmt.Sprintf("%s version %d: done", r.verb, r.version))
		}
		if r.done && r.verb == replicator.Abandon {
			e.Abandoned = append(e.Abandoned, r.version)
		}
	}
	return e
}
