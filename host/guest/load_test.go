package guest_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestOptionsAreChecked(t *testing.T) {
	if err := (guest.Options{}).Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	bad := guest.Options{Instances: -1, MemoryPages: 70000, HighWaterPages: 80000, BatchMax: -1, InputBytes: 1, OutputBytes: 1, ArgumentBytes: 1, ItemStatements: -1, Statements: -1, LogLine: 1, LogCall: 1, LogRate: -1, BatchTime: -1}
	err := bad.Validate()
	if err == nil {
		t.Fatal("bad options pass")
	}
	for _, field := range []string{"Instances", "MemoryPages", "HighWaterPages", "BatchMax", "InputBytes", "OutputBytes", "ArgumentBytes", "ItemStatements", "Statements", "LogLine", "LogCall", "LogRate", "BatchTime"} {
		if !regexp.MustCompile("guest option " + field + "\\b").MatchString(err.Error()) {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
	if _, loadErr := load(t, "x", nil, bad); loadErr == nil || !strings.Contains(loadErr.Error(), "Instances") {
		t.Errorf("Load with bad options: %v", loadErr)
	}
}

func TestDigest(t *testing.T) {
	d := guest.DigestOf([]byte("abc"))
	if d.String() != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || d.Short() != "ba7816bf8f01" {
		t.Errorf("the digest is %s, short %s", d, d.Short())
	}
	again, err := guest.ParseDigest(d.String())
	if err != nil || again != d {
		t.Errorf("it is read as %s, %v", again, err)
	}
	for _, text := range []string{"", "ba78", strings.Repeat("g", 64), d.String() + "00"} {
		if _, err := guest.ParseDigest(text); err == nil {
			t.Errorf("%q is read as a digest", text)
		}
	}
}

func TestGenerationTellsWhatItIs(t *testing.T) {
	wasm := guesttest.Banking(t)
	g := mustLoad(t, "bank", wasm, guest.Options{Instances: 1})
	if g.Name() != "bank" || g.Digest() != guest.DigestOf(wasm) || g.Manifest().Name != "banking" || len(g.Templates()) != 4 {
		t.Errorf("it is %s %s %+v", g.Name(), g.Digest(), g.Manifest())
	}
}

// TestCacheMustBePrivate: whoever can write compiled code can run it.
func TestCacheMustBePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	_, err := load(t, "x", fixture(t, "answers_once"), guest.Options{Instances: 1, CacheDir: dir})
	if err == nil || !strings.Contains(err.Error(), "has mode 0750") || !strings.Contains(err.Error(), "use a new directory") {
		t.Errorf("a cache that others may read: %v", err)
	}
	made := filepath.Join(t.TempDir(), "a", "b")
	mustLoad(t, "x", fixture(t, "answers_once"), guest.Options{Instances: 1, CacheDir: made})
	stat, err := os.Stat(made)
	if err != nil || stat.Mode().Perm() != 0o700 {
		t.Errorf("the cache is made with %v, %v", stat.Mode(), err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := guest.Load(ctx, "x", guesttest.Banking(t), guest.Options{Instances: 1, CacheDir: guesttest.CacheDir(t)}, slog.New(slog.DiscardHandler), guest.NewMetrics(prometheus.NewRegistry()))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// TestVectorsAreRun breaks the expectations of a manifest, in place in the binary.
func TestVectorsAreRun(t *testing.T) {
	const answers = "\x42\xec\x80\x80\x80\x80\x80\x04" // i64.const; a loop, a call of itself and a trap take its place
	for _, change := range []struct{ fixture, old, new, says string }{
		{"has_a_vector", `["fixture"]`, `["fixtures"`, "its manifest is refused"},
		{"has_a_vector", `["fixture"]`, `["fixtura"]`, `vector "v", version 7: the guest and its examples disagree: it became [[1 "fixture"]], the vector says [[1 "fixtura"]]`},
		{"has_a_vector", `["fixture"]`, `[null     ]`, `the vector says [[1 null]]`},
		{"has_a_vector", `"status":"ok","code":0,`, `"status":"reject",     `, `it is ok, the vector says reject`},
		{"has_a_vector", answers, "\x03\x40\x0c\x00\x0b\x00\x01\x01", `vector "v", version 7: the guest fails: guest fault fuel in ichor_convert: of 20500000 units: its fuel is spent (guests.fuel.call, guests.fuel.item) (does a loop, or `},
		{"has_a_vector", answers, "\x20\x00\x20\x01\x10\x03\x01\x01", `vector "v", version 7: the guest fails: guest fault trap in ichor_convert: stack overflow (mend that`},
		{"has_a_vector", answers, "\x00\x01\x01\x01\x01\x01\x01\x01", `vector "v", version 7: the guest fails: guest fault trap in ichor_convert: wasm error: unreachable (mend that`},
		{"has_a_rejected_vector", `"status":"reject"`, `"status":"skip"  `, `it is reject (guest_reject 5: fixture), the vector says skip`},
		{"has_a_rejected_vector", `"code":5`, `"code":6`, `it is rejected with 5 "fixture", the vector says 6 "fixture"`},
		{"has_a_rejected_vector", `"message":"fixture"`, `"message":"fixtura"`, `it is rejected with 5 "fixture", the vector says 5 "fixtura"`},
	} {
		wasm := fixture(t, change.fixture)
		mustLoad(t, "fixture", wasm, guest.Options{Instances: 1})
		broken := strings.Replace(string(wasm), change.old, change.new, 1)
		if broken == string(wasm) || len(broken) != len(wasm) {
			t.Fatalf("%s is not replaced in place", change.old)
		}
		step := guest.StepVectors
		if strings.Contains(change.says, "manifest") {
			step = guest.StepDescribe
		}
		_, err := load(t, "hostile", []byte(broken), guest.Options{Instances: 1})
		checkLoadError(t, err, step, change.says)
	}
}

// TestNoVectorExpectsAFault: a guest that traps answers nothing, also where its example says that a version is rejected without a code.
func TestNoVectorExpectsAFault(t *testing.T) {
	const answers, traps = "\x42\xec\x80\x80\x80\x80\x80\x04", "\x00\x01\x01\x01\x01\x01\x01\x01"
	wasm := strings.NewReplacer(answers, traps, `"status":"ok","code":0,`, `"status":"reject",     `, `[{"template":1,"args":["fixture"]}]`, `[                                 ]`).Replace(string(fixture(t, "has_a_vector")))
	_, err := load(t, "hostile", []byte(wasm), guest.Options{Instances: 1})
	checkLoadError(t, err, guest.StepVectors, "the guest fails: guest fault trap")
}

// TestConcurrentCalls lets many goroutines share a small pool, some of them with poison,
// while other generations of the same binary come and go.
func TestConcurrentCalls(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 2})
	var group sync.WaitGroup
	for worker := range 6 {
		group.Go(func() {
			for round := range 10 {
				last := item("ECHO", `"last"`)
				if worker == 0 && round%3 == 0 {
					last = item("EXIT", `1`)
				}
				var into guest.Conversions
				err := g.Convert(context.Background(), []guest.Record{record(round+1, item("THREE", `{"from":"a","to":"b","amount":1}`)), record(round+2, last)}, &into)
				if err != nil || into.Results[0].Status != guest.Converted || len(into.Results[0].Statements) != 3 {
					t.Errorf("worker %d, round %d: %v %+v", worker, round, err, into.Results)
					return
				}
			}
		})
	}
	for range 2 {
		other, err := load(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
		if err != nil {
			t.Error(err)
			break
		}
		if err := other.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
}

// TestResultsOutliveTheGeneration: the bytes are the host's.
func TestResultsOutliveTheGeneration(t *testing.T) {
	g, err := load(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := convert(t, g, record(1, item("ECHO", `"kept"`)))
	convert(t, g, record(2, item("ECHO", `"overwritten"`)))
	if err := g.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := say(&c[0]); got != `converted 1["kept"]` {
		t.Errorf("after the close it is %s", got)
	}
	var into guest.Conversions
	if err := g.Convert(context.Background(), []guest.Record{record(3)}, &into); !errors.Is(err, guest.ErrClosed) {
		t.Errorf("a call after the close: %v, want ErrClosed", err)
	}
}

// TestPoolWaitEndsWithItsContext occupies the one instance by a loop.
func TestPoolWaitEndsWithItsContext(t *testing.T) {
	called := make(chan struct{}, 2)
	g := mustLoad(t, "hostile", fixture(t, "loops"), guest.Options{Instances: 1, FuelCall: 1 << 40, Clock: func() int64 { called <- struct{}{}; return 1 }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		var into guest.Conversions
		done <- g.Convert(ctx, []guest.Record{record(1, item("A", `1`))}, &into)
	}()
	<-called
	short, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer stop()
	var into guest.Conversions
	if err := g.Convert(short, []guest.Record{record(2, item("A", `1`))}, &into); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for an instance: %v, want the context's error", err)
	}
	cancel()
	<-done
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	g, err := guest.Load(context.Background(), "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, CacheDir: guesttest.CacheDir(t), LogCall: 3 * guest.DefaultLogLine, MemoryPages: 1024, HighWaterPages: 512}, slog.New(slog.DiscardHandler), guest.NewMetrics(registry))
	if err != nil {
		t.Fatal(err)
	}
	var fuel int64
	for _, records := range [][]guest.Record{
		{record(1, item("ECHO", `1`)), record(2, item("SKIP", `1`)), record(3, item("REJECT", `1`)), record(4, item("ECHO", `}`))},
		{record(5, item("EXIT", `1`))},
		{record(6, item("LOG", `1`))},
		{record(7, item("KEEP", `1`))},
		{record(8, item("KEEP", `1`))},
		{record(9, item("KEEP", `1`))},
		{record(10, item("ECHO", `1`))},
	} {
		var into guest.Conversions
		if err := g.Convert(t.Context(), records, &into); err != nil {
			t.Fatal(err)
		}
		fuel += into.Fuel
	}
	if fuel == 0 {
		t.Error("no fuel was burnt")
	}
	got := counters(t, registry)
	want := map[string]float64{
		"faults_total exit": 1, "rejects_total guest_fault": 1, "rejects_total guest_reject": 1, "rejects_total payload": 1,
		"versions_total converted": 6, "versions_total rejected": 3, "versions_total skipped": 1, "instances_total load": 1, "instances_total fault": 1, "instances_total memory": 1,
		"fuel_total": float64(fuel), "log_lines_total kept": 3, "log_lines_total dropped": 298,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %v, want %v; all: %v", name, got[name], value, got)
		}
	}
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// The series of a module end with the last generation that has it: modules that come and go fill nothing.
func TestTheMetricsOfAGenerationEndWithIt(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics := guest.NewMetrics(registry)
	var generations []*guest.Generation
	for range 2 {
		g, err := guest.Load(t.Context(), "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, CacheDir: guesttest.CacheDir(t)}, slog.New(slog.DiscardHandler), metrics)
		if err != nil {
			t.Fatal(err)
		}
		convert(t, g, record(1, item("ECHO", `1`)))
		generations = append(generations, g)
	}
	if _, err := guest.Load(t.Context(), "other", []byte("no module"), guest.Options{Instances: 1}, slog.New(slog.DiscardHandler), metrics); err == nil {
		t.Fatal("what is no module was loaded")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, label := range m.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["digest"] != guest.DigestOf(guesttest.Misbehaving(t)).Short() {
				t.Errorf("%s is of the digest %s of guest %s", f.GetName(), labels["digest"], labels["guest"])
			}
		}
	}
	for _, name := range []string{"faults_total trap", "rejects_total payload"} { // so that an alert sees the first
		if n, there := counters(t, registry)[name]; !there || n != 0 {
			t.Errorf("%s is %v, there: %v", name, n, there)
		}
	}
	for i, left := range []float64{2, 0} {
		if err := generations[i].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := counters(t, registry)["versions_total converted"]; got != left {
			t.Errorf("with %d generations closed %v versions are counted, want %v", i+1, got, left)
		}
	}
}

// counters returns the counters of the guest "misbehaving", by name without prefix and by label.
func counters(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "ichor_guest_")
			for _, label := range m.GetLabel() {
				if by := label.GetName(); by != "guest" && by != "digest" {
					name += " " + label.GetValue()
				}
			}
			values[name] = m.GetCounter().GetValue()
		}
	}
	return values
}

// TestGuestLogIsBounded floods the log with long lines that carry control characters.
func TestGuestLogIsBounded(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	g, err := guest.Load(context.Background(), "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, CacheDir: guesttest.CacheDir(t), LogLine: 100, LogCall: 1000, LogRate: 1000}, log, guest.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	c := convert(t, g, record(1, item("LOG", `1`)))
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if c[0].Status != guest.Converted {
		t.Errorf("logging made it %s", say(&c[0]))
	}
	lines := strings.Count(text.String(), "guest says")
	if lines != 10 || strings.ContainsRune(text.String(), 0x1b) || len(text.String()) > 10*400 {
		t.Errorf("%d lines of %d bytes, want 10 of at most 100 bytes each:\n%s", lines, text.Len(), text.String()[:min(500, text.Len())])
	}
}

// TestBatchesAdaptToTheirCost reads from the call times which versions shared a call.
func TestBatchesAdaptToTheirCost(t *testing.T) {
	now := int64(0)
	options := guest.Options{Instances: 1, BatchTime: 1, Clock: func() int64 { now++; return now }} // a nanosecond: one version a call
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), options)
	records := make([]guest.Record, 100)
	for i := range records {
		records[i] = guest.Record{Version: talos.Version(i + 1), Items: []talos.Item{item("ECHO", `1`)}}
	}
	convert(t, g, record(101, item("ECHO", `1`))) // an instance's first call is of one, and nothing is learnt from it
	c := convert(t, g, records...)
	calls := make(map[int64]int)
	for i := range c {
		calls[c[i].Begin]++
	}
	if calls[c[0].Begin] != 64 || len(calls) != 1+36 {
		t.Errorf("the first call had %d versions and there were %d calls, want 64, then one each", calls[c[0].Begin], len(calls))
	}
}
