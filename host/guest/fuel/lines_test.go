package fuel_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

var lines = flag.Int("lines", 50, "modules of straight lines")

// TestLines does what TestGenerated does with modules of straight lines, which that generator hardly ever
// makes: of work, of calls to leaves and to functions that call leaves, directly and through a table, of
// calls to the host, and of what takes references and changes tables.
func TestLines(t *testing.T) {
	collecting(t)
	var w [2]*world
	calls, spent, checks := 0, 0, 0
	for n := range *lines {
		if n%50 == 0 { // a runtime keeps what its modules were
			config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2)
			w = [2]*world{newWorldWith(t, false, config), newWorldWith(t, true, config)}
		}
		module := newLineModule(rand.New(rand.NewPCG(uint64(n), 1))).binary()
		c, s := compare(t, n, module, w, 2_000_000)
		checks += w[1].bound(t, n, module, 500_000)
		calls, spent = calls+c, spent+s
	}
	t.Logf("%d modules, %d calls the same, %d without end, %d checks", *lines, calls, spent, checks)
	if calls < *lines || spent == 0 || checks < 100**lines {
		t.Errorf("%d calls, %d without end, %d checks: too few to say anything", calls, spent, checks)
	}
}

// lineModule is a module of straight lines. Its functions are () → (); each calls those before it, and a
// few itself or any. Local 0 is a number that work is done with, local 1 counts turns.
type lineModule struct {
	*rand.Rand
	imported int
	bodies   []string
}

const tableSize = 16

func newLineModule(r *rand.Rand) *lineModule {
	m := &lineModule{Rand: r, imported: r.IntN(len(hostFunctions) + 1)}
	for range 3 + r.IntN(5) {
		code := ""
		for range 1 + r.IntN(3) {
			code += m.part(2)
		}
		m.bodies = append(m.bodies, code)
	}
	return m
}

// many is a number below most, and mostly a small one.
func (m *lineModule) many(most int) int { return 1 + m.IntN(1+m.IntN(most)) }

// part is a line, or a loop or an if with parts in it.
func (m *lineModule) part(depth int) string {
	switch n := m.IntN(8); {
	case n == 0 && depth > 0:
		return "\x41" + string(sleb(int64(m.many(20)))) + "\x21\x01\x03\x40" + m.part(0) + "\x20\x01\x41\x01\x6b\x22\x01\x0d\x00\x0b"
	case n == 1 && depth > 0:
		return "\x20\x00\x41\x01\x71\x04\x40" + m.part(depth-1) + "\x05" + m.part(depth-1) + "\x0b"
	case n == 2 && depth > 0:
		return "\x02\x40" + m.part(depth-1) + "\x20\x00\x41\x03\x71\x0d\x00" + m.part(depth-1) + "\x0b"
	}
	return m.line()
}

// line is the same again and again.
func (m *lineModule) line() string {
	functions := len(m.bodies)
	function := func(n int) string { return string(leb(uint64(m.imported + n))) }
	switch n := m.IntN(10); {
	case n < 4 && functions > 0:
		return strings.Repeat("\x10"+function(m.IntN(functions)), m.many(1500))
	case n == 4 && functions > 0: // itself, or one that has not been made yet: the first three always are
		return "\x20\x00\x41\x07\x71\x45\x04\x40" + strings.Repeat("\x10"+function(m.IntN(3)), m.many(4)) + "\x0b"
	case n == 5:
		return strings.Repeat("\x41"+string(sleb(int64(m.IntN(tableSize))))+"\x11\x00\x00", m.many(300))
	case n == 6 && m.imported > 0:
		return strings.Repeat(m.asks(m.IntN(m.imported)), m.many(300))
	case n == 7:
		return strings.Repeat("\x41"+string(sleb(int64(m.IntN(tableSize))))+"\xd2"+function(m.IntN(3))+"\x26\x00", m.many(300))
	case n == 8:
		return strings.Repeat(m.pick(
			"\x41\x00\x25\x00\xd1\x1a",             // table.get, ref.is_null
			"\xfc\x10\x01\x1a",                     // table.size
			"\xd0\x70\x41\x01\xfc\x0f\x01\x1a",     // table.grow
			"\x41\x00\xd0\x70\x41\x08\xfc\x11\x01", // table.fill
			"\x41\x00\x41\x01\x41\x07\xfc\x0e\x01\x01",
			"\x41\x00\x41\x01\x41\xe4\x00\xfc\x0b\x00", // memory.fill
			"\x41\x00\x41\x08\x41\xe4\x00\xfc\x0a\x00\x00",
			"\x41\x00\x40\x00\x1a"), m.many(300)) // memory.grow
	}
	return strings.Repeat(m.pick(
		"\x20\x00\x41\x03\x6e\x21\x00",                             // a division
		"\x20\x00\x41\x07\x70\x41\x05\x6a\x21\x00",                 // a remainder
		"\x20\x00\x41\x01\x6a\x21\x00",                             // a sum
		"\x20\x00\xb8\x9f\x9f\xfc\x03\x21\x00",                     // square roots
		"\x20\x00\xfd\x11\x20\x00\xfd\x11\xfd\xd5\x01\xfd\x53\x1a", // vectors
		"\x41\x00\x20\x00\x36\x02\x00"), m.many(2000))
}

func (m *lineModule) pick(from ...string) string { return from[m.IntN(len(from))] }

// asks is a call of the host's.
func (m *lineModule) asks(n int) string {
	code := ""
	for _, kind := range hostFunctions[n].params {
		code += map[api.ValueType]string{api.ValueTypeI32: "\x41\x08", api.ValueTypeI64: "\x42\x08"}[kind]
	}
	return code + "\x10" + string(leb(uint64(n))) + strings.Repeat("\x1a", len(hostFunctions[n].results))
}

// binary puts the module together: a table of its functions, and one that grows.
func (m *lineModule) binary() []byte {
	list := func(entries []string) string { return string(leb(uint64(len(entries)))) + strings.Join(entries, "") }
	section := func(id byte, contents string) string {
		return string(id) + string(leb(uint64(len(contents)))) + contents
	}
	named := func(text string) string { return string(leb(uint64(len(text)))) + text }
	types, imports := []string{"\x60\x00\x00"}, []string{}
	for i, f := range hostFunctions {
		types = append(types, "\x60"+named(string(f.params))+named(string(f.results)))
		if i < m.imported {
			imports = append(imports, named(f.module)+named(f.name)+"\x00"+string(leb(uint64(1+i))))
		}
	}
	var kinds, bodies, slots []string
	exports := []string{named("memory") + "\x02\x00"}
	for i, code := range m.bodies {
		body := "\x01\x02\x7f" + "\x41\x64\x21\x00" + code + "\x0b"
		kinds, bodies = append(kinds, "\x00"), append(bodies, named(body))
		exports = append(exports, named(fmt.Sprint(i))+"\x00"+string(leb(uint64(m.imported+i))))
	}
	for range tableSize {
		slots = append(slots, string(leb(uint64(m.imported+m.IntN(len(m.bodies))))))
	}
	return []byte("\x00asm\x01\x00\x00\x00" + section(1, list(types)) + section(2, list(imports)) + section(3, list(kinds)) +
		section(4, "\x02\x70\x00\x10\x70\x00\x10") + section(5, "\x01\x00\x02") + section(7, list(exports)) +
		section(9, "\x01\x00\x41\x00\x0b"+list(slots)) + section(10, list(bodies)))
}

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// sleb writes a signed LEB128 number.
func sleb(n int64) (out []byte) {
	for n < -0x40 || n >= 0x40 {
		out, n = append(out, byte(n)|0x80), n>>7
	}
	return append(out, byte(n)&0x7f)
}
