package replicator

import (
	"fmt"
	"slices"
	"testing"
	"time"

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
	hold   bool // the version that is converted next
}

func newTraffic(order Order) *traffic {
	t := &traffic{
		core: New(Options{Memory: 1 << 40, Conversions: 2, Lanes: 4, Order: order}, Start{Resume: 1, Guests: [][]Cut{{{Recorded: true}}}}),
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
				converted := results(len(a.Works))
				if t.hold {
					t.hold, converted[0] = false, Result{Verdict: Rejected, Failure: Failure{Class: Poison, Kind: "guest"}}
				}
				t.step(&Converted{Task: a.Task, Results: converted})
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
	t := newTraffic(OrderKeys)
	t.fill(b, n)
	b.ReportAllocs()
	b.ResetTimer()
	t.events = 0
	for t.events < b.N {
		t.arrive()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(t.events), "ns/event")
}

// fill makes a backlog of n versions.
func (t *traffic) fill(b *testing.B, n int) {
	b.Helper()
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
}

// arrive brings 256 versions; the lanes take about as many.
func (t *traffic) arrive() {
	first := talos.Version(t.pos)
	for range 256 {
		t.candidate()
	}
	for v := first; v < first+256; v++ {
		t.decide(v)
	}
	t.read()
	t.answer(false)
	for range 2 {
		t.once()
	}
}

// BenchmarkConflicts measures what it costs to know what conflicts with what: versions that arrive and are
// installed by one core that asks and one that does not (installer.order: version), by turns, the median of the
// differences of neighbours. The first core is healthy, or stands behind a held version, which alone makes it keep
// its table; the second is always healthy, for nothing would go on in it.
func BenchmarkConflicts(b *testing.B) {
	for _, held := range []bool{false, true} {
		b.Run(fmt.Sprintf("held=%v", held), func(b *testing.B) { benchmarkConflicts(b, held) })
	}
}

func benchmarkConflicts(b *testing.B, held bool) {
	keys, version := newTraffic(OrderKeys), newTraffic(OrderVersion)
	keys.hold = held
	keys.fill(b, 1e3)
	version.fill(b, 1e3)
	var with, more []float64
	for b.Loop() {
		k, v := keys.timed(), version.timed()
		with, more = append(with, k), append(more, k-v)
	}
	slices.Sort(with)
	slices.Sort(more)
	b.ReportMetric(with[len(with)/2], "ns/event")
	b.ReportMetric(more[len(more)/2], "ns-more/event")
}

// timed returns how long an event takes, in ns.
func (t *traffic) timed() float64 {
	before, begun := t.events, time.Now()
	for range 8 {
		t.arrive()
	}
	return float64(time.Since(begun).Nanoseconds()) / float64(t.events-before)
}

// once answers each lane one time.
func (t *traffic) once() {
	asked := t.ready
	t.ready = nil
	for _, a := range asked {
		switch a := a.(type) {
		case *Install:
			t.step(&Installed{Lane: a.Lane})
			t.events += len(a.Group.Entries)
		case *Quarantine:
			t.step(&Installed{Lane: a.Lane})
		}
	}
}

// BenchmarkUndecided measures a million candidates without a decision, and their memory.
func BenchmarkUndecided(b *testing.B) {
	for b.Loop() {
		t := newTraffic(OrderKeys)
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
