package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// poison is the versions that failed, and those that are held. It keeps these rules: a held version
// stays unsettled, so that nothing that depends on it goes; it is tried again when another guest or the
// database may take it; and its row in ichor.quarantine is written BEFORE it is tried again, and ended
// in the transaction that ends it.
type poison struct {
	*step
	cuts    *cuts
	backlog *backlog
	// probation is told of what is held.
	probation *probation

	pending    []Poisoned                 // rows that are to be written
	troubles   map[talos.Version]*trouble // of versions that are not settled
	held       []heldVersion
	unresolved int   // versions that were held and have not settled since
	cureAt     int64 // when the first of them is tried again; 0 is never
	curedAt    int64 // when held versions were last tried because another was cured
	unended    []End // quarantines that ended without a transaction
	// skips are the requests to skip, by their versions; skipping are those of them that the queue has and
	// that something is under way with.
	skips    map[talos.Version]int64
	skipping []*queue.Entry
	breaker  breaker
}

// trouble is what is known of a version that failed and has not settled since.
type trouble struct {
	failure   Failure // the latest
	held      int32   // how often it was held
	lasted    int32   // how often it failed alone by what may end by itself: see lanes.lasts
	lost      int32   // how often a session ended with it
	others    uint64  // once so many are installed, the database took others since it failed first; 0 before that
	asked     int32   // how often it went while the database refused everything
	recorded  bool    // ichor.quarantine says that it is held
	recording bool    // a row that says so is not durable yet
	retry     bool    // an operator wants it to be tried
}

// heldVersion is an entry that is held, and when it is tried again by itself.
type heldVersion struct {
	entry   *queue.Entry
	retryAt int64 // ns; 0 is never
}

func (p *poison) troubleOf(v talos.Version) *trouble {
	t := p.troubles[v]
	if t == nil {
		t = &trouble{}
		p.troubles[v] = t
	}
	return t
}

// curable reports whether what the failure complains of may be mended outside, without another
// guest: whatever the database refuses it may take once a column, an enum value, a right, a parent
// row or a trigger is another one, and a record that retention seemed to have taken may be there
// again.
func (f Failure) curable() bool { return f.Kind == KindPayloadLost || f.Kind == KindSQL }

// hold quarantines a version: it stays unsettled, and what depends on it waits. If a newer
// generation is armed already the version is converted by that instead.
func (p *poison) hold(e *queue.Entry, f Failure) {
	p.queue.Hold(e)
	t := p.troubleOf(e.Version)
	t.failure = f
	if convertible(e) && p.cuts.generation(e) != e.Generation {
		p.convertAgain(e)
		return
	}
	if t.held++; t.held == 1 {
		p.unresolved++
		p.probation.held(e, f)
	}
	h := heldVersion{entry: e}
	if f.curable() {
		h.retryAt = p.now + min(int64(cureFirst)<<min(t.held-1, 16), int64(cureMax))
		p.cureAt = earlier(p.cureAt, h.retryAt)
	}
	p.held = append(p.held, h)
	t.recording = true
	p.stats.Poisoned++
	p.quarantine(Poisoned{
		Version: e.Version, Safepoint: e.Safepoint, Failure: f, Generation: e.Generation,
		Candidate: e.Candidate, At: p.now, Held: true,
	})
	p.do(&Notice{Kind: HeldVersion, Version: e.Version, Failure: f})
}

// convertible reports whether a guest may make something of a held version: one whose statemap
// has a meaning and a route.
func convertible(e *queue.Entry) bool { return e.Generation != cohort.NoGeneration }

// convertAgain sends a held version back to its conversion.
func (p *poison) convertAgain(e *queue.Entry) {
	p.troubles[e.Version].retry = false
	p.queue.Reconvert(e)
	p.backlog.push(e)
}

// release tries the held versions again that are due. One whose row of the quarantine is not
// durable yet stays until it is: else the row could be written after the version was installed.
func (p *poison) release(due func(heldVersion) bool) {
	held := p.held
	p.held, p.cureAt = nil, 0
	for _, h := range held {
		if h.entry.State() != queue.Held { // it was skipped
			continue
		}
		recording := p.troubles[h.entry.Version].recording
		if !recording && due(h) {
			p.convertAgain(h.entry)
			continue
		}
		p.held = append(p.held, h)
		if !recording {
			p.cureAt = earlier(p.cureAt, h.retryAt)
		}
	}
}

// cure tries the held versions again whose time has come.
func (p *poison) cure() {
	if p.draining || p.cureAt == 0 || p.now < p.cureAt {
		return
	}
	p.release(p.due)
}

// quarantine keeps a poison version to be recorded by the next idle lane.
func (p *poison) quarantine(row Poisoned) { p.pending = append(p.pending, row) }

// recorded lets the payloads go of versions whose quarantine is durable: what is held must not fill
// the memory. They are read again when they are tried again.
func (p *poison) recorded(rows []Poisoned) {
	for i := range rows {
		if !rows[i].Held {
			continue
		}
		t := p.troubles[rows[i].Version]
		t.recorded, t.recording = true, false
		p.queue.LetGo(p.queue.Find(rows[i].Version))
	}
	p.release(p.due)
}

// outdated reports whether a newer generation than the one that left it may convert a held version.
func (p *poison) outdated(h heldVersion) bool {
	return convertible(h.entry) && p.cuts.generation(h.entry) != h.entry.Generation
}

// due reports whether a held version is to be tried again now.
func (p *poison) due(h heldVersion) bool {
	return p.outdated(h) || (h.retryAt != 0 && h.retryAt <= p.now) || p.troubles[h.entry.Version].retry
}

// refused takes the database's refusal of a version that went alone: the version is held, unless the
// database refuses one after another. Then it is asked again with the same version, and after that the
// next has its turn: what the database takes tells that it was the versions after all.
func (p *poison) refused(e *queue.Entry, f Failure) {
	t := p.troubleOf(e.Version)
	if !p.breaker.trips(f, t.held == 0) {
		p.hold(e, f)
		return
	}
	if t.asked++; t.asked > askedMax {
		t.asked = 0
		p.hold(e, f)
	}
}

// afterInstall closes the breaker, and tries again what is held for the same reason as the breaker or
// a version of the group was, but not more often than every cureFirst.
func (p *poison) afterInstall(g *queue.Group) {
	code, cured := p.breaker.close()
	for _, e := range g.Entries {
		t := p.troubles[e.Version]
		if t == nil || t.held == 0 {
			p.probation.settled(e) // else it was counted when it was held
			continue
		}
		if !cured && t.failure.Kind == KindSQL {
			code, cured = t.failure.Code, true
		}
	}
	if cured && len(p.held) > 0 && p.now-p.curedAt >= cureFirst {
		p.curedAt = p.now
		p.release(func(h heldVersion) bool {
			return h.retryAt != 0 && p.troubles[h.entry.Version].failure.Code == code
		})
	}
}

// settleSkipped settles a version that its guest skips.
func (p *poison) settleSkipped(e *queue.Entry) {
	p.stats.SkippedByGuest++
	p.probation.settled(e)
	p.queue.Settle(e)
	if t := p.troubles[e.Version]; t != nil && t.recorded {
		p.unended = append(p.unended, End{Version: e.Version, How: EndedSkipped, Generation: e.Generation})
	}
	p.forget(e.Version)
}

// skip settles what operators skip, as soon as nothing is under way with it: not while a lane or a guest
// has it, nor while a row is being written that says it is held. What settled meanwhile ends its request.
func (p *poison) skip() (settled []talos.Version) {
	p.skipping = slices.DeleteFunc(p.skipping, func(e *queue.Entry) bool {
		switch e.State() {
		case queue.Settled:
			if p.skips[e.Version] != 0 { // else it was skipped as soon as it was decided
				settled = append(settled, e.Version)
			}
			return true
		case queue.Held, queue.Awaiting:
			if t := p.troubles[e.Version]; t != nil && t.recording {
				return false
			}
			p.settleByOperator(e)
			return true
		}
		return false
	})
	return settled
}

// settled ends the quarantine of a version that was held once and has no effects as it is read again, for its routes ignore
// it by now, and has the request to skip it refused, if there is one: it has settled by itself.
func (p *poison) settled(e *queue.Entry) {
	if t := p.troubles[e.Version]; t != nil && t.recorded {
		p.unended = append(p.unended, End{Version: e.Version, How: EndedSkipped, Generation: cohort.NoGeneration})
	}
	p.forget(e.Version)
	if p.skips[e.Version] != 0 {
		p.skipping = append(p.skipping, e)
	}
}

// settleByOperator settles a version that an operator skips, without effects.
func (p *poison) settleByOperator(e *queue.Entry) {
	p.stats.SkippedByOperator++
	if e.State() == queue.Awaiting {
		p.queue.Hold(e)
	}
	if e.State() == queue.Held {
		p.queue.Reconvert(e)
	}
	p.queue.Settle(e)
	p.unended = append(p.unended, End{e.Version, EndedByOperator, cohort.NoGeneration, p.skips[e.Version]})
	delete(p.skips, e.Version)
	p.forget(e.Version)
}

// forget drops what is known of a version that settled.
func (p *poison) forget(v talos.Version) {
	if t := p.troubles[v]; t != nil && t.held > 0 {
		p.unresolved--
	}
	delete(p.troubles, v)
}
