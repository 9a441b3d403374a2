package sim

import (
	"github.com/ichor-replicator/ichor/host/replicator"
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

// mixEvent adds what a core was told: its state is a function of the sum.
func mixEvent(sum uint64, now int64, ev replicator.Event) uint64 {
	sum = mix(sum, uint64(now))
	switch ev := ev.(type) {
	case *replicator.Candidate:
		return mix(sum, 1, uint64(ev.Version))
	case *replicator.Decision:
		return mix(sum, 2, uint64(ev.Position))
	case *replicator.BatchRead:
		return mix(sum, 3, uint64(ev.Next), uint64(ev.End))
	case *replicator.Converted:
		alike := uint64(0)
		for i := range ev.Results {
			alike += bit(ev.Results[i].Alike)
		}
		return mix(sum, 4, ev.Task, uint64(len(ev.Results)), alike)
	case *replicator.LaneUp:
		return mix(sum, 5, uint64(ev.Lane), uint64(ev.Snapshot), uint64(ev.Ledgered))
	case *replicator.LaneDown:
		return mixText(mix(sum, 6, uint64(ev.Lane), uint64(ev.Failure.Class), bit(ev.InDoubt)), ev.Failure.Code)
	case *replicator.Installed:
		return mix(sum, 7, uint64(ev.Lane))
	case *replicator.Failed:
		return mixText(mix(sum, 8, uint64(ev.Lane), uint64(ev.Failure.Class), uint64(ev.Culprit)), ev.Failure.Code)
	case *replicator.GuestArmed:
		return mix(sum, 9, uint64(ev.Generation))
	case *replicator.Refetched:
		return mix(sum, 10, uint64(ev.Version), bit(ev.Payload != nil))
	case *replicator.Tick:
		return mix(sum, 11)
	}
	return mix(sum, 12)
}

// sum tells this state of the world from another, as far as what follows can differ.
func (x *explorer) sum(w *world) uint64 {
	all := mix(uint64(w.shown), uint64(w.module), uint64(w.lastToken), uint64(w.takeovers), uint64(len(w.servers)))
	for _, left := range x.left {
		all = mix(all, uint64(left))
	}
	for _, h := range w.hosts {
		all = mix(all, h.history, bit(h.core != nil), bit(h.taking != nil), bit(h.starts != 0), uint64(h.own.token), uint64(h.stateClaim), uint64(h.skew))
		for _, l := range h.lanes {
			all = mix(all, uint64(l.claim), bit(l.claimed), uint64(l.tries), uint64(len(l.under)), bit(l.job != nil), bit(l.conn != nil && l.conn.lost()), bit(l.conn != nil && l.conn.fatal), l.answer.sum())
			for _, u := range l.under {
				all = mix(all, u.answer.sum())
			}
		}
		if h.taking != nil {
			all = mix(all, uint64(h.taking.step), uint64(h.taking.tries), h.taking.answer.sum())
		}
	}
	for _, s := range w.servers {
		all = mix(all, s.sum, bit(s.down), uint64(len(s.backends)))
		if x.left[exploreFailOver] > 0 {
			all = mix(all, s.past)
		}
		for _, b := range s.backends {
			all = mix(all, b.sum(w.now))
		}
	}
	return all
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
		all = mix(all, uint64(len(b.open.locks)), uint64(len(b.open.effects)))
	}
	return all
}
