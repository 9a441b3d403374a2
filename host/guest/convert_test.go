package guest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestDeeds(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, MemoryPages: 512, FuelCall: 1 << 30})
	tests := []struct {
		name  string
		items []talos.Item
		want  string // a prefix
	}{
		{"text", []talos.Item{item("ECHO", `"a\"b\u00e9\ud83d\ude00"`)}, `converted 1["a\"bé😀"]`},
		{"number", []talos.Item{item("ECHO", `1e400`)}, `converted 1["1e400"]`},
		{"object", []talos.Item{item("ECHO", ` {"a": [1, 2]} `)}, `converted 1["{\"a\": [1, 2]}"]`},
		{"empty text", []talos.Item{item("ECHO", `""`)}, `converted 1[""]`},
		{"nul", []talos.Item{item("ECHO", `"a\u0000"`)}, `rejected value: template 1, parameter 1`},
		{"items in order", []talos.Item{item("ECHO", `1`), item("ECHO", `2`), item("THREE", `{"from":"a","to":"b","amount":3}`)}, `converted 1["1"] 1["2"] 3["a" "3" "42"] 3["b" "3" "42"] 3["a" "b" "42"]`},
		{"skip", []talos.Item{item("SKIP", `1`)}, `skipped`},
		{"skip one of two", []talos.Item{item("ECHO", `1`), item("SKIP", `1`)}, `skipped`},
		{"only unknown actions", []talos.Item{item("OTHER", `1`)}, `skipped`},
		{"an unknown action", []talos.Item{item("OTHER", `1`), item("ECHO", `2`), item("OTHER", `}`)}, `converted 1["2"]`},
		{"reject", []talos.Item{item("REJECT", `"a\u001b[31m"`)}, `rejected guest_reject 77: no: a` + "\uFFFD" + `[31m`},
		{"one of two rejected", []talos.Item{item("ECHO", `1`), item("REJECT", `2`)}, `rejected guest_reject 77: no: 2`},
		{"error", []talos.Item{item("ERROR", `1`)}, `rejected guest_reject 0: an error of no kind`},
		{"no json", []talos.Item{item("ECHO", `1`), item("ECHO", `{"a":}`)}, `rejected payload: item 1, ECHO: payload is not valid JSON: unexpected character at byte 5`},
		{"clock", []talos.Item{item("CLOCK", `1`)}, `converted 1["2025-09-29T04:07:05.121907755Z"]`},
		{"panic", []talos.Item{item("PANIC", `"x"`)}, `rejected guest_fault: guest fault trap in ichor_convert: wasm error: unreachable; it said: panic: on purpose: x`},
		{"exit", []talos.Item{item("EXIT", `1`)}, `rejected guest_fault: guest fault exit in ichor_convert: proc_exit(3)`},
		{"sleep", []talos.Item{item("SLEEP", `1`)}, `rejected guest_fault: guest fault sleep in ichor_convert: it sleeps, but within a call time stands still`},
		{"memory", []talos.Item{item("GROW", `1`)}, `rejected guest_fault: guest fault trap in ichor_convert: wasm error: unreachable; it said: `},
		{"undeclared template", []talos.Item{item("UNDECLARED", `1`)}, `rejected guest_fault: guest fault undeclared in ichor_convert: record 0: template 9 is not in the manifest`},
		{"another action's template", []talos.Item{item("FOREIGN", `1`)}, `rejected guest_fault: guest fault undeclared in ichor_convert: record 0: template 3 is not among those of the version's actions`},
		{"too few arguments", []talos.Item{item("FEW", `1`)}, `rejected guest_fault: guest fault undeclared in ichor_convert: record 0: template 1 has 1 parameters, the statement has 0 arguments`},
		{"too many statements", []talos.Item{item("FLOOD", `1`)}, `rejected guest_fault: guest fault bad_frame in ichor_convert: output frame: record 0: 1000 statements for the 1 items of its version, at most 64 are allowed`},
		{"log flood", []talos.Item{item("LOG", `1`)}, `converted`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := say(&convert(t, g, record(42, test.items...))[0]); !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestNullAndEmptyAreApart(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	c := convert(t, g, record(1, item("NULL", `1`)), record(2, item("ECHO", `""`)))
	if null := c[0].Statements[0].Args[0]; null != nil {
		t.Errorf("null is %q, want nil", null)
	}
	if empty := c[1].Statements[0].Args[0]; empty == nil || len(empty) != 0 {
		t.Errorf("empty text is %#v, want empty and not nil", empty)
	}
}

// A version that waits for long keeps its own values alone: not those of the versions that were converted with it, nor room for
// those of one that was rejected.
func TestAVersionKeepsNothingOfTheOthers(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	large := strings.Repeat("x", 1<<18)
	batch := []guest.Record{record(1, item("ECHO", `"`+large+`"`)), record(2, item("ECHO", `"a"`)), record(3, item("ECHO", `"`+large+`\u0000"`))}
	var before, after runtime.MemStats
	convert(t, g, batch...)
	runtime.GC()
	runtime.ReadMemStats(&before)
	const times = 64
	var waiting [][]guest.Statement
	for range times {
		all := convert(t, g, batch...)
		if got := say(&all[0]) + say(&all[2]); !strings.HasPrefix(got, `converted 1["xxx`) || !strings.Contains(got, "rejected value") {
			t.Fatalf("they are %.100s", got)
		}
		waiting = append(waiting, slices.Clone(all[1].Statements))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > times*int64(len(large))/8 {
		t.Errorf("%d versions of one byte keep %d bytes", len(waiting), kept)
	}
	runtime.KeepAlive(waiting)
}

// TestPoisonIsFoundInABatch puts bad versions among good ones, at every place that the
// halving treats differently: all others keep their statements.
func TestPoisonIsFoundInABatch(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	for _, bad := range [][]int{{0}, {63}, {31}, {32}, {5, 6}, {0, 63}, {7, 40, 41, 99}} {
		t.Run(fmt.Sprint(bad), func(t *testing.T) {
			poison := make(map[int]bool)
			for _, i := range bad {
				poison[i] = true
			}
			var records []guest.Record
			for i := range 100 {
				action := "ECHO"
				if poison[i] {
					action = "PANIC"
				}
				records = append(records, record(1000+i, item(action, fmt.Sprint(i))))
			}
			for i, c := range convert(t, g, records...) {
				want := fmt.Sprintf(`converted 1["%d"]`, i)
				if poison[i] {
					want = `rejected guest_fault`
				}
				if got := say(&c); !strings.HasPrefix(got, want) {
					t.Errorf("version %d: got %s, want %s", c.Version, got, want)
				}
			}
		})
	}
}

// TestAllPoison checks that a batch of nothing but poison ends.
func TestAllPoison(t *testing.T) {
	g := mustLoad(t, "hostile", fixture(t, "traps"), guest.Options{Instances: 1})
	records := make([]guest.Record, 200)
	for i := range records {
		records[i] = record(i+1, item("A", `1`))
	}
	for _, c := range convert(t, g, records...) {
		if c.Status != guest.Rejected || c.Reject.Class != guest.ClassFault {
			t.Fatalf("got %s, want a guest_fault", say(&c))
		}
	}
}

// TestStateDiesWithItsInstance shows that a fault takes the instance with it, so that
// nothing of a broken call is left for the next.
func TestStateDiesWithItsInstance(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	for _, step := range []struct{ action, want string }{{"COUNT", `1["1"]`}, {"COUNT", `1["2"]`}, {"EXIT", "guest_fault"}, {"COUNT", `1["1"]`}} {
		if got := say(&convert(t, g, record(9, item(step.action, `0`)))[0]); !strings.Contains(got, step.want) {
			t.Errorf("%s: got %s, want %s", step.action, got, step.want)
		}
	}
}

// TestOutgrownInstanceIsReplaced keeps 12 MiB a call: beyond the high-water mark the instance,
// and with it what it kept, is gone.
func TestOutgrownInstanceIsReplaced(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, MemoryPages: 1024, HighWaterPages: 512})
	for i := range 20 {
		if c := convert(t, g, record(9, item("KEEP", `0`)))[0]; c.Status != guest.Converted {
			t.Fatalf("call %d: %s", i, say(&c))
		}
	}
}

func TestRandomnessRepeatsItself(t *testing.T) {
	first := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	second := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	a := say(&convert(t, first, record(5, item("RANDOM", `0`)))[0])
	b := say(&convert(t, second, record(5, item("RANDOM", `0`)))[0])
	if a != b {
		t.Errorf("the same version gave %s and %s", a, b)
	}
	if c := say(&convert(t, first, record(6, item("RANDOM", `0`)))[0]); c == a {
		t.Errorf("another version gave the same: %s", c)
	}
}

func TestVersionTooLargeForAFrame(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, InputBytes: 4096})
	large := `"` + strings.Repeat("x", 5000) + `"`
	c := convert(t, g, record(1, item("ECHO", `1`)), record(2, item("ECHO", `1`), item("ECHO", large)), record(3, item("ECHO", `3`)))
	for i, want := range []string{`converted 1["1"]`, "rejected too_large: the version's input frame, its payloads and 24 bytes for each of their values, is larger than 4096 bytes: guests.limits.input", `converted 1["3"]`} {
		if got := say(&c[i]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	g = mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, ArgumentBytes: 1 << 10})
	c = convert(t, g, record(1, item("ECHO", large)))
	if got, want := say(&c[0]), "arguments name more than 1024 bytes (guests.limits.values)"; !strings.Contains(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestStatementsAreCountedForTheVersion: 64 an item on average, wherever they stand.
func TestStatementsAreCountedForTheVersion(t *testing.T) {
	wasm := guesttest.Misbehaving(t)
	items := func(n int) []talos.Item {
		list := []talos.Item{item("FLOOD", `1`)} // a thousand statements
		for len(list) < n {
			list = append(list, item("NULL", `1`))
		}
		return list
	}
	for _, test := range []struct {
		options guest.Options
		items   int
		want    string
	}{
		{guest.Options{}, 15, "1014 statements for the 15 items of its version, at most 960 are allowed: 64 an item on average, 65536 a version"},
		{guest.Options{}, 16, ""},
		{guest.Options{ItemStatements: 999}, 1, "at most 999 are allowed"},
		{guest.Options{ItemStatements: 1000}, 1, ""},
		{guest.Options{Statements: 999}, 16, "at most 999 are allowed: 64 an item on average, 999 a version (guests.limits.item_statements or the manifest's, and guests.limits.version_statements)"},
		{guest.Options{OutputBytes: 10_000}, 16, "is over the limit of 10000 (guests.limits.output)"},
	} {
		test.options.Instances = 1
		c := convert(t, mustLoad(t, "misbehaving", wasm, test.options), record(1, items(test.items)...))[0]
		if test.want == "" && (c.Status != guest.Converted || len(c.Statements) != 999+test.items) || test.want != "" && !strings.Contains(say(&c), test.want) {
			t.Errorf("%+v, %d items: %.200s, want %q", test.options, test.items, say(&c), test.want)
		}
	}
}

// TestVersionsOfManyItems converts as many items as a frame has room for, and one more.
func TestVersionsOfManyItems(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, OutputBytes: abi.MaxOutput})
	items := make([]talos.Item, abi.MaxRecords+1)
	for i := range items {
		items[i] = item("ECHO", `1`)
	}
	c := convert(t, g, record(1, items[:65]...), record(2, items[1:]...), record(3, items...), record(4, items[:1]...))
	for i, want := range []int{65, abi.MaxRecords, 0, 1} {
		if len(c[i].Statements) != want {
			t.Errorf("version %d: %.200s, want %d statements", i+1, say(&c[i]), want)
		}
	}
	if got, want := say(&c[2]), "rejected too_large: the version has 65537 items, a call of the guest takes at most 65536"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAVersionOfManyMegabytes fills the largest frame there is.
func TestAVersionOfManyMegabytes(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	text := strings.Repeat("x", 15<<20)
	for i, c := range convert(t, g, record(1, item("ECHO", `1`)), record(2, item("ECHO", `"`+text+`"`)), record(3, item("ECHO", `3`))) {
		if want := []int{1, len(text), 1}[i]; c.Status != guest.Converted || len(c.Statements[0].Args[0]) != want {
			t.Errorf("version %d: %.200s", c.Version, say(&c))
		}
	}
}

// TestAGuestsOwnLimits are those of the manifest: records of a call, statements of an item.
func TestAGuestsOwnLimits(t *testing.T) {
	g := mustLoad(t, "limited", fixture(t, "takes_three_records"), guest.Options{Instances: 1})
	a := item("A", `1`)
	c := convert(t, g, record(1, a, a), record(2, a, a), record(3, a, a, a, a), record(4, a, a, a))
	for i, want := range []int{2, 2, 0, 3} {
		if len(c[i].Statements) != want {
			t.Errorf("version %d: %s, want %d statements", i+1, say(&c[i]), want)
		}
	}
	if got := say(&c[2]); !strings.Contains(got, "has 4 items, a call of the guest takes at most 3") {
		t.Error(got)
	}
	if l := g.Limits(); l.ItemStatements != 1 || g.RecordsMax() != 3 {
		t.Errorf("it says %d, %d", l.ItemStatements, g.RecordsMax())
	}
}

// TestFullFrameEndsABatch makes versions that fit a few at a time.
func TestFullFrameEndsABatch(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, InputBytes: 4096})
	var records []guest.Record
	for i := range 50 {
		records = append(records, record(i+1, item("ECHO", fmt.Sprintf(`"%0800d"`, i)), item("ECHO", fmt.Sprint(i))))
	}
	for i, c := range convert(t, g, records...) {
		if want := fmt.Sprintf(`converted 1["%0800d"] 1["%d"]`, i, i); say(&c) != want {
			t.Fatalf("got  %s\nwant %s", say(&c), want)
		}
	}
}

func TestConversionsCarryTheirTimes(t *testing.T) {
	now := int64(100)
	clock := func() int64 { now++; return now }
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, Clock: clock})
	c := convert(t, g, record(1, item("ECHO", `1`)), record(2))
	if c[0].Begin <= 100 || c[0].End != c[0].Begin+1 {
		t.Errorf("a call from %d to %d, want two readings of the clock", c[0].Begin, c[0].End)
	}
	if c[1].Begin != 0 || c[1].End != 0 {
		t.Errorf("a version without items went to the guest: %d, %d", c[1].Begin, c[1].End)
	}
}

func TestConversionBytes(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1})
	c := convert(t, g, record(1, item("ECHO", `"`+strings.Repeat("x", 1000)+`"`)), record(2))
	if n := c[0].Bytes(); n < 1000+24+32 || n > 1400 {
		t.Errorf("a kilobyte of argument is counted as %d bytes", n)
	}
	if n := c[1].Bytes(); n <= 0 || n > 200 {
		t.Errorf("nothing is counted as %d bytes", n)
	}
}

func TestCloseWaitsForCalls(t *testing.T) {
	called := make(chan struct{}, 2)
	clock := func() int64 { called <- struct{}{}; return 1 }
	g := mustLoad(t, "hostile", fixture(t, "loops"), guest.Options{Instances: 1, FuelCall: 1 << 40, Clock: clock})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		var into guest.Conversions
		done <- g.Convert(ctx, []guest.Record{record(1, item("A", `1`))}, &into)
	}()
	<-called
	short, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	if err := g.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close beside a running call: %v, want its context's error", err)
	}
	var into guest.Conversions
	if err := g.Convert(context.Background(), nil, &into); !errors.Is(err, guest.ErrClosed) {
		t.Errorf("a new call while closing: %v, want ErrClosed", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the running call: %v, want its context's error", err)
	}
	if err := g.Close(context.Background()); err != nil {
		t.Errorf("close after the call: %v", err)
	}
}

// What is large is handed over before all of it is made.
func TestConvertSomeEndsEarly(t *testing.T) {
	g := mustLoad(t, "misbehaving", guesttest.Misbehaving(t), guest.Options{Instances: 1, BatchMax: 4, MemoryPages: 512, FuelCall: 1 << 30})
	records := make([]guest.Record, 20)
	for i := range records {
		records[i] = guest.Record{Version: talos.Version(i + 1), Items: []talos.Item{item("ECHO", `"twenty bytes of text"`)}}
	}
	var out guest.Conversions
	for made := 0; made < len(records); made += len(out.Results) {
		if err := g.ConvertSome(t.Context(), records[made:], &out, 50); err != nil {
			t.Fatal(err)
		}
		if n := len(out.Results); n == 0 || n > 8 || out.Results[0].Version != records[made].Version {
			t.Fatalf("after %d versions %d results", made, n)
		}
	}
	if err := g.Convert(t.Context(), records, &out); err != nil || len(out.Results) != len(records) {
		t.Errorf("all at once: %d results, %v", len(out.Results), err)
	}
}

// The first call of an instance takes many times what the next take. So it is of one version, and said to be apart.
func TestTheFirstCallOfAnInstanceIsSaidToBeOne(t *testing.T) {
	g := mustLoad(t, "banking", guesttest.BankingIn(t, guests.C), guest.Options{Instances: 1, CacheDir: filepath.Join(t.TempDir(), "cache"), Child: guest.OwnChild()})
	records := []guest.Record{g.VectorRecords()[0], g.VectorRecords()[0]}
	records[1].Version++
	var out guest.Conversions
	var others []int64
	for n := range 3 {
		if err := g.Convert(t.Context(), records, &out); err != nil || len(out.Results) != 2 {
			t.Fatal(out, err)
		}
		others = append(others, out.Fuel-out.First)
		if first := out.First > 0; first != (n == 0) || first && out.First < 3*others[0] {
			t.Errorf("call %d: %d of %d units are of an instance's first call", n+1, out.First, out.Fuel)
		}
	}
	if others[0] > others[1] || others[2] > others[1] {
		t.Errorf("the others took %v", others)
	}
	greedy := mustLoad(t, "loops", fixture(t, "loops"), guest.Options{Instances: 1, FuelCall: 100_000, FuelItem: 10_000})
	if err := greedy.Convert(t.Context(), []guest.Record{record(1, item("A", `1`)), record(2, item("A", `1`))}, &out); err != nil || out.First > 0 || out.Faults == 0 {
		t.Errorf("a first call that fails is an exception: %+v, %v", out, err)
	}
}
