package sim

import (
	"fmt"
	"io"
	"maps"
)

// Play is how one seed is played. The zero value of everything but Seed plays all of it.
type Play struct {
	Seed       uint64
	Candidates int       // at most; 0 is as many as the seed says
	Turns      int       // of the phase with faults, at most; 0 is as many as the seed says
	Without    []string  // names of faults that do not happen
	Trace      io.Writer // of all that happens; nil for none
}

// Result is what came of a play.
type Result struct {
	Violation  string         // "" for none
	Candidates int            // that were played
	Faults     int            // that happened
	Steps      int            // of cores
	Sometimes  map[string]int // what happened how often
}

// turnsMost bounds the phase in which everything must settle.
const turnsMost = 400_000

// Run plays.
func (p Play) Run() (r Result) {
	s := newSetup(p.Seed)
	if p.Candidates > 0 {
		s.candidates = min(s.candidates, p.Candidates)
	}
	if p.Turns > 0 {
		s.turns = min(s.turns, p.Turns)
	}
	for f, name := range faultNames {
		for _, without := range p.Without {
			if name == without {
				s.faults[f] = 0
			}
		}
	}
	w := newWorld(p.Seed, s)
	w.trace = p.Trace
	w.tell("%+v", s)
	defer func() {
		if broken := recover(); broken != nil {
			if p.Trace != nil {
				panic(broken)
			}
			r.Violation = fmt.Sprintf("panic: %v", broken)
		}
	}()
	w.play()
	return Result{Violation: w.violation, Candidates: len(w.log.candidates), Faults: w.struck, Steps: w.steps, Sometimes: maps.Clone(w.sometimes)}
}

// play is the two phases.
func (w *world) play() {
	for turns := 0; turns < w.setup.turns && w.violation == ""; turns++ {
		w.fail()
		if !w.next() {
			break
		}
	}
	w.heal()
	for turns := 0; w.violation == ""; turns++ {
		if turns%64 == 0 {
			w.restore()
			if w.settled() {
				break
			}
		}
		if turns == turnsMost {
			w.violated("%s after %d turns without faults", w.unsettled(), turns)
			return
		}
		if !w.next() && !w.settled() {
			w.violated("%s, and nothing more will happen", w.unsettled())
			return
		}
	}
	if w.violation == "" {
		w.final()
	}
	for _, h := range w.hosts {
		if h.core != nil {
			stats := h.core.Status().Stats
			w.checker.counted(&stats)
		}
	}
}
