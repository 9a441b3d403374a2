package replicator

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
)

// tally is what a generation did with versions.
type tally struct {
	versions   int   // it converted
	fresh      int   // of them, by a new instance's first call: not measured
	fuel, time int64 // units; ns
	settled    int   // of them, or held
	rejects    int   // held, and it is to blame
}

func (f *tally) add(o tally) {
	f.versions += o.versions
	f.fresh += o.fresh
	f.fuel += o.fuel
	f.time += o.time
}

// measured is of how many versions it is known what they took.
func (f *tally) measured() int { return f.versions - f.fresh }

// took makes a tally of so many versions, and of what all took but the fresh ones. What a new instance takes for its first call
// says nothing of the next: it makes its tables and gets its memory.
func took(versions int, fuel, time int64, fresh int) tally {
	return tally{versions: versions, fresh: fresh, fuel: fuel, time: time}
}

// trial is the generation of a guest that converts now, and the one before while the new one is on
// probation.
type trial struct {
	current       cohort.Generation
	recent, block tally // of current, since the last full block, and of that
	before        cohort.Generation
	under         bool  // current is on probation
	bar           tally // of the generation before
	same          tally // of the generation before, for versions that current converted: a few at a time take longer each
}

// probation compares a generation that took over with the one before it. It keeps the rule that the one
// before stays loaded until that is decided.
type probation struct {
	*step
	cuts   *cuts
	trials []trial // by guest
}

// begin notes that a generation converts from now on. It is compared with the last one that was not on
// probation, and when it is that one, it is believed.
func (p *probation) begin(guest cohort.GuestID, generation cohort.Generation) {
	t := &p.trials[guest]
	before, bar := t.current, t.block
	if bar.settled == 0 {
		bar = t.recent
	}
	if t.under {
		before, bar = t.before, t.bar
	}
	if generation == before {
		*t = trial{current: generation, block: bar}
		return
	}
	*t = trial{current: generation, before: before, bar: bar, under: p.opts.Probation.Versions > 0}
}

// believe ends the probation of a guest that has nothing to be taken back to.
func (p *probation) believe(guest cohort.GuestID) { p.trials[guest].under = false }

// goOn goes on with a probation that began in an earlier host, of which no counts are left.
func (p *probation) goOn(t Trial) {
	is := &p.trials[t.Guest]
	is.before, is.under = t.Before, p.opts.Probation.Versions > 0
}

// converted counts what a generation made of a task.
func (p *probation) converted(guest cohort.GuestID, generation cohort.Generation, f tally) {
	t := &p.trials[guest]
	if generation != t.current {
		return
	}
	t.recent.add(f)
}

// compared counts what the generation before took for the versions of a task that a generation on probation converted.
func (p *probation) compared(guest cohort.GuestID, generation cohort.Generation, f tally) {
	if t := &p.trials[guest]; t.under && generation == t.current {
		t.same.add(f)
	}
}

// beforeOf returns the generation that one is compared with, while it is on probation; else cohort.NoGeneration.
func (p *probation) beforeOf(guest cohort.GuestID, generation cohort.Generation) cohort.Generation {
	if t := &p.trials[guest]; t.under && t.current == generation {
		return t.before
	}
	return cohort.NoGeneration
}

// settled counts a version that a generation converted and that is settled now.
func (p *probation) settled(e *queue.Entry) {
	if t := p.trialOf(e); t != nil {
		t.recent.settled++
	}
}

// held counts a version that could not be converted, or that the database refused, unless the generation before did the
// same: what neither can do is no fault of the newer one, nor is a table, a column or a right that is gone since its statements
// were taken.
func (p *probation) held(e *queue.Entry, f Failure) {
	t := p.trialOf(e)
	if t == nil {
		return
	}
	if t.recent.settled++; !e.Alike && f.Kind != KindPayloadLost && !f.changed() {
		t.recent.rejects++
	}
}

// trialOf returns the trial of the generation that converted a version, nil where another one converts now.
func (p *probation) trialOf(e *queue.Entry) *trial {
	if e.Generation == cohort.NoGeneration {
		return nil
	}
	if t := &p.trials[e.Guest]; e.Generation == t.current {
		return t
	}
	return nil
}

// needs reports whether a generation may have to convert again.
func (p *probation) needs(generation cohort.Generation) bool {
	for i := range p.trials {
		if t := &p.trials[i]; t.under && t.before == generation {
			return true
		}
	}
	return false
}

// judge ends the probations that are over, and returns a guest whose newest generation does worse than the
// one before, and in what. What is only converted proves nothing: while the cohort is paused, or the database away,
// nobody knows whether its statements can be installed.
func (p *probation) judge() (guest cohort.GuestID, why string) {
	for i := range p.trials {
		t := &p.trials[i]
		if t.under {
			if why := p.worse(t); why != "" {
				return cohort.GuestID(i), why
			}
		}
		if t.recent.settled < max(p.opts.Probation.Versions, 1) {
			continue
		}
		if t.under {
			t.under = false
			p.do(&Proven{Guest: cohort.GuestID(i), Generation: t.current})
		}
		t.block, t.recent = t.recent, tally{}
	}
	return 0, ""
}

// slow is what a version takes at least, ns, where it may take too long. Of a module that takes a microsecond, as most do, the
// clock tells how busy the machine is: at a load of seven a processor it was 80 us. What a module computes, its fuel tells.
const slow = 500e3

// worse says in what a generation on probation does worse than it may, empty for nothing.
func (p *probation) worse(t *trial) string {
	most := &p.opts.Probation
	allowed := most.Rejects
	if t.bar.settled > 0 { // of as many as it has settled itself: else a bad record before would let it fail at everything
		allowed += (t.bar.rejects*min(t.recent.settled, most.Versions) + t.bar.settled - 1) / t.bar.settled
	}
	if t.recent.rejects > allowed {
		why := fmt.Sprintf("%d of its first %d versions could not be installed, and at most %d might not (guests.probation.rejects is %d)", t.recent.rejects, t.recent.versions, allowed, most.Rejects)
		if t.bar.settled > 0 {
			why += fmt.Sprintf(", as %d of %d of the last proven one", t.bar.rejects, t.bar.settled)
		}
		return why
	}
	least := max(most.Versions/10, 1)
	bar := &t.bar
	if t.same.measured() > 0 {
		bar = &t.same
	}
	if t.recent.measured() < least || bar.measured() < least {
		return ""
	}
	n, of := float64(t.recent.measured()), float64(bar.measured())
	now, before := float64(t.recent.fuel)/n, float64(bar.fuel)/of
	if most.Fuel > 0 && before > 0 && now > before*most.Fuel {
		return fmt.Sprintf("its first %d versions took %.0f units of fuel each, %.1f times as many as of the last proven one (guests.probation.fuel is %v)", t.recent.measured(), now, now/before, most.Fuel)
	}
	if t.recent.versions < most.Versions {
		return ""
	}
	now, before = float64(t.recent.time)/n, float64(bar.time)/of
	if most.Time > 0 && before > 0 && now > max(before*most.Time, slow) {
		return fmt.Sprintf("its first %d versions took %.0f us each, %.1f times as long as those of the last proven one (guests.probation.time is %v)", t.recent.measured(), now/1e3, now/before, most.Time)
	}
	return ""
}
