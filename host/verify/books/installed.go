package books

import "github.com/ichor-replicator/ichor/host/talos"

// Installed says which versions the books have as installed.
type Installed struct {
	snapshot talos.Version
	ledger   map[talos.Version]bool
	passed   map[talos.Version]bool // over by an operator
}

// NewInstalled reads the books.
func NewInstalled(e *Evidence) *Installed {
	i := &Installed{e.Snapshot, map[talos.Version]bool{}, map[talos.Version]bool{}}
	for _, v := range e.Ledger {
		i.ledger[v] = true
	}
	for _, row := range e.Quarantine {
		if row.Resolution == skippedByOperator {
			i.passed[row.Version] = true
		}
	}
	return i
}

// Has reports whether a version took effect, if it has effects.
func (i *Installed) Has(v talos.Version) bool {
	return (v <= i.snapshot || i.ledger[v]) && !i.passed[v]
}

// PassedOver reports whether an operator skipped a version.
func (i *Installed) PassedOver(v talos.Version) bool { return i.passed[v] }
