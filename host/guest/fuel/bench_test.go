package fuel_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/guests"
	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/fuel/proof"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/guest/wasm"

	"github.com/tetratelabs/wazero/api"
)

// BenchmarkCost converts a batch of 64 with and without fuel, by turns, and reports the
// median of the ratios of neighbours: what fuel costs, in percent; and the units that a version burns.
func BenchmarkCost(b *testing.B) {
	for _, guest := range []struct {
		name, action string
		binary       []byte
	}{
		{"banking-go", "TRANSFER", guesttest.BankingIn(b, guests.Go)},
		{"banking-rust", "TRANSFER", guesttest.BankingIn(b, guests.Rust)},
		{"banking-c", "TRANSFER", guesttest.BankingIn(b, guests.C)},
		{"banking-assemblyscript", "TRANSFER", guesttest.BankingIn(b, guests.AssemblyScript)},
		{"three-go", "THREE", guesttest.Misbehaving(b)},
	} {
		b.Run(guest.name, func(b *testing.B) { benchCost(b, guest.binary, guest.action) })
	}
}

// turn is how many calls are timed at once.
const turn = 20

func benchCost(b *testing.B, binary []byte, action string) {
	w := newEmptyWorld(b, true, compiled())
	plain, fueled := bringUp(b, newEmptyWorld(b, false, compiled()), binary, action), bringUp(b, w, binary, action)
	var ratios, times []float64
	for b.Loop() {
		p, f := plain(b), fueled(b)
		ratios = append(ratios, float64(f)/float64(p))
		times = append(times, float64(f.Nanoseconds())/turn/64)
	}
	slices.Sort(ratios)
	slices.Sort(times)
	b.ReportMetric(100*(ratios[len(ratios)/2]-1), "%cost")
	b.ReportMetric(times[len(times)/2], "ns/version")
	b.ReportMetric(float64(w.meter.Used(int64(global(w.last).Get())))/64, "units/version")
}

// bringUp returns a function that makes a turn of calls and says how long they took.
func bringUp(tb testing.TB, w *world, binary []byte, action string) func(testing.TB) time.Duration {
	tb.Helper()
	w.standIns(tb)
	m, err := w.instantiate(binary, "")
	if err != nil {
		tb.Fatal(err)
	}
	w.last = m
	ctx := context.Background()
	call := func(name string, args ...uint64) []uint64 {
		if w.fueled {
			global(m).Set(uint64(w.meter.Begin(fuel.Limits{Budget: 1 << 40, Slice: 100_000, Largest: 1 << 24})))
		}
		results, err := m.ExportedFunction(name).Call(ctx, args...)
		if err != nil {
			tb.Fatal(err)
		}
		return results
	}
	if m.ExportedFunction(abi.ExportInitialize) != nil {
		call(abi.ExportInitialize)
	}
	var frame abi.InputBuilder
	frame.Reset(true, 0)
	for i := range 64 {
		err := frame.Add(&abi.InputRecord{
			Version: uint64(100_000 + i), Safepoint: 99_000, ItemCount: 1, Flags: abi.RecFlagFirst | abi.RecFlagLast, Action: action,
			Payload: fmt.Appendf(nil, `{"amount":%d.50,"from":"account-%06d","to":"account-%06d","note":"rent"}`, i+10, i, i+1000),
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	image := make([]byte, frame.Size())
	frame.Write(image)
	convert := m.ExportedFunction(abi.ExportConvert)
	stack := make([]uint64, 2)
	return func(tb testing.TB) time.Duration {
		ptr := call(abi.ExportAlloc, uint64(frame.Size()))[0]
		begun := time.Now()
		for range turn {
			arena, _ := m.Memory().Read(uint32(ptr), uint32(len(image)))
			copy(arena, image) // a guest may change it
			if w.fueled {
				global(m).Set(uint64(w.meter.Begin(fuel.Limits{Budget: 1 << 40, Slice: 100_000, Largest: 1 << 24})))
			}
			stack[0], stack[1] = ptr, uint64(frame.Size())
			if err := convert.CallWithStack(ctx, stack); err != nil {
				tb.Fatal(err)
			}
		}
		return time.Since(begun)
	}
}

// standIns gives guests everything that they import, doing nothing: this measures the
// guest and not the host.
func (w *world) standIns(tb testing.TB) {
	tb.Helper()
	ctx := context.Background()
	wasi := w.runtime.NewHostModuleBuilder(abi.ImportWASI)
	for _, f := range []struct{ name, params string }{
		{"proc_exit", "i"}, {"clock_time_get", "iIi"}, {"clock_res_get", "ii"}, {"random_get", "ii"}, {"fd_write", "iiii"},
		{"fd_fdstat_get", "ii"}, {"args_sizes_get", "ii"}, {"environ_sizes_get", "ii"}, {"poll_oneoff", "iiii"}, {"args_get", "ii"},
		{"environ_get", "ii"}, {"sched_yield", ""}, {"fd_prestat_get", "ii"}, {"fd_prestat_dir_name", "iii"},
		{"fd_fdstat_set_flags", "ii"}, {"fd_close", "i"}, {"fd_read", "iiii"}, {"fd_seek", "iIii"},
	} {
		wasi.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			switch f.name {
			case "clock_time_get":
				m.Memory().WriteUint64Le(uint32(stack[2]), 1_000_000_000)
			case "args_sizes_get", "environ_sizes_get":
				m.Memory().WriteUint32Le(uint32(stack[0]), 0)
				m.Memory().WriteUint32Le(uint32(stack[1]), 0)
			case "proc_exit":
				panic(f.name + " was called")
			}
			if len(stack) > 0 {
				stack[0] = 0
				if f.name == "fd_prestat_get" {
					stack[0] = 8
				}
			}
		}), types(f.params), results(f.name)).Export(f.name)
	}
	if _, err := wasi.Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
	none := api.GoModuleFunc(func(context.Context, api.Module, []uint64) { panic("a guest logs or aborts") })
	if _, err := w.runtime.NewHostModuleBuilder(abi.ImportHost).
		NewFunctionBuilder().WithGoModuleFunction(none, types("iii"), nil).Export(abi.ImportLog).
		NewFunctionBuilder().WithGoModuleFunction(none, types("ii"), nil).Export(abi.ImportAbort).
		Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
	if _, err := w.runtime.NewHostModuleBuilder(abi.ImportEnv).
		NewFunctionBuilder().WithGoModuleFunction(none, types("iiii"), nil).Export(abi.ImportAbort).Instantiate(ctx); err != nil {
		tb.Fatal(err)
	}
}

func types(text string) []api.ValueType {
	list := make([]api.ValueType, len(text))
	for i, c := range text {
		list[i] = api.ValueTypeI32
		if c == 'I' {
			list[i] = api.ValueTypeI64
		}
	}
	return list
}

func results(name string) []api.ValueType {
	if name == "proc_exit" {
		return nil
	}
	return types("i")
}

// BenchmarkRewrite rewrites a Go guest of 3 MB.
func BenchmarkRewrite(b *testing.B) {
	binary := guesttest.Banking(b)
	b.SetBytes(int64(len(binary)))
	var out []byte
	for b.Loop() {
		m, err := wasm.Decode(binary)
		if err != nil {
			b.Fatal(err)
		}
		if out, err = fuel.Rewrite(m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(100*(float64(len(out))/float64(len(binary))-1), "%larger")
}

// BenchmarkProof proves a Go guest of 3 MB, which is the larger part of rewriting it.
func BenchmarkProof(b *testing.B) {
	binary, err := rewrite(guesttest.Banking(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m, err := wasm.DecodeOwn(binary)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := proof.Check(m, proof.Names{Module: fuel.ImportModule, Yield: fuel.ImportYield, Global: fuel.ExportGlobal}); err != nil {
			b.Fatal(err)
		}
	}
}
