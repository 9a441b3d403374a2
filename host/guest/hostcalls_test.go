package guest_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// Imports of attacks: their entries in the section of imports, with the types from attackType
// on that they need.
const (
	threeNumbers = "\x60\x03\x7f\x7f\x7f\x00"
	timeType     = "\x60\x03\x7f\x7e\x7f\x01\x7f"
	importLog    = "\x08ichor_v1\x03log\x00\x04"
	importTime   = "\x16wasi_snapshot_preview1\x0eclock_time_get\x00\x05"
	importWrite  = "\x16wasi_snapshot_preview1\x08fd_write\x00\x04"
	importRandom = "\x16wasi_snapshot_preview1\x0arandom_get\x00\x04"
)

// TestWritesArePaidFor: a call of fd_write over the whole memory, 64 times over, is paid for by
// the bytes that are read, and of those there is a bound.
func TestWritesArePaidFor(t *testing.T) {
	g := mustLoad(t, "hostile", fixture(t, "writes_newlines_to_fd1"), guest.Options{Instances: 1})
	var into guest.Conversions
	if err := g.Convert(t.Context(), []guest.Record{record(42, item("A", `1`))}, &into); err != nil {
		t.Fatal(err)
	}
	const filled, read = 12_976_128, 1 << 20 // its memory.fill, and what the host looks through at most
	if into.Results[0].Status != guest.Skipped || into.Fuel < filled+read {
		t.Errorf("it became %s for %d units, want skipped for more than %d", say(&into.Results[0]), into.Fuel, filled+read)
	}
}

// TestHostCallsCost has guests ask the host for more and for less of the same: the difference is paid for,
// by the byte or by the entry of a list.
func TestHostCallsCost(t *testing.T) {
	asks := func(length int32) string { return i32Const(100_000) + i32Const(length) + call(0) + "\x1a" }
	logs := func(length int32) string { return "\x41\x01" + i32Const(100_000) + i32Const(length) + call(0) }
	// A list at 100,000 of entries without text, the first of which is set to begin there and to have so much.
	writes := func(entries, length int32) string {
		return i32Const(100_000) + i32Const(100_000) + "\x36\x02\x00" + i32Const(100_000) + i32Const(length) + "\x36\x02\x04" +
			"\x41\x01" + i32Const(100_000) + i32Const(entries) + i32Const(99_000) + call(0) + "\x1a"
	}
	random := attack{imports: importRandom, imported: 1, types: []string{"\x60\x02\x7f\x7f\x01\x7f"}}
	log := attack{imports: importLog, imported: 1, types: []string{threeNumbers}}
	write := attack{imports: importWrite, imported: 1, types: []string{"\x60\x04\x7f\x7f\x7f\x7f\x01\x7f"}}
	for _, test := range []struct {
		name       string
		guest      attack
		less, more string
		want       int64
	}{
		{"2 a random byte", random, asks(1000), asks(4000), 2 * 3000},
		{"no more random bytes than there are", random, asks(65_536), asks(10_000_000), 0},
		{"8 an entry of a list", write, writes(1, 0), writes(51, 0), 8 * 50},
		{"33 a byte that is written", write, writes(1, 100), writes(1, 500), (1 + 32) * 400},
		{"1 a byte that is written beyond what is kept", write, writes(1, 100_000), writes(1, 200_000), 100_000},
		{"no more bytes written than are read", write, writes(1, 1<<20), writes(1, 11<<20), 0},
		{"33 a byte of a line", log, logs(100), logs(500), (1 + 32) * 400},
		{"no more bytes of a line than it has", log, logs(1024), logs(100_000), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.guest.burns(t, test.more) - test.guest.burns(t, test.less); got != test.want {
				t.Errorf("it costs %d, want %d", got, test.want)
			}
		})
	}
}

// burns returns the fuel that a conversion takes with this code.
func (a attack) burns(t *testing.T, code string) int64 {
	t.Helper()
	a.code = code
	g := mustLoad(t, "pays", a.binary(t), guest.Options{Instances: 1})
	var into guest.Conversions
	if err := g.Convert(t.Context(), []guest.Record{record(42, item("A", `1`))}, &into); err != nil || into.Faults > 0 {
		t.Fatalf("%v, it became %s", err, say(&into.Results[0]))
	}
	return into.Fuel
}

// TestLogIsPaidFor gives a guest that logs a line less than its text costs.
func TestLogIsPaidFor(t *testing.T) {
	a := attack{imports: importLog, imported: 1, types: []string{threeNumbers}, code: "\x41\x01\x41\x80\x08\x41\x80\x08" + call(0)}
	g := mustLoad(t, "hostile", a.binary(t), guest.Options{Instances: 1, FuelCall: 20_000, FuelItem: 1})
	c := convert(t, g, record(42, item("A", `1`)))[0]
	if c.Reject == nil || c.Reject.Fault == nil || c.Reject.Fault.Kind != guest.FaultFuel {
		t.Errorf("it became %s, want a fault of fuel", say(&c))
	}
}

// TestHostCallsLookAtTheContext ends the caller's context while a guest logs: its next host
// call does not return, though it has fuel enough to answer.
func TestHostCallsLookAtTheContext(t *testing.T) {
	a := attack{imports: importLog + importTime, imported: 2, types: []string{threeNumbers, timeType}, code: "\x41\x01\x41\x80\x08\x41\x04" + call(0) + "\x41\x00\x42\x00\x41\x08" + call(1) + "\x1a"}
	ctx, cancel := context.WithCancel(t.Context())
	g, err := guest.Load(t.Context(), "hostile", a.binary(t), guest.Options{Instances: 1}, slog.New(onGuestLine(cancel)), guest.NewMetrics(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	var into guest.Conversions
	if err := g.Convert(ctx, []guest.Record{record(42, item("A", `1`))}, &into); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v and %d results, want the context's error", err, len(into.Results))
	}
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// burntFirst are the units that an asking guest burns before it asks, by which a look at the context is known to be from
// within that call.
const burntFirst = 10_000

// asking is a guest that calls one function of the host's and nothing else, without end and in a straight line. What is not
// given of the function's parameters is an address, or 0 of 64 bits.
func asking(module, function string, declared wasm.FuncType, given []int32) *attack {
	one := ""
	for i, kind := range declared.Params {
		switch {
		case kind == api.ValueTypeI64:
			one += i64Const(0)
		case i < len(given):
			one += i32Const(given[i])
		default:
			one += i32Const(100_000)
		}
	}
	one += call(0) + strings.Repeat("\x1a", len(declared.Results))
	return &attack{
		imports: leb(len(module)) + module + leb(len(function)) + function + "\x00" + leb(attackType), imported: 1,
		types: []string{"\x60" + leb(len(declared.Params)) + string(declared.Params) + leb(len(declared.Results)) + string(declared.Results)},
		code:  i32Const(100_000) + i32Const(0) + i32Const(burntFirst) + "\xfc\x0b\x00" + forever(strings.Repeat(one, 1000)), // memory.fill
	}
}

// TestEveryHostCallLooksAtTheContext has a guest for each function of the host's call it without end, with fuel for hours, and
// ends the context in the fiftieth call: the guest comes back, and from one look at the context to the next it burns what one
// call costs, so that no call was without. Those that end the guest's call by themselves see it in the first.
func TestEveryHostCallLooksAtTheContext(t *testing.T) {
	const most = 1500 // units; a call of the host costs some 1,000
	given := map[string][]int32{"log": {1, 100_000, 4}, "random_get": {100_000, 16}, "fd_write": {1, 100_000, 1, 99_000}}
	once := map[string]bool{"abort": true, "proc_exit": true}
	for name, declared := range guest.HostCalls() {
		module, function := name[0], name[1]
		t.Run(module+"."+function, func(t *testing.T) {
			calls := 50
			if once[function] {
				calls = 1
			}
			g := mustLoad(t, "hostile", asking(module, function, declared, given[function]).binary(t), guest.Options{Instances: 1, FuelCall: 1 << 40})
			parent, cancel := context.WithCancel(t.Context())
			defer cancel()
			looks, last, longest := 0, int64(0), int64(0)
			ctx := looking{parent, func() {
				burnt := g.Burning()
				if burnt < burntFirst {
					return
				}
				if looks++; looks > 1 {
					longest = max(longest, burnt-last)
				}
				if last = burnt; looks == calls {
					cancel()
				}
			}}
			var into guest.Conversions
			err := g.Convert(ctx, []guest.Record{record(42, item("A", `1`))}, &into)
			if !errors.Is(err, context.Canceled) || longest > most {
				t.Errorf("it ends with %v and %d results after %d looks at the context, between which it burns up to %d units, want the context's end and at most %d", err, len(into.Results), looks, longest, most)
			}
		})
	}
}

// onGuestLine is a handler of logs that calls itself when a guest says something.
type onGuestLine func()

func (onGuestLine) Enabled(context.Context, slog.Level) bool { return true }
func (h onGuestLine) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h onGuestLine) WithGroup(string) slog.Handler          { return h }

func (h onGuestLine) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "guest says" {
		h()
	}
	return nil
}

// TestRandomnessIsBounded asks for 40,000 bytes twice in a call: there are 65,536.
func TestRandomnessIsBounded(t *testing.T) {
	ask := i32Const(100_000) + i32Const(40_000) + call(0)
	a := attack{imports: importRandom, imported: 1, types: []string{"\x60\x02\x7f\x7f\x01\x7f"}, code: ask + "\x04\x40\x00\x0b" + ask + "\x41\x1c\x47\x04\x40\x00\x0b"} // EINVAL
	g := mustLoad(t, "hostile", a.binary(t), guest.Options{Instances: 1})
	for range 2 {
		if got := say(&convert(t, g, record(42, item("A", `1`)))[0]); got != `converted 1["fixture"]` {
			t.Errorf("it became %s", got)
		}
	}
}

// TestVectorsShareABudget: 256 of them, each within what a call may burn.
func TestVectorsShareABudget(t *testing.T) {
	vector := `{"name":"v","input":[{"version":7,"safepoint":1,"time":1,"xid":"x","cohort":"c","agent":"a","statemap":[{"A":1}]}],"expect":[{"status":"ok","code":0,"statements":[{"template":1,"args":["fixture"]}]}]}`
	works := "\x41\x80\x80\xc0\x00\x21\x02\x03\x40\x20\x02\x41\x01\x6b\x22\x02\x0d\x00\x0b" // 1,048,576 turns
	a := attack{locals: "\x01\x01\x7f", code: works, manifest: `{"name":"fixture","version":"1","input":"tokens","unknown_action":"reject","actions":[{"name":"A","templates":[1]}],` +
		`"templates":[{"id":1,"name":"t","sql":"insert into t values ($1)","params":["text"],"writes":["t"]}],"vectors":[` + strings.Repeat(vector+",", 255) + vector + `]}`}
	_, err := load(t, "hostile", a.binary(t), guest.Options{Instances: 1, FuelStart: 20_000_000})
	checkLoadError(t, err, guest.StepVectors, "the fuel for all of them is spent")
}
