package fuel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The modules of the WebAssembly specification come with wazero's source. Each file's
// commands are given to two worlds, one of the modules as they are and one of the
// rewritten ones; every answer and every refusal must be the same in both.

// specification is one file of commands, as wast2json makes them.
type specification struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type       string `json:"type"`
	Line       int    `json:"line"`
	Name       string `json:"name"`
	Filename   string `json:"filename"`
	As         string `json:"as"`
	ModuleType string `json:"module_type"`
	Action     action `json:"action"`
}

type action struct {
	Type   string  `json:"type"`
	Module string  `json:"module"`
	Field  string  `json:"field"`
	Args   []value `json:"args"`
}

type value struct {
	Type  string `json:"type"`
	Lane  string `json:"lane_type"`
	Value any    `json:"value"`
}

func specDirectory(tb testing.TB, version string) string {
	tb.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		tb.Fatalf("find wazero's source: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest", version, "testdata")
}

func TestSpecification(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(specDirectory(t, version), "*.json"))
		if err != nil || len(files) < 50 {
			t.Fatalf("%d files of specification %s: %v", len(files), version, err)
		}
		for _, file := range files {
			t.Run(version+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				t.Parallel()
				play(t, file, newWorld(t, false), newWorld(t, true))
			})
		}
	}
}

// TestIntegers compares the interpreter, without fuel, and the compiler, with remainders
// computed from divisions, on the specification's modules about integers. It is what shows,
// on a machine where the compiler's own remainders are wrong, that these are right, and that
// Rewrite puts them there.
func TestIntegers(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		for _, name := range []string{"i32", "i64", "int_exprs", "int_literals"} {
			t.Run(version+"/"+name, func(t *testing.T) {
				interpreter := newWorldWith(t, false, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
				compiler := newWorld(t, true)
				compiler.replace = asked
				play(t, filepath.Join(specDirectory(t, version), name+".json"), interpreter, compiler)
			})
		}
	}
}

// play gives both worlds the commands of a file.
func play(t *testing.T, file string, plain, fueled *world) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var spec specification
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	directory, commands := filepath.Dir(file), spec.Commands
	shared, err := os.ReadFile(filepath.Join(directory, "..", "..", "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*world{plain, fueled} {
		if _, err := w.instantiate(shared, "spectest"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range commands {
		c := &commands[i]
		as := ""
		if i+1 < len(commands) && commands[i+1].Type == "register" {
			as = commands[i+1].As
		}
		a, b := plain.obey(t, directory, c, as), fueled.obey(t, directory, c, as)
		if a != b {
			t.Fatalf("line %d, %s %s: it was %s, and with fuel it is %s", c.Line, c.Type, c.Action.Field, a, b)
		}
	}
	if a, b := plain.memories(), fueled.memories(); a != b {
		t.Errorf("the memories differ:\n%s\n%s", a, b)
	}
}

// obey carries out a command and says in one line what became of it.
func (w *world) obey(t *testing.T, directory string, c *command, as string) string {
	switch c.Type {
	case "module", "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return ""
		}
		wasm, err := os.ReadFile(filepath.Join(directory, c.Filename))
		if err != nil {
			t.Fatal(err)
		}
		m, err := w.instantiate(wasm, as)
		if c.Type == "module" {
			w.last = m
			w.named[c.Name] = m
			if err != nil {
				t.Fatalf("line %d: %v", c.Line, err)
			}
			return "a module"
		}
		if err == nil {
			return "accepted"
		}
		return "refused"
	case "register":
		if m, found := w.named[c.Name]; c.Name != "" && found && m.Name() != c.As {
			t.Logf("line %d: %s is registered late, as %s", c.Line, c.Name, c.As)
		}
		return ""
	case "assert_return", "assert_trap", "assert_exhaustion", "action":
		return w.act(t, c)
	}
	t.Fatalf("line %d: an unknown command %s", c.Line, c.Type)
	return ""
}

func (w *world) act(t *testing.T, c *command) string {
	m := w.last
	if c.Action.Module != "" {
		m = w.named[c.Action.Module]
	}
	if m == nil {
		t.Fatalf("line %d: no module", c.Line)
	}
	if c.Action.Type == "get" {
		g := m.ExportedGlobal(c.Action.Field)
		return fmt.Sprintf("%s %x", api.ValueTypeName(g.Type()), g.Get())
	}
	f := m.ExportedFunction(c.Action.Field)
	var args []uint64
	for _, arg := range c.Action.Args {
		args = append(args, arg.bits(t)...)
	}
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		if c.Type == "assert_exhaustion" {
			return "exhausted"
		}
		return firstLine(err)
	}
	// A reference is an address of the world's own, and what stands above 32 bits means nothing.
	if types := f.Definition().ResultTypes(); len(types) == len(results) {
		for i, kind := range types {
			if kind == api.ValueTypeI32 || kind == api.ValueTypeF32 {
				results[i] = uint64(uint32(results[i]))
			}
			if kind != api.ValueTypeI32 && kind != api.ValueTypeI64 && kind != api.ValueTypeF32 && kind != api.ValueTypeF64 && kind != api.ValueTypeExternref && results[i] != 0 {
				results[i] = 1
			}
		}
	}
	return fmt.Sprintf("%x", results)
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// bits returns the stack's form of a value.
func (v value) bits(t *testing.T) []uint64 {
	if v.Type != "v128" {
		text, _ := v.Value.(string)
		return []uint64{bits(t, text, v.Type)}
	}
	lanes, ok := v.Value.([]any)
	if !ok {
		t.Fatalf("a vector of %v", v.Value)
	}
	width := 128 / len(lanes)
	var halves [2]uint64
	for i, lane := range lanes {
		text, _ := lane.(string)
		at := i * width
		halves[at/64] |= bits(t, text, v.Lane) & (math.MaxUint64 >> (64 - width)) << (at % 64)
	}
	return halves[:]
}

func bits(t *testing.T, text, kind string) uint64 {
	switch {
	case text == "" || text == "null":
		return 0
	case strings.HasPrefix(text, "nan"):
		if strings.HasSuffix(kind, "32") {
			return uint64(math.Float32bits(float32(math.NaN())))
		}
		return math.Float64bits(math.NaN())
	case kind == "externref":
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n + 1 // 0 is null
	case strings.HasPrefix(text, "-"):
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(kind, "32") {
			return uint64(uint32(n))
		}
		return uint64(n)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// memories sums up what all named modules have in memory.
func (w *world) memories() string {
	var lines []string
	for name, m := range w.named {
		if m == nil {
			continue
		}
		for export := range m.ExportedMemoryDefinitions() {
			memory := m.ExportedMemory(export)
			b, _ := memory.Read(0, memory.Size())
			lines = append(lines, fmt.Sprintf("%s.%s %d bytes, %x", name, export, len(b), checksum(b)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
