package cohort

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Use is a row of the guest history: from a version on, or for that version alone, a guest is the module
// of a digest.
type Use struct {
	Guest  string
	Digest string
	From   talos.Version
	Only   bool
}

// Routes are those of the settings that versions went by: from a version on, but for those versions that went ahead of
// it by the routes before.
type Routes struct {
	From    talos.Version
	Earlier []talos.Version // ascending
	Text    string
}

// Holds reports whether a version went by these routes, if it did not go by later ones.
func (r *Routes) Holds(v talos.Version) bool {
	_, earlier := slices.BinarySearch(r.Earlier, v)
	return r.From <= v && !earlier
}

// WentBy returns the index of the routes that a version went by, of some that are ascending by when they were recorded. The first
// are those of what came before too, of which nobody wrote down more.
func WentBy(routes []Routes, v talos.Version) int {
	for i := len(routes) - 1; i > 0; i-- {
		if routes[i].Holds(v) {
			return i
		}
	}
	return 0
}

// History says which module converts what, ascending by the versions from which on.
type History []Use

// Needed returns what the history says of versions above a snapshot. The modules of all else may be
// gone from the database.
func (h History) Needed(snapshot talos.Version) (needed History) {
	for _, u := range h {
		over := u.From <= snapshot && (u.Only || slices.ContainsFunc(h, func(next Use) bool {
			return next.Guest == u.Guest && !next.Only && next.From > u.From && next.From <= snapshot+1
		}))
		if !over {
			needed = append(needed, u)
		}
	}
	return needed
}

// DigestFor returns the digest of the module that the history names for a version of a guest; "" if it
// names none. A row for the version alone goes before.
func (h History) DigestFor(guest string, v talos.Version) (digest string) {
	from := talos.Version(0)
	for _, u := range h {
		switch {
		case u.Guest != guest:
		case u.Only && u.From == v:
			return u.Digest
		case !u.Only && u.From <= v && u.From >= from:
			digest, from = u.Digest, u.From
		}
	}
	return digest
}
