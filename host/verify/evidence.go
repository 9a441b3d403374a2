package verify

import (
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// EvidenceOf is what a database has, as the books are checked by it.
func EvidenceOf(e *installer.Evidence) *books.Evidence {
	all := &books.Evidence{
		Snapshot: e.Snapshot, Cohort: e.Cohort, Resume: e.Resume, HasResume: e.HasResume, Ledger: e.Ledger, Abandoned: e.Abandoned,
		History: e.History, Routes: e.Routes, Modules: e.Modules,
	}
	for _, row := range e.Quarantine {
		all.Quarantine = append(all.Quarantine, books.QuarantineRow{Version: row.Version, Held: row.Held, Resolution: row.Resolution})
	}
	for _, row := range e.Audit {
		all.Deeds = append(all.Deeds, row.Deed)
	}
	return all
}

// PastOf is what the evidence says of which module converted which version.
func PastOf(e *books.Evidence) rollout.Past {
	return rollout.Past{History: e.History, Routes: e.Routes}
}
