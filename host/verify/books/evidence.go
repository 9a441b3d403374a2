package books

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Evidence is what a host wrote down about itself, as it is at one moment.
type Evidence struct {
	Snapshot  talos.Version
	Cohort    talos.Version // what cohort_snapshot says, which is the snapshot unless somebody else moved it
	Resume    talos.Position
	HasResume bool            // false on a database that no host has committed to
	Ledger    []talos.Version // ascending
	Abandoned []talos.Version // by operators, ever
	History   cohort.History
	Routes    []cohort.Routes // that versions went by, the newest last
	// Modules has for each digest of the modules that are kept the one of what is kept under it.
	Modules    map[string]string
	Quarantine []QuarantineRow
	Deeds      []string // of the audit: what was done, to what, and how it went
	// Skipped are versions that have no effects, as their guest says. No host writes that down, so who cannot ask
	// the guest knows of none.
	Skipped []talos.Version
}

// QuarantineRow is a row of the quarantine.
type QuarantineRow struct {
	Version    talos.Version
	Held       bool
	Resolution string // "" while there is none
}

// skippedByOperator is the resolution of a version that a person had passed over.
const skippedByOperator = "skipped_by_operator"
