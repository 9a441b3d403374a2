package sim

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// The sums by which Explore tells one state of a world from another: 64 bits, so that among a million
// states two that differ are taken for one with a probability of one to thirty million.

// mix adds numbers to a sum, whose order matters.
func mix(sum uint64, numbers ...uint64) uint64 {
	for _, n := range numbers {
		sum = (sum ^ n) * 0x9e3779b97f4a7c15
		sum ^= sum >> 29
	}
	return sum
}

func mixText(sum uint64, text string) uint64 {
	for i := range len(text) {
		sum = (sum ^ uint64(text[i])) * 1099511628211
	}
	return mix(sum, uint64(len(text)))
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// row is the sum of one row; 0 for none. What the rows of the fence have counts from where the primary's are: two worlds
// in which one host has taken over, or connected, once more go on alike.
func (f *fingerprint) row(key rowKey, row any) uint64 {
	sum := mix(uint64(key.table)+1, uint64(key.id))
	switch r := row.(type) {
	case nil:
		return 0
	case stateRow:
		return mix(sum, f.epoch(r.epoch), f.token(r.token), f.claim(r.claim, key), f.hosts[r.owner], uint64(r.snapshot), uint64(r.resume), uint64(r.anchor))
	case cohortRow:
		return mix(sum, uint64(r.version))
	case laneRow:
		return mix(sum, f.epoch(r.epoch), f.token(r.token), f.claim(r.claim, key))
	case historyRow:
		return mix(sum, uint64(r.digest))
	case quarantineRow:
		return mixText(mix(sum, bit(r.held)), r.resolved)
	case account:
		return mix(sum, uint64(r.balance), r.mixed, uint64(r.version), uint64(r.writes))
	}
	return sum
}

// epoch is how many take-overs behind that of the primary.
func (f *fingerprint) epoch(e epoch) uint64 {
	return f.behind(int64(e - read[stateRow](f.primary, stateKey).epoch))
}

// token is the how manieth that was met.
func (f *fingerprint) token(t token) uint64 {
	if t == 0 {
		return 0
	}
	n, known := f.tokens[t]
	if !known {
		n = uint64(len(f.tokens)) + 1
		f.tokens[t] = n
	}
	return n
}

// claim is how many connections behind that which the primary knows of.
func (f *fingerprint) claim(c claim, of rowKey) uint64 {
	now := claim(0)
	switch row := f.primary.rows[of].(type) {
	case stateRow:
		now = row.claim
	case laneRow:
		now = row.claim
	}
	return f.behind(int64(c - now))
}

// behind is how far something lies behind that of the primary. Where that is the only server, and stays it, nothing comes
// back: then it is all one how far.
func (f *fingerprint) behind(n int64) uint64 {
	if n < 0 && f.alone {
		n = -1
	}
	return uint64(n)
}

// sum tells this state of the world from another, as far as what follows can differ. The hosts differ in nothing but their
// numbers, so two worlds that differ in which is which have one sum.
func (x *explorer) sum(w *world) uint64 {
	least := x.sumOf(w, w.hosts[0], w.hosts[1])
	return min(least, x.sumOf(w, w.hosts[1], w.hosts[0]))
}

// sumOf is the sum that takes the hosts in this order.
func (x *explorer) sumOf(w *world, hosts ...*host) uint64 {
	f := fingerprint{plans: x.plans, met: map[place]uint64{}, tokens: map[token]uint64{}, primary: w.primary(), alone: x.left[exploreFailOver] == 0}
	for _, s := range w.servers {
		f.alone = f.alone && (s == f.primary || w.left(s))
	}
	for i, h := range hosts {
		f.hosts[h.number] = uint64(i)
	}
	f.mix(uint64(w.shown), uint64(w.module), uint64(w.checker.highest), uint64(w.checker.offset), uint64(len(w.servers)))
	for _, left := range x.left {
		f.mix(uint64(left))
	}
	for _, s := range w.servers {
		if !w.left(s) {
			f.mix(f.token(read[stateRow](s, stateKey).token))
			for lane := range x.lanes {
				f.mix(f.token(read[laneRow](s, laneKey(lane)).token))
			}
		}
	}
	for _, h := range hosts {
		f.mix(bit(h.starts != 0), bit(h.alive()), uint64(h.newest))
		switch {
		case h.core != nil:
			f.now = h.clock()
			x.plans.of(reflect.TypeFor[host]()).add(&f, unsafe.Pointer(h))
		case h.taking != nil:
			f.now = h.clock()
			x.plans.of(reflect.TypeFor[takeover]()).add(&f, unsafe.Pointer(h.taking))
		}
	}
	for _, s := range w.servers {
		f.mix(bit(w.left(s)), bit(s.down))
		if !w.left(s) {
			x.server(&f, s)
		}
	}
	return f.sum
}

// left reports whether a server is no host's any more: what happens there matters to nobody.
func (w *world) left(s *server) bool {
	if s == w.primary() {
		return false
	}
	on := func(b *backend) bool { return b != nil && b.server == s }
	for _, h := range w.hosts {
		if !h.alive() {
			continue
		}
		if h.core != nil && h.took == s || h.taking != nil && on(h.taking.conn) {
			return false
		}
		for _, l := range h.lanes {
			if on(l.conn) || on(l.former) {
				return false
			}
		}
	}
	return true
}

// server adds the rows of a server, and those that a copy would have; then the backends of clients that are gone.
func (x *explorer) server(f *fingerprint, s *server) {
	all := uint64(0)
	for key, row := range s.rows {
		all ^= f.row(key, row)
	}
	f.mix(all, uint64(s.timeline))
	if x.left[exploreFailOver] > 0 && s == f.primary {
		x.copies(f, s, all)
	}
	var alone []uint64 // in whatever order they came
	for _, b := range s.backends {
		if _, met := f.met[place{at: unsafe.Pointer(b)}]; !met {
			alone = append(alone, f.backend(b))
		}
	}
	slices.Sort(alone)
	f.mix(uint64(len(alone)))
	f.mix(alone...)
}

// copies adds the rows of each copy that a fail-over may promote, given the sum of all rows as they are.
func (x *explorer) copies(f *fingerprint, s *server, all uint64) {
	was := map[rowKey]any{}
	last := s.beforeTakeOver()
	var sums [lostMost]uint64 // the first is of the one from before the take-over
	sums[0] = all
	for lost := 1; lost <= max(last, min(lostMost-1, len(s.commits))); lost++ {
		before := s.commits[len(s.commits)-lost].before
		for _, c := range slices.Backward(before) {
			now, known := was[c.key]
			if !known {
				now = s.rows[c.key]
			}
			all ^= f.row(c.key, now) ^ f.row(c.key, c.row)
			was[c.key] = c.row
		}
		if lost < lostMost {
			sums[lost] = all
		}
		if lost == last {
			sums[0] = all
		}
	}
	f.mix(sums[:]...)
}

// shortly sums up what a fingerprint need not look into: what does not change, by what it is called, and what has
// a sum of its own.
var shortly = map[reflect.Type]func(f *fingerprint, to unsafe.Pointer){
	reflect.TypeFor[*world]():            func(*fingerprint, unsafe.Pointer) {},
	reflect.TypeFor[*replicator.Trace](): func(*fingerprint, unsafe.Pointer) {},
	reflect.TypeFor[*host]():             func(f *fingerprint, to unsafe.Pointer) { f.mix(f.hosts[(*host)(to).number]) },
	reflect.TypeFor[*server]():           func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*server)(to).number)) },
	reflect.TypeFor[*candidate]():        func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*candidate)(to).version)) },
	reflect.TypeFor[*talos.Candidate]():  func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*talos.Candidate)(to).Version)) },
	reflect.TypeFor[*replicator.Decision](): func(f *fingerprint, to unsafe.Pointer) {
		f.mix(uint64((*replicator.Decision)(to).Position))
	},
	reflect.TypeFor[*batch]():   func(f *fingerprint, to unsafe.Pointer) { f.mix(f.batch((*batch)(to))) },
	reflect.TypeFor[*backend](): func(f *fingerprint, to unsafe.Pointer) { f.addBackend((*backend)(to)) },
}

// addBackend adds a backend that a client has, or had.
func (f *fingerprint) addBackend(b *backend) {
	if f.mix(bit(b.fatal), bit(b.dead), uint64(b.server.number)); !b.dead && !f.meet(place{at: unsafe.Pointer(b)}) {
		f.mix(f.backend(b))
	}
}

// batch is the sum of what a client knows of its batch and what is left of it.
func (f *fingerprint) batch(b *batch) uint64 {
	if b == nil {
		return 0
	}
	all := mixText(mix(1, bit(b.over), bit(b.tag), uint64(b.culprit), uint64(b.count), bit(b.claim != 0)), b.code)
	if b.claim != 0 {
		all = mix(all, f.claim(b.claim, b.of))
	}
	if b.state != (stateRow{}) {
		all = mix(all, f.row(stateKey, b.state))
	}
	for i := range b.statements {
		s := &b.statements[i]
		all = mix(mixText(all, s.name), uint64(s.version), uint64(s.about[0]), uint64(s.about[1]), f.token(s.fence.token))
		if s.owner > 0 {
			all = mix(all, f.hosts[s.owner-1])
		}
		if s.fence.has {
			all = mix(all, f.claim(s.fence.claim, s.fence.of))
		}
	}
	return all
}

// backend is the sum of what a backend has to do and has not committed.
func (f *fingerprint) backend(b *backend) uint64 {
	now := b.server.world.now
	all := mix(3, bit(b.gone), bit(b.deaf), bit(b.waits), bit(b.waits && now >= b.since+b.lockWait), bit(b.block))
	for _, x := range b.queue {
		all = mix(all, f.batch(x))
	}
	if b.open != nil {
		for _, w := range b.open.writes {
			all = mix(all, f.row(w.key, w.row))
		}
		for _, e := range b.open.effects {
			all = mix(all, uint64(e.version), uint64(e.digest))
		}
		all = mix(all, uint64(len(b.open.locks)), bit(b.open.takes))
	}
	return all
}
