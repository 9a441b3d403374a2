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

// mixRow is the sum of one row; 0 for none.
func mixRow(key rowKey, row any) uint64 {
	sum := mix(uint64(key.table)+1, uint64(key.id))
	switch r := row.(type) {
	case nil:
		return 0
	case stateRow:
		return mix(sum, uint64(r.epoch), uint64(r.token), uint64(r.claim), uint64(r.owner), uint64(r.snapshot), uint64(r.resume), uint64(r.anchor))
	case cohortRow:
		return mix(sum, uint64(r.version))
	case laneRow:
		return mix(sum, uint64(r.epoch), uint64(r.token), uint64(r.claim))
	case historyRow:
		return mix(sum, uint64(r.digest))
	case quarantineRow:
		return mixText(mix(sum, bit(r.held)), r.resolved)
	case account:
		return mix(sum, uint64(r.balance), r.mixed, uint64(r.version), uint64(r.writes))
	}
	return sum
}

// sum tells this state of the world from another, as far as what follows can differ.
func (x *explorer) sum(w *world) uint64 {
	f := fingerprint{plans: x.plans, met: map[place]uint64{}}
	f.mix(uint64(w.shown), uint64(w.module), uint64(w.lastToken), uint64(w.checker.highest), uint64(w.checker.offset), uint64(len(w.servers)))
	for _, left := range x.left {
		f.mix(uint64(left))
	}
	of := x.plans.of(reflect.TypeFor[host]())
	for _, h := range w.hosts {
		f.now = h.clock()
		f.mix(bit(h.starts != 0))
		of.add(&f, unsafe.Pointer(h))
	}
	for _, s := range w.servers {
		if s.down && len(s.backends) == 0 {
			f.mix(0) // nothing is written there any more
			continue
		}
		f.mix(s.sum, uint64(s.timeline), bit(s.down))
		if x.left[exploreFailOver] > 0 && s == w.primary() {
			for lost := range min(lostMost, len(s.commits)+1) {
				f.mix(s.sumWithout(lost))
			}
			f.mix(s.sumWithout(s.beforeTakeOver()))
		}
		var alone []uint64 // of clients that are gone, in whatever order they came
		for _, b := range s.backends {
			if _, met := f.met[place{at: unsafe.Pointer(b)}]; !met {
				alone = append(alone, b.sum(w.now))
			}
		}
		slices.Sort(alone)
		f.mix(uint64(len(alone)))
		f.mix(alone...)
	}
	return f.sum
}

// sumWithout is the sum of all rows as they were before the last commits.
func (s *server) sumWithout(lost int) uint64 {
	if lost == 0 {
		return s.sum
	}
	return s.commits[len(s.commits)-lost].sum
}

// shortly sums up what a fingerprint need not look into: what does not change, by what it is called, and what has
// a sum of its own.
var shortly = map[reflect.Type]func(f *fingerprint, to unsafe.Pointer){
	reflect.TypeFor[*world]():            func(*fingerprint, unsafe.Pointer) {},
	reflect.TypeFor[*replicator.Trace](): func(*fingerprint, unsafe.Pointer) {},
	reflect.TypeFor[*host]():             func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*host)(to).number)) },
	reflect.TypeFor[*server]():           func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*server)(to).number)) },
	reflect.TypeFor[*candidate]():        func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*candidate)(to).version)) },
	reflect.TypeFor[*talos.Candidate]():  func(f *fingerprint, to unsafe.Pointer) { f.mix(uint64((*talos.Candidate)(to).Version)) },
	reflect.TypeFor[*replicator.Decision](): func(f *fingerprint, to unsafe.Pointer) {
		f.mix(uint64((*replicator.Decision)(to).Position))
	},
	reflect.TypeFor[*batch]():   func(f *fingerprint, to unsafe.Pointer) { f.mix((*batch)(to).sum()) },
	reflect.TypeFor[*backend](): func(f *fingerprint, to unsafe.Pointer) { (*backend)(to).addTo(f) },
}

// addTo adds a backend that a client has, or had.
func (b *backend) addTo(f *fingerprint) {
	if f.mix(bit(b.fatal), bit(b.dead), uint64(b.server.number)); !b.dead && !f.meet(place{at: unsafe.Pointer(b)}) {
		f.mix(b.sum(b.server.world.now))
	}
}

// sum is the sum of what a client knows of its batch and what is left of it.
func (b *batch) sum() uint64 {
	if b == nil {
		return 0
	}
	all := mixText(mix(1, bit(b.over), bit(b.tag), uint64(b.culprit), uint64(b.count), uint64(b.state.snapshot), uint64(b.state.claim)), b.code)
	for i := range b.statements {
		s := &b.statements[i]
		all = mix(mixText(all, s.name), uint64(s.version), uint64(s.about[0]), uint64(s.about[1]), uint64(s.about[2]), uint64(s.about[3]))
	}
	return all
}

func (b *backend) sum(now int64) uint64 {
	all := mix(3, bit(b.gone), bit(b.deaf), bit(b.waits), bit(b.waits && now >= b.since+b.lockWait), bit(b.block))
	for _, x := range b.queue {
		all = mix(all, x.sum())
	}
	if b.open != nil {
		for _, w := range b.open.writes {
			all = mix(all, mixRow(w.key, w.row))
		}
		for _, e := range b.open.effects {
			all = mix(all, uint64(e.version), uint64(e.digest))
		}
		all = mix(all, uint64(len(b.open.locks)), bit(b.open.takes))
	}
	return all
}
