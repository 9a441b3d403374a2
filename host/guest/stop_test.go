package guest_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/fuel"
)

// endless are the guests that never end by themselves.
var endless = []string{
	"loops", "calls_a_tree_of_2_to_the_45", "fills_its_memory_without_end", "copies_its_memory_without_end",
	"grows_without_end", "grows_a_table_without_end", "loops_in_alloc",
}

// dear are those of them, and of the attacks, that have an operation which costs more than a slice, with
// what it costs: it is charged at once.
var dear = map[string]int64{
	"fills_its_memory_without_end": 0x3f0000, "copies_its_memory_without_end": 0x3f0000, "grows_without_end": 16 * 8192,
	"copies_4_MiB_in_a_straight_line": 4 << 20, "fills_a_table_in_a_straight_line": 60_000 * 32,
}

func TestEndlessGuestsStop(t *testing.T) {
	for _, deed := range endless {
		t.Run(deed, func(t *testing.T) {
			comesBack(t, fixture(t, deed))
			isSpent(t, fixture(t, deed), dear[deed])
		})
	}
}

// comesBack runs the collector beside a guest that is in a call that never ends by itself, and then
// ends the context of the call. Beside native code that is not checked neither would come to an end.
func comesBack(t *testing.T, module []byte) {
	t.Helper()
	called := make(chan struct{})
	begun := sync.OnceFunc(func() { close(called) })
	g := mustLoad(t, "hostile", module, guest.Options{Instances: 1, FuelCall: 1 << 40, Clock: func() int64 { begun(); return 1 }})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		var into guest.Conversions
		done <- g.Convert(ctx, []guest.Record{record(42, item("A", `1`))}, &into)
	}()
	<-called
	for range 2 {
		runtime.GC()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("its call ended with %v, want the end of its context", err)
	}
}

// isSpent gives a guest little fuel, and wants it to end with that, and the host to have looked at the
// context all the time: what it burns between two looks is counted, since how long that takes
// depends on the machine. largest is what one of
// its operations costs.
func isSpent(t *testing.T, module []byte, largest int64) {
	t.Helper()
	const slice, longest = 100_000, 100_000 // between two yields, and what a way without a check may add
	g := mustLoad(t, "hostile", module, guest.Options{Instances: 1, FuelCall: 2_000_000})
	last, most := int64(0), int64(0)
	ctx := looking{t.Context(), func() {
		burnt := g.Burning()
		if burnt < last { // it is another call
			last = 0
		}
		most, last = max(most, burnt-last), burnt
	}}
	var into guest.Conversions
	if err := g.Convert(ctx, []guest.Record{record(42, item("A", `1`))}, &into); err != nil {
		t.Fatal(err)
	}
	if most == 0 || most > slice+longest+largest {
		t.Errorf("it burns %d units between two looks at the context, at most %d are allowed", most, slice+longest+largest)
	}
	c := into.Results[0]
	if c.Reject == nil || c.Reject.Class != guest.ClassFault || c.Reject.Fault.Kind != guest.FaultFuel || !errors.Is(c.Reject.Fault, fuel.ErrSpent) {
		t.Errorf("it became %s, want a fault of fuel", say(&c))
	}
}

// looking is a context that tells when it is looked at.
type looking struct {
	context.Context
	look func()
}

func (l looking) Err() error {
	l.look()
	return l.Context.Err()
}

// TestDeepRecursion has fuel to spare: the stack ends first.
func TestDeepRecursion(t *testing.T) {
	g := mustLoad(t, "hostile", fixture(t, "calls_itself_without_end"), guest.Options{Instances: 1, FuelCall: 1 << 40})
	c := convert(t, g, record(42, item("A", `1`)))[0]
	if c.Reject == nil || c.Reject.Fault == nil || c.Reject.Fault.Kind != guest.FaultTrap || !strings.Contains(c.Reject.Message, "stack overflow") {
		t.Errorf("it became %s, want a stack overflow", say(&c))
	}
}

// TestGuestsThatDoNotComeUp loop before there is anything to convert.
func TestGuestsThatDoNotComeUp(t *testing.T) {
	for _, test := range []struct {
		deed string
		step guest.Step
	}{{"loops_in_initialize", guest.StepInstantiate}, {"loops_in_describe", guest.StepDescribe}} {
		t.Run(test.deed, func(t *testing.T) {
			_, err := load(t, "hostile", fixture(t, test.deed), guest.Options{Instances: 1})
			checkLoadError(t, err, test.step, "of 200000000 units: its fuel is spent (guests.fuel.start)")
		})
	}
}

// collect runs the garbage collector again and again until the function that it returns is called, which says how often
// it ran, and how long it waited at most for what ran to let it stop the world. How long a whole run takes says
// nothing: it marks beside what runs, and the machine is others' too.
func collect(tb testing.TB) func() (int, time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	before := stops()
	done := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			runtime.GC()
		}
		done <- n
	}()
	tb.Cleanup(cancel)
	return func() (int, time.Duration) {
		cancel()
		n := <-done
		after, longest := stops(), 0.0
		for i, count := range after.Counts {
			if count > before.Counts[i] {
				longest = after.Buckets[i+1]
			}
		}
		return n, time.Duration(longest * 1e9)
	}
}

// stops returns how long the collector waited to stop the world, as often as it did.
func stops() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(sample)
	h := sample[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: slices.Clone(h.Counts), Buckets: h.Buckets}
}

// BenchmarkStop stops each of them with the fuel that is the default, while the collector
// runs all the time, and reports what that took: the call, and how long the collector waited at most.
func BenchmarkStop(b *testing.B) {
	for _, deed := range endless {
		b.Run(deed, func(b *testing.B) { benchStop(b, fixture(b, deed)) })
	}
}

func benchStop(b *testing.B, module []byte) {
	g := mustLoad(b, "hostile", module, guest.Options{Instances: 1})
	var longest time.Duration
	collections := collect(b)
	for b.Loop() {
		begun := time.Now()
		convert(b, g, record(42, item("A", `1`)))
		longest = max(longest, time.Since(begun))
	}
	n, held := collections()
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-call-ms")
	b.ReportMetric(float64(held.Microseconds())/1000, "longest-stop-ms")
	b.ReportMetric(float64(n), "collections")
}

// TestNarrowingDoesNotMultiplyWhatIsBurnt: when every version of a call burns all that it may, they are tried again
// one by one, so that it costs one call more and not one for each halving.
func TestNarrowingDoesNotMultiplyWhatIsBurnt(t *testing.T) {
	const versions, call, each = 64, 1_000_000, 10_000
	g := mustLoad(t, "burns", fixture(t, "loops"), guest.Options{Instances: 1, FuelCall: call, FuelItem: each})
	records := make([]guest.Record, versions)
	for i := range records {
		records[i] = record(i+1, item("A", `1`))
	}
	var out guest.Conversions
	if err := g.Convert(t.Context(), records, &out); err != nil {
		t.Fatal(err)
	}
	for i := range out.Results {
		if r := out.Results[i].Reject; r == nil || r.Class != guest.ClassFault {
			t.Fatalf("version %d: %s", i+1, say(&out.Results[i]))
		}
	}
	if most := int64(call+versions*each) + versions*(call+each) + versions*call/2; out.Fuel > most {
		t.Errorf("%d versions burn %d units in %d failed calls, want at most %d", versions, out.Fuel, out.Faults, most)
	}
}
