package sim

import (
	"cmp"
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

// row is the sum of one row on a timeline; 0 for none, but for the state's. Of what the rows of the fence have, only how the hosts
// stand to it decides anything: two worlds in which one host has taken over, or connected, once more go on alike. A lane's row
// says of that what the state's does.
func (f *fingerprint) row(here timeline, key rowKey, row any) uint64 {
	sum := mix(uint64(key.table)+1, uint64(key.id))
	if row == nil {
		if key != stateKey {
			return 0
		}
		row = stateRow{}
	}
	switch r := row.(type) {
	case stateRow:
		for _, h := range f.owns {
			sum = mix(sum, h.standing(r, here))
		}
		return mix(sum, uint64(r.snapshot), uint64(r.resume), uint64(r.anchor))
	case cohortRow:
		return mix(sum, uint64(r.version))
	case historyRow:
		return mix(sum, uint64(r.digest))
	case quarantineRow:
		return mixText(mix(sum, bit(r.held)), r.resolved)
	case account:
		return mix(sum, uint64(r.balance), r.mixed, uint64(r.version), uint64(r.writes))
	}
	return sum
}

// standing is how somebody stands to a row of the fence on a timeline: 0 where the row is theirs and the server the one that they
// know, 1 where it says that another has taken over, and else after how many more take-overs it will say so. Nothing makes it 0
// again.
func (own *ownership) standing(row stateRow, here timeline) uint64 {
	switch {
	case !own.holds(row.epoch, row.token):
		return 1 + uint64(max(0, own.epoch-row.epoch))
	case own.timeline != here:
		return 2
	}
	return 0
}

// taking adds how the epoch that a take-over on an old server makes will be to that of the primary, the only one that the host
// can go to from there.
func (f *fingerprint) taking(w *world) {
	if s := w.primary(); s != f.at {
		own := ownership{epoch: read[stateRow](f.at, stateKey).epoch + 1}
		f.mix(own.standing(read[stateRow](s, stateKey), s.timeline))
	}
}

// claim is whether it is that which the server knows of, or one behind it, wherever that is: no claim comes back. It is above
// while the transaction that raises it is open.
func (f *fingerprint) claim(c claim, of rowKey) uint64 {
	return uint64(max(-1, c-claimed(f.at.rows[of])))
}

// claimed is the claim of a row that has one.
func claimed(row any) claim {
	switch r := row.(type) {
	case stateRow:
		return r.claim
	case laneRow:
		return r.claim
	}
	return 0
}

// sum tells this state of the world from another, as far as what follows can differ. The hosts differ in nothing but their
// numbers, so two worlds that differ in which is which have one sum.
func (x *explorer) sum(w *world) uint64 {
	a, b := w.hosts[0], w.hosts[1]
	switch cmp.Compare(a.rank(), b.rank()) {
	case -1:
		return x.sumOf(w, a, b)
	case 1:
		return x.sumOf(w, b, a)
	}
	return min(x.sumOf(w, a, b), x.sumOf(w, b, a))
}

// rank tells hosts from each other by what is seen at once, whatever their numbers.
func (h *host) rank() uint64 {
	return bit(h.core != nil) | bit(h.taking != nil)<<1 | bit(h.starts != 0)<<2 | bit(h.took == h.world.primary() && h.owns(h.took))<<3
}

// sumOf is the sum that takes the hosts in this order.
func (x *explorer) sumOf(w *world, hosts ...*host) uint64 {
	f := fingerprint{plans: x.plans, met: map[place]uint64{}}
	for i, h := range hosts {
		f.hosts[h.number] = uint64(i)
		if h.core != nil {
			f.owns = append(f.owns, &h.own)
		}
	}
	f.mix(uint64(w.shown), uint64(w.module), uint64(w.checker.highest), uint64(len(w.servers)))
	for _, left := range x.left {
		f.mix(uint64(left))
	}
	for _, h := range hosts {
		f.mix(bit(h.starts != 0), bit(h.alive()), uint64(h.newest))
		switch {
		case h.core != nil:
			f.now, f.at = h.clock(), h.took
			x.plans.of(reflect.TypeFor[host]()).add(&f, unsafe.Pointer(h))
		case h.taking != nil:
			if f.now = h.clock(); h.taking.conn != nil {
				f.at = h.taking.conn.server
				f.taking(w)
			}
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
	if s.rows[stateKey] == nil {
		all = f.row(s.timeline, stateKey, nil)
	}
	for key, row := range s.rows {
		all ^= f.row(s.timeline, key, row)
	}
	f.mix(all)
	if x.left[exploreFailOver] > 0 && s == s.world.primary() {
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

// copies adds the rows of each copy that a fail-over may promote, given the sum of all rows as they are. All but the one from
// before the take-over have timelines that nobody knows yet.
func (x *explorer) copies(f *fingerprint, s *server, all uint64) {
	const unknown = timeline(0)
	was := map[rowKey]any{stateKey: s.rows[stateKey]}
	rest := all ^ f.row(s.timeline, stateKey, was[stateKey]) // of the rows but the state's
	defer func(owns []*ownership) { f.owns = owns }(f.owns)
	for _, h := range s.world.hosts {
		if h.taking != nil && h.taking.conn != nil && h.taking.conn.server == s { // it will own the cohort by the epoch that it makes there
			f.owns = append(slices.Clip(f.owns), &ownership{epoch: read[stateRow](s, stateKey).epoch + 1})
		}
	}
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
			if was[c.key] = c.row; c.key != stateKey {
				rest ^= f.row(unknown, c.key, now) ^ f.row(unknown, c.key, c.row)
			}
		}
		if lost < lostMost {
			sums[lost] = rest ^ f.row(unknown, stateKey, was[stateKey])
		}
		if lost == last {
			sums[0] = rest ^ f.row(s.timeline, stateKey, was[stateKey])
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
		all = mix(all, f.row(f.at.timeline, stateKey, b.state), f.claim(b.state.claim, stateKey))
	}
	for i := range b.statements {
		s := &b.statements[i]
		all = mix(mixText(all, s.name), uint64(s.version), uint64(s.about[0]), uint64(s.about[1]))
		standing := uint64(0)
		if s.fence.own.token != 0 {
			standing = s.fence.own.standing(read[stateRow](f.at, stateKey), f.at.timeline)
			all = mix(all, standing)
		}
		if s.fence.has && standing == 0 { // else it is refused whatever the claim is
			all = mix(all, f.claim(s.fence.claim, s.fence.of))
		}
	}
	return all
}

// backend is the sum of what a backend has to do and has not committed.
func (f *fingerprint) backend(b *backend) uint64 {
	now, before := b.server.world.now, f.at
	f.at = b.server
	all := mix(3, bit(b.gone), bit(b.deaf), bit(b.waits), bit(b.waits && now >= b.since+b.lockWait), bit(b.block))
	for _, x := range b.queue {
		all = mix(all, f.batch(x))
	}
	if b.open != nil {
		for _, w := range b.open.writes {
			all = mix(all, f.row(b.server.timeline, w.key, w.row), f.claim(claimed(w.row), w.key))
		}
		for _, e := range b.open.effects {
			all = mix(all, uint64(e.version), uint64(e.digest))
		}
		all = mix(all, uint64(len(b.open.locks)), bit(b.open.takes))
	}
	f.at = before
	return all
}
