package fuel_test

import (
	"context"
	"hash/crc64"
	"math"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// world is a runtime with the modules of one test, as they are or with fuel.
type world struct {
	runtime wazero.Runtime
	fueled  bool
	replace bool       // remainders, when fuel is put in, whatever the machine's are like
	meter   fuel.Meter // of a module that is being instantiated
	yields  int
	watch   func() // what looks at each yield, if there is such a one
	named   map[string]api.Module
	last    api.Module
}

// asked says that remainders are replaced because a test asks for it. On arm64 the host must do so by
// itself, so there no test does.
const asked = runtime.GOARCH != "arm64"

// plenty is fuel without end, in slices so short that there are many yields.
var plenty = fuel.Limits{Budget: math.MaxInt64 / 2, Slice: 50, Largest: math.MaxInt64}

func newWorld(tb testing.TB, fueled bool) *world {
	tb.Helper()
	return newWorldWith(tb, fueled, compiled())
}

func compiled() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
}

func newWorldWith(tb testing.TB, fueled bool, config wazero.RuntimeConfig) *world {
	tb.Helper()
	w := newEmptyWorld(tb, fueled, config)
	w.offer(tb)
	return w
}

// newEmptyWorld returns one that offers nothing but the yield of fuel.
func newEmptyWorld(tb testing.TB, fueled bool, config wazero.RuntimeConfig) *world {
	tb.Helper()
	ctx := context.Background()
	w := &world{
		runtime: wazero.NewRuntimeWithConfig(ctx, config), fueled: fueled,
		named: make(map[string]api.Module),
	}
	tb.Cleanup(func() {
		if err := w.runtime.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	if fueled {
		w.meter.Begin(plenty)
		_, err := w.runtime.NewHostModuleBuilder(fuel.ImportModule).NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(w.yield), nil, nil).Export(fuel.ImportYield).Instantiate(ctx)
		if err != nil {
			tb.Fatal(err)
		}
	}
	return w
}

// hostFunctions are some of those that the contract lets guests import, with their types; here they do
// nothing but to look at the fuel, as the host's own do.
var hostFunctions = []struct {
	module, name    string
	params, results []api.ValueType
}{
	{"ichor_v1", "log", []api.ValueType{i32, i32, i32}, nil},
	{"wasi_snapshot_preview1", "random_get", []api.ValueType{i32, i32}, []api.ValueType{i32}},
	{"wasi_snapshot_preview1", "clock_time_get", []api.ValueType{i32, api.ValueTypeI64, i32}, []api.ValueType{i32}},
}

const i32 = api.ValueTypeI32

// offer makes the host's functions.
func (w *world) offer(tb testing.TB) {
	tb.Helper()
	builders := make(map[string]wazero.HostModuleBuilder)
	for _, f := range hostFunctions {
		if builders[f.module] == nil {
			builders[f.module] = w.runtime.NewHostModuleBuilder(f.module)
		}
		call := func(ctx context.Context, m api.Module, stack []uint64) {
			if w.fueled && int64(global(m).Get()) < 0 {
				w.yield(ctx, m, nil)
			}
			if len(stack) > 0 {
				stack[0] = 0
			}
		}
		builders[f.module].NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(call), f.params, f.results).Export(f.name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
}

// yield is the import of rewritten modules. One meter does for all: nothing here runs at
// the same time.
func (w *world) yield(_ context.Context, m api.Module, _ []uint64) {
	w.yields++
	if w.watch != nil {
		w.watch()
	}
	g := global(m)
	next, err := w.meter.Yield(int64(g.Get()))
	if err != nil {
		panic(err)
	}
	g.Set(uint64(next))
}

func global(m api.Module) api.MutableGlobal {
	return m.ExportedGlobal(fuel.ExportGlobal).(api.MutableGlobal)
}

// instantiate brings a binary up under a name; without one it is not registered.
func (w *world) instantiate(binary []byte, name string) (api.Module, error) {
	if w.fueled {
		m, err := wasm.Decode(binary)
		if err != nil {
			return nil, err
		}
		rewrite := fuel.Rewrite
		if w.replace {
			rewrite = fuel.RewriteRemainders
		}
		if binary, err = rewrite(m); err != nil {
			return nil, err
		}
	}
	return w.bring(binary, name)
}

// bring brings a binary up as it is.
func (w *world) bring(binary []byte, name string) (api.Module, error) {
	ctx := context.Background()
	compiled, err := w.runtime.CompileModule(ctx, binary)
	if err != nil {
		return nil, err
	}
	return w.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
}

var table = crc64.MakeTable(crc64.ECMA)

func checksum(b []byte) uint64 { return crc64.Checksum(b, table) }
