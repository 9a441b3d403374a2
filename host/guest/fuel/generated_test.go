package fuel_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
)

// Generated modules, by the generator in testdata/smith: 500 of them are in testdata,
// and -generated FILE takes as many as somebody made ("-" for standard input).
var generated = flag.String("generated", "", "a file of generated modules instead of those in testdata")

// TestGenerated calls every export of every generated module with and without fuel:
// answers, traps, memories and globals must be the same. With its work counted, no
// way between two checks may be longer than what is proven. The collector runs beside it.
func TestGenerated(t *testing.T) {
	modules := openGenerated(t)
	collecting(t)
	var w [2]*world
	n, calls, spent, checks := 0, 0, 0, 0
	for {
		module, err := next(modules)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("module %d: %v", n, err)
		}
		if n%500 == 0 { // a runtime keeps what its modules were
			config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(64)
			if n%5000 < 500 {
				config = wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(64)
			}
			w = [2]*world{newWorldWith(t, false, config), newWorldWith(t, true, config)}
		}
		c, s := compare(t, n, module, w, 100_000)
		checks += w[1].bound(t, n, module, 20_000)
		calls, spent, n = calls+c, spent+s, n+1
	}
	t.Logf("%d modules, %d calls the same, %d without end, %d checks", n, calls, spent, checks)
	if n < 500 || calls < n || spent == 0 || checks < n {
		t.Errorf("%d modules, %d calls, %d without end: too few to say anything", n, calls, spent)
	}
}

func openGenerated(t *testing.T) *bufio.Reader {
	t.Helper()
	switch *generated {
	case "-":
		return bufio.NewReader(os.Stdin)
	case "":
		f, err := os.Open("testdata/generated.gz")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		r, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		return bufio.NewReader(r)
	}
	f, err := os.Open(*generated)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return bufio.NewReader(f)
}

func next(r io.Reader) ([]byte, error) {
	var size uint32
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
		return nil, err
	}
	module := make([]byte, size)
	_, err := io.ReadFull(r, module)
	return module, err
}

// compare brings a module up in both worlds and calls its functions, until one has no end within the budget.
func compare(t *testing.T, n int, module []byte, worlds [2]*world, budget int64) (calls, spent int) {
	ctx := context.Background()
	plain, err := worlds[0].instantiate(module, "")
	fueled, fueledErr := worlds[1].instantiate(module, "")
	if (err == nil) != (fueledErr == nil) {
		t.Fatalf("module %d: it was %v, and with fuel it is %v", n, err, fueledErr)
	}
	if err != nil {
		return 0, 0
	}
	defer func() {
		if err := errors.Join(plain.Close(ctx), fueled.Close(ctx)); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range functionNames(plain) {
		args := arguments(plain.ExportedFunction(name).Definition().ParamTypes())
		global(fueled).Set(uint64(worlds[1].meter.Begin(fuel.Limits{Budget: budget, Slice: 50, Largest: math.MaxInt64})))
		got := answer(fueled.ExportedFunction(name).Call(ctx, args...))
		if strings.Contains(got, fuel.ErrSpent.Error()) {
			return calls, 1
		}
		want := answer(plain.ExportedFunction(name).Call(ctx, args...))
		calls++
		if strings.Contains(got+want, "stack overflow") {
			return calls, 0 // how deep is deep depends on the size of frames, and so does what was done there
		}
		if references(plain.ExportedFunction(name).Definition().ResultTypes()) {
			continue // an address of each world's own
		}
		if got != want || state(plain) != state(fueled) {
			t.Fatalf("module %d, %s: it was %s, %s, and with fuel it is %s, %s", n, name, want, state(plain), got, state(fueled))
		}
	}
	return calls, 0
}

// arguments are small numbers; null for references.
func arguments(types []api.ValueType) []uint64 {
	var args []uint64
	for i, kind := range types {
		switch kind {
		case api.ValueTypeI32, api.ValueTypeI64:
			args = append(args, uint64(i)+1)
		case api.ValueTypeF32:
			args = append(args, uint64(math.Float32bits(float32(i)+0.5)))
		case api.ValueTypeF64:
			args = append(args, math.Float64bits(float64(i)+0.5))
		case 0x7b: // a vector
			args = append(args, uint64(i)+1, uint64(i)+2)
		default:
			args = append(args, 0)
		}
	}
	return args
}

func references(types []api.ValueType) bool {
	return slices.Contains(types, 0x70) || slices.Contains(types, api.ValueTypeExternref)
}

func answer(results []uint64, err error) string {
	if err != nil {
		return firstLine(err)
	}
	return fmt.Sprintf("%x", results)
}

// state sums up a module's memory and globals.
func state(m api.Module) string {
	var lines []string
	for name := range m.ExportedMemoryDefinitions() {
		memory := m.ExportedMemory(name)
		b, _ := memory.Read(0, memory.Size())
		lines = append(lines, fmt.Sprintf("%d bytes %x", len(b), checksum(b)))
	}
	for name := range exportedGlobals(m) {
		g := m.ExportedGlobal(name)
		if t := g.Type(); t == api.ValueTypeI32 || t == api.ValueTypeI64 || t == api.ValueTypeF32 || t == api.ValueTypeF64 {
			lines = append(lines, fmt.Sprintf("%s=%x", name, g.Get()))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// exportedGlobals yields the names of a module's globals, which the generator names by
// small numbers like everything else.
func exportedGlobals(m api.Module) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range 100 {
			if name := fmt.Sprint(i); m.ExportedGlobal(name) != nil && !yield(name) {
				return
			}
		}
	}
}
