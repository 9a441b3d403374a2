package replicator

import (
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// BenchmarkStep measures an event with n versions waiting, of which the core installs one
// group for each that arrives: candidates, decisions, conversions and installations all count.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprintf("queued=%d", n), func(b *testing.B) { benchmarkStep(b, n) })
	}
}

// traffic feeds a core with candidates, their decisions and all the answers.
type traffic struct {
	core   *Core
	pos    talos.Position
	now    int64
	events int
	keys   [1024][]talos.Key
	pay    *talos.Candidate
	ready  []Action
}

func newTraffic() *traffic {
	t := &traffic{
		core: New(Options{Memory: 1 << 40, Conversions: 2, Lanes: 4}, Start{Resume: 1, Guests: [][]Cut{{{Recorded: true}}}}),
		pos:  1, now: 1e18, pay: &talos.Candidate{},
	}
	for i := range t.keys {
		t.keys[i] = talos.Keys(nil, []string{fmt.Sprint("account", i), fmt.Sprint("account", i*7%1024)})
	}
	t.step(&Tick{})
	for lane := range cohort.Lane(4) {
		t.step(&LaneUp{Lane: lane})
	}
	return t
}

func (t *traffic) step(ev Event) {
	t.now += 1000
	t.events++
	for _, a := range t.core.Step(t.now, ev) {
		switch a.(type) {
		case *Convert, *Install, *Quarantine:
			t.ready = append(t.ready, a)
		}
	}
}

func (t *traffic) candidate() {
	v := talos.Version(t.pos)
	t.step(&Candidate{Version: v, Keys: t.keys[v%1024], Payload: t.pay, Kind: suffix.Installable})
	t.pos++
}

func (t *traffic) decide(v talos.Version) {
	t.step(&Decision{Version: v, Position: t.pos, Outcome: talos.Committed, Safepoint: v - min(v, 40)})
	t.pos++
}

func (t *traffic) read() { t.step(&BatchRead{Next: t.pos}) }

// answer answers what was asked for; installs only while they are wanted.
func (t *traffic) answer(install bool) {
	for len(t.ready) > 0 {
		var keep []Action
		asked := t.ready
		t.ready = nil
		for _, a := range asked {
			switch a := a.(type) {
			case *Convert:
				t.step(&Converted{Task: a.Task, Results: results(len(a.Works))})
				t.events += len(a.Works)
			case *Install:
				if !install {
					keep = append(keep, a)
					continue
				}
				t.step(&Installed{Lane: a.Lane})
				t.events += len(a.Group.Entries)
			}
		}
		if len(t.ready) == 0 {
			t.ready = keep
			return
		}
		t.ready = append(t.ready, keep...)
	}
}

func benchmarkStep(b *testing.B, n int) {
	t := newTraffic()
	for range n / 64 { // a backlog that is converted and waits for its lanes
		first := talos.Version(t.pos)
		for range 64 {
			t.candidate()
		}
		for v := first; v < first+64; v++ {
			t.decide(v)
		}
		t.read()
		t.answer(false)
	}
	if got := t.core.queue.Len(); got < n*9/10 {
		b.Fatalf("%d queued, want about %d", got, n)
	}
	b.ReportAllocs()
	b.ResetTimer()
	t.events = 0
	for t.events < b.N {
		first := talos.Version(t.pos)
		for range 256 {
			t.candidate()
		}
		for v := first; v < first+256; v++ {
			t.decide(v)
		}
		t.read()
		t.answer(false)
		for range 2 { // the lanes take about as much as arrives
			t.once()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(t.events), "ns/event")
}

// once answers each lane one time.
func (t *traffic) once() {
	asked := t.ready
	t.ready = nil
	for _, a := range asked {
		if a, ok := a.(*Install); ok {
			t.step(&Installed{Lane: a.Lane})
			t.events += len(a.Group.Entries)
		}
	}
}

// BenchmarkUndecided measures a million candidates without a decision, and their memory.
func BenchmarkUndecided(b *testing.B) {
	for b.Loop() {
		t := newTraffic()
		for range 1_000_000 {
			t.candidate()
		}
		b.ReportMetric(float64(t.core.Status().Bytes)/1e6, "MB/million")
	}
}

func results(n int) []Result {
	out := make([]Result, n)
	for i := range out {
		out[i].Conversion = size(200)
	}
	return out
}
