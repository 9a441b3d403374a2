package replicator

import "github.com/ichor-replicator/ichor/host/talos"

// refusedVersions remembers the latest refused versions, to recognise a decision about one.
type refusedVersions struct {
	held  map[talos.Version]bool
	order []talos.Version
	next  int
}

func (r *refusedVersions) add(v talos.Version) {
	if r.held == nil {
		r.held = map[talos.Version]bool{}
	}
	if r.held[v] {
		return
	}
	if len(r.order) < refusedMax {
		r.order = append(r.order, v)
	} else {
		delete(r.held, r.order[r.next])
		r.order[r.next] = v
		r.next = (r.next + 1) % refusedMax
	}
	r.held[v] = true
}

// take reports whether the version is among the refused, and forgets it.
func (r *refusedVersions) take(v talos.Version) bool {
	was := r.held[v]
	delete(r.held, v)
	return was
}
