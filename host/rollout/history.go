package rollout

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// newestOf returns the digest of the module that the history names last for a guest, "" if it names
// none.
func newestOf(history cohort.History, name string) (digest string) {
	for _, u := range history {
		if u.Guest == name && !u.Only {
			digest = u.Digest
		}
	}
	return digest
}

// hasUse reports whether the history names a module for a guest from a version on.
func hasUse(history cohort.History, name, digest string, from talos.Version) bool {
	return slices.Contains(history, cohort.Use{Guest: name, Digest: digest, From: from})
}

// usesOf says which module of a guest converts from which version on, when the one of a digest is to
// go on: what the history says of versions that may not be installed yet, and the new one from the
// first version on that no other was given. It is decided by the database alone, so that each version
// is converted by one module, however often a host begins anew.
func usesOf(state installer.State, name, digest string) []cohort.Use {
	var rows []cohort.Use
	for _, u := range state.History {
		if u.Guest == name && !u.Only {
			rows = append(rows, u)
		}
	}
	above := state.Snapshot + 1
	for len(rows) > 1 && rows[1].From <= above {
		rows = rows[1:]
	}
	highest := state.Snapshot
	if n := len(state.Ledger); n > 0 {
		highest = max(highest, state.Ledger[n-1])
	}
	n := len(rows)
	switch {
	case n == 0:
		return []cohort.Use{{Guest: name, Digest: digest, From: above}}
	case rows[n-1].Digest == digest:
		return rows
	}
	next := cohort.Use{Guest: name, Digest: digest, From: max(highest, rows[n-1].From) + 1}
	if n == 1 && next.From == above {
		rows = nil // nothing is left for the one before
	}
	return append(rows, next)
}
