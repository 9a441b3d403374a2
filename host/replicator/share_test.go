package replicator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// TestWhileOneVersionIsHeldTheRestGoesOn holds one version of a log, at many places, and counts which of
// those that follow are installed: nearly all that conflict with it neither directly nor by others.
func TestWhileOneVersionIsHeldTheRestGoesOn(t *testing.T) {
	small, contention := recordedLog(t, talostest.Small), recordedLog(t, talostest.Contention)
	for _, log := range []struct {
		name   string
		events []Event
		places int // at which one is held
	}{
		{"small, recorded", small, 40},
		{"contention, recorded: 100 accounts", contention, 40},
		{"1,000 keys, generated", generatedLog(1000), 5},
		{"10,000 keys, generated", generatedLog(10_000), 5},
	} {
		committed := committedOf(log.events)
		for _, window := range []int{10, 100, 1000, 5000} {
			if len(committed) < window+log.places {
				continue
			}
			went, may := 0, 0
			for i := range log.places {
				w, m := goesOn(log.events, committed, i*(len(committed)-window-1)/log.places, window)
				went, may = went+w, may+m
			}
			all := log.places * window
			t.Logf("%-36s of the next %4d: %5.1f %% go on, the rule allows %5.1f %%", log.name, window, 100*float64(went)/float64(all), 100*float64(may)/float64(all))
			if went > may || float64(went) < 0.95*float64(may) {
				t.Errorf("%s: %d of the next %d versions go on, the rule allows %d", log.name, went, all, may)
			}
		}
	}
}

// committedOf returns the candidates of a log that are committed, in their order.
func committedOf(events []Event) (committed []*Candidate) {
	decided := map[talos.Version]talos.Outcome{}
	for _, ev := range events {
		if d, ok := ev.(*Decision); ok && !d.Duplicate && decided[d.Version] == talos.Undecided {
			decided[d.Version] = d.Outcome
		}
	}
	for _, ev := range events {
		if c, ok := ev.(*Candidate); ok && decided[c.Version] == talos.Committed {
			committed = append(committed, c)
		}
	}
	return committed
}

// goesOn plays a log from a committed version on, which is held, until so many more are committed. It
// returns how many of these are installed, and how many the rule allows.
func goesOn(events []Event, committed []*Candidate, at, window int) (went, may int) {
	held, last := committed[at], committed[at+window].Version
	installed := map[talos.Version]bool{}
	now := int64(1e18)
	core := New(Options{Lanes: 4, Beat: -1}, Start{Snapshot: held.Version - 1, Resume: talos.Position(held.Version), Guests: [][]Cut{{{Recorded: true}}}})
	asked := core.Step(now, &Tick{})
	for lane := range cohort.Lane(4) {
		asked = append(slices.Clone(asked), core.Step(now, &LaneUp{Lane: lane, Snapshot: held.Version - 1})...)
	}
	step := func(ev Event) {
		now += 1e6
		asked = append(slices.Clone(asked), core.Step(now, ev)...)
		for len(asked) > 0 {
			answer := answerTo(asked[0], held.Version, installed)
			asked = asked[1:]
			if answer != nil {
				now += 1e5
				asked = append(slices.Clone(asked), core.Step(now, answer)...)
			}
		}
	}
	for _, ev := range events {
		switch ev := ev.(type) {
		case *Candidate:
			if ev.Version >= held.Version && ev.Version <= last {
				step(&Candidate{Version: ev.Version, Keys: ev.Keys, Payload: ev.Payload, Kind: ev.Kind})
			}
		case *Decision:
			if ev.Version >= held.Version && ev.Version <= last {
				step(ev)
				step(&BatchRead{Next: ev.Position + 1, End: ev.Position + 1})
			}
		}
	}
	for range 5 {
		now += 1e9
		step(&Tick{})
	}
	// What the held version and all that wait touch, and what they write.
	touched, written := map[uint64]bool{}, map[uint64]bool{}
	for _, c := range committed[at : at+window+1] {
		waits := c == held
		for _, k := range c.Keys {
			waits = waits || written[k.Hash()] || k.Writes() && touched[k.Hash()]
		}
		if waits {
			for _, k := range c.Keys {
				touched[k.Hash()], written[k.Hash()] = true, written[k.Hash()] || k.Writes()
			}
			continue
		}
		may++
		if installed[c.Version] {
			went++
		}
	}
	return went, may
}

// answerTo answers an action as a host does for which all goes well but one version.
func answerTo(a Action, held talos.Version, installed map[talos.Version]bool) Event {
	switch a := a.(type) {
	case *Convert:
		ev := &Converted{Task: a.Task, Results: results(len(a.Works))}
		for i, w := range a.Works {
			if w.Version == held {
				ev.Results[i] = Result{Verdict: Rejected, Failure: Failure{Class: Poison, Kind: KindGuestReject}}
			}
		}
		return ev
	case *Install:
		for _, e := range a.Group.Entries {
			installed[e.Version] = true
		}
		return &Installed{Lane: a.Lane}
	case *Quarantine:
		return &Installed{Lane: a.Lane}
	}
	return nil
}

// recordedLog returns the events of a recorded topic that concern the order.
func recordedLog(t *testing.T, open func() ([]talostest.Record, error)) (events []Event) {
	t.Helper()
	records, err := open()
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		r := &records[i]
		if r.Aborted || r.Control {
			continue
		}
		kind, _ := talos.Classify(r.Header, r.Value)
		switch kind {
		case talos.CandidateKind:
			c := new(talos.Candidate)
			if talos.DecodeCandidate(talos.Version(r.Position), r.Value, c) == nil && r.Position > 0 {
				events = append(events, &Candidate{Version: talos.Version(r.Position), Keys: talos.Keys(c.ReadSet, c.WriteSet), Payload: &talos.Candidate{}})
			}
		case talos.DecisionKind:
			var d talos.Decision
			if talos.DecodeDecision(r.Value, &d) == nil {
				events = append(events, &Decision{Version: d.Version, Position: r.Position, Safepoint: d.Safepoint, Outcome: d.Outcome, Duplicate: d.Duplicate})
			}
		}
	}
	return events
}

// generatedLog returns a log of 8,000 transfers between two of so many keys, all committed, each with
// the safepoint that a certifier gives it.
func generatedLog(keys int) (events []Event) {
	r := rand.New(rand.NewPCG(uint64(keys), 1))
	touched := map[string]talos.Version{}
	for i := range 8000 {
		v := talos.Version(2*i + 1)
		from, to := fmt.Sprint(r.IntN(keys)), fmt.Sprint(r.IntN(keys))
		safepoint := max(touched[from], touched[to])
		touched[from], touched[to] = v, v
		events = append(events,
			&Candidate{Version: v, Keys: talos.Keys([]string{from, to}, []string{from, to}), Payload: &talos.Candidate{}},
			&Decision{Version: v, Position: talos.Position(v) + 1, Safepoint: safepoint, Outcome: talos.Committed})
	}
	return events
}
