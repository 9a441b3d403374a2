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
	return newWorldWith(tb, fueled, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false))
}

func newWorldWith(tb testing.TB, fueled bool, config wazero.RuntimeConfig) *world {
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

// yield is the import of rewritten modules. One meter does for all: nothing here runs at
// the same time.
func (w *world) yield(_ context.Context, m api.Module, _ []uint64) {
	w.yields++
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
	ctx := context.Background()
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
	compiled, err := w.runtime.CompileModule(ctx, binary)
	if err != nil {
		return nil, err
	}
	return w.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
}

var table = crc64.MakeTable(crc64.ECMA)

func checksum(b []byte) uint64 { return crc64.Checksum(b, table) }
