package sim

import "slices"

// alone puts what a host can do in front of the rest, where nobody else can tell when the host does it, nor the host when they do
// the rest, and returns how much it is. Any way on takes one of these moves sooner or later, and comes to the same when it takes it
// first: the other ways need not be gone. That a fault of one host is one less for the other changes nothing: a way on
// has as many in any order. Of a fail-over and of what comes to lie in the log or before both hosts, everybody can tell when.
func (x *explorer) alone(w *world, all []move) int {
	if x.every || x.left[exploreFailOver] > 0 || w.shown < len(w.log.records) || w.module < w.log.digests-1 {
		return 0
	}
	for i, h := range w.hosts {
		primary := h.waitsFor(func(b *backend) bool { return b.server == w.primary() })
		old := h.waitsFor(func(b *backend) bool { return b.server != w.primary() })
		if h.core == nil || primary || old && !h.hasOld(w.hosts[1-i]) {
			continue
		}
		n := 0
		for j := range all {
			if m := all[j]; m.host == h || old && m.fault < 0 && m.kind == turnBackend && m.back.server != w.primary() {
				copy(all[n+1:], all[n:j])
				all[n] = m
				n++
			}
		}
		if x.goes(all[:n]) && n < len(all) {
			return n
		}
	}
	return 0
}

// waitsFor reports whether such a backend has something to do for the host, or has not ended what it did.
func (h *host) waitsFor(such func(*backend) bool) bool {
	return slices.ContainsFunc(h.lanes, func(l *lane) bool {
		of := func(b *backend) bool { return b != nil && such(b) && !b.dead && (len(b.queue) > 0 || b.open != nil) }
		return of(l.conn) || of(l.former)
	})
}

// hasOld reports whether a host has the servers that were failed over from for itself.
func (h *host) hasOld(other *host) bool {
	s := h.world.primary()
	old := func(b *backend) bool { return b != nil && b.server != s }
	if other.core != nil && other.took != s || other.taking != nil && old(other.taking.conn) {
		return false
	}
	return !slices.ContainsFunc(other.lanes, func(l *lane) bool { return old(l.conn) || old(l.former) })
}
