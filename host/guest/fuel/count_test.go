package fuel_test

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/fuel/proof"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// exportWork is the counter of a counted module: the units of all instructions that ran, but for those
// that charge and check.
const exportWork = "work"

// counted puts a counter into a module with fuel. It counts what ran, however much was charged, and so it
// would see a way that is charged too little or not checked. What a call, a branch and an entry cost by the
// values that they move is not counted, and what an operation costs by its size is paid before it.
func counted(tb testing.TB, binary []byte) []byte {
	tb.Helper()
	m, err := wasm.DecodeOwn(binary)
	if err != nil {
		tb.Fatal(err)
	}
	work := uint64(m.Count(wasm.KindGlobal))
	out := append([]byte(nil), m.Bytes[:8]...)
	for _, s := range m.Sections {
		contents := m.Bytes[s.At:s.End]
		switch s.ID {
		case wasm.Globals:
			contents = withEntry(contents, []byte{byte(wasm.I64), 1, byte(wasm.OpI64Const), 0, byte(wasm.OpEnd)})
		case wasm.Exports:
			entry := append(leb(uint64(len(exportWork))), exportWork...)
			contents = withEntry(contents, append(append(entry, byte(wasm.KindGlobal)), leb(work)...))
		case wasm.Code:
			contents = leb(uint64(len(m.Bodies)))
			for f := range m.Bodies {
				body := countedBody(tb, m, &m.Bodies[f], work)
				contents = append(append(contents, leb(uint64(len(body)))...), body...)
			}
		case wasm.Custom:
			continue
		}
		out = append(append(out, byte(s.ID)), leb(uint64(len(contents)))...)
		out = append(out, contents...)
	}
	return out
}

// countedBody counts the units of each run of instructions before its last one, which may go elsewhere.
func countedBody(tb testing.TB, m *wasm.Module, b *wasm.Body, work uint64) []byte {
	out := append([]byte(nil), m.Bytes[b.At:b.Code]...)
	done, units, fuelGlobal := b.Code, int64(0), uint32(work-1)
	flush := func(at int) {
		if units > 0 {
			out = append(append(out, m.Bytes[done:at]...), byte(wasm.OpGlobalGet))
			out = append(append(out, leb(work)...), byte(wasm.OpI64Const))
			out = append(append(out, sleb(units)...), 0x7c, byte(wasm.OpGlobalSet)) // i64.add
			out, done, units = append(out, leb(work)...), at, 0
		}
	}
	var r wasm.Reader
	var i wasm.Instruction
	for r.Open(m, b); r.Next(&i); {
		if i.Op == wasm.OpGlobalGet && i.Index == fuelGlobal {
			at := i.At
			bySize, yield := passCharge(&r, &i, fuelGlobal)
			if bySize {
				units -= fuel.Price(wasm.OpLocalTee) // keeps the size, for the charge alone
			}
			flush(at)
			if i.Op == wasm.OpEnd { // a loop goes on behind the yield, which would come again in its next beginning
				out, done = append(out, m.Bytes[done:yield]...), i.At
			}
			continue
		}
		units += fuel.Price(i.Op)
		switch i.Op {
		case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpElse, wasm.OpEnd, wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable,
			wasm.OpReturn, wasm.OpUnreachable, wasm.OpCall, wasm.OpCallIndirect:
			flush(i.At)
		}
	}
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	return append(out, m.Bytes[done:b.End]...)
}

// passCharge reads over a charge, and the check that may follow it. It reports whether it charges for an
// operation by its size, and where it ends, but for what follows a yield.
func passCharge(r *wasm.Reader, i *wasm.Instruction, fuelGlobal uint32) (bySize bool, yield int) {
	checked := false
	for r.Next(i) && (i.Op != wasm.OpGlobalSet || i.Index != fuelGlobal) {
		bySize = bySize || i.Op == wasm.OpI64ExtendU
		checked = i.Op == wasm.OpLocalTee
	}
	const check = 6 // instructions: get, 0, ≥, if, else, call
	for n := 0; checked && n < check; n++ {
		r.Next(i)
	}
	yield = i.End
	for checked && i.Op != wasm.OpEnd {
		r.Next(i)
	}
	return bySize, yield
}

// withEntry returns a section that is a list, with one more entry.
func withEntry(contents, entry []byte) []byte {
	n, length := uint64(0), 0
	for shift := 0; ; shift += 7 {
		n |= uint64(contents[length]&0x7f) << shift
		if length++; contents[length-1] < 0x80 {
			break
		}
	}
	return slices.Concat(leb(n+1), contents[length:], entry)
}

// bound calls a module's functions and looks, at each check, at what ran since the one before: it must be
// what the proof says, and that less than a slice. Each function may burn so much.
func (w *world) bound(t *testing.T, n int, module []byte, budget int64) (checks int) {
	t.Helper()
	m, err := wasm.Decode(module)
	if err != nil {
		t.Fatalf("module %d: %v", n, err)
	}
	rewritten, err := fuel.Rewrite(m)
	if err != nil {
		t.Fatalf("module %d: %v", n, err)
	}
	if m, err = wasm.DecodeOwn(rewritten); err != nil {
		t.Fatal(err)
	}
	longest, err := proof.Check(m, proof.Names{Module: fuel.ImportModule, Yield: fuel.ImportYield, Global: fuel.ExportGlobal})
	if err != nil || longest > slice {
		t.Fatalf("module %d: a way of %d units is proven: %v", n, longest, err)
	}
	instance, err := w.bring(counted(t, rewritten), "")
	if err != nil {
		if strings.Contains(err.Error(), "out of bounds") {
			return 0 // of a table or a memory, by a segment
		}
		t.Fatalf("module %d with its counter: %v", n, err)
	}
	defer func() {
		if err := instance.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	counter := instance.ExportedGlobal(exportWork)
	last, most := uint64(0), uint64(0)
	w.watch = func() {
		now := counter.Get()
		most, last, checks = max(most, now-last), now, checks+1
	}
	defer func() { w.watch = nil }()
	for _, name := range functionNames(instance) {
		f := instance.ExportedFunction(name)
		// With slices of less than nothing each check is a yield.
		global(instance).Set(uint64(w.meter.Begin(fuel.Limits{Budget: budget, Slice: -1, Largest: math.MaxInt64})))
		begun := counter.Get()
		last = begun
		_, _ = f.Call(t.Context(), arguments(f.Definition().ParamTypes())...) // it may trap, or have no end
		w.watch()
		if most > uint64(longest) {
			t.Fatalf("module %d, %s: %d units ran without a check, %d are proven", n, name, most, longest)
		}
		worked, burnt := int64(counter.Get()-begun), w.meter.Used(int64(global(instance).Get()))
		if worked > burnt+unpaid {
			t.Fatalf("module %d, %s: %d units ran and %d were burnt", n, name, worked, burnt)
		}
	}
	return checks
}

// What the host gives out at once, and what a function may leave to a caller to pay, which the host is not.
const (
	slice  = 100_000
	unpaid = 256
)

func functionNames(m api.Module) []string {
	names := make([]string, 0, 8)
	for name := range m.ExportedFunctionDefinitions() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// collecting runs the garbage collector again and again for as long as the test does: it waits for whatever
// does not come back.
func collecting(t *testing.T) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.GC()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}
