package guest_test

import (
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// attack is a guest that is made here, since its text would be long: code that convert runs
// before it answers, and the functions that it calls. The first of them is ownFunction.
type attack struct {
	deed      string
	imports   string           // entries of the section of imports, which number is imported
	imported  int              // functions
	types     []string         // from attackType on
	functions []attackFunction // from the index ownFunction, and one more for each import
	tables    []string         // the first one has the functions of the attack's own
	code      string           // of convert; it leaves the stack as it was
	locals    string           // of convert, beside its two parameters
	endless   bool             // it burns all its fuel
	manifest  string           // instead of the fixture's
	pages     int              // of memory, instead of 200
}

// attackFunction is one function: its type, and its body without the length.
type attackFunction struct {
	kind int
	body string
}

const (
	attackType  = 4 // behind () → (), () → i64, i32 → i32 and (i32, i32) → i64
	ownFunction = 4 // behind the four that a guest exports
)

// binary returns the module. Its manifest and its answers are those of a fixture.
func (a *attack) binary(tb testing.TB) []byte {
	tb.Helper()
	m, err := wasm.Decode(fixture(tb, "works_for_a_while"))
	if err != nil {
		tb.Fatal(err)
	}
	data := ""
	for _, s := range m.Sections {
		if s.ID == wasm.Data {
			data = string(m.Bytes[s.At:s.End])
		}
	}
	const emptyAnswer, answer = 2048<<32 | 56, 4096<<32 | 108
	manifest := int64(4398046511321)
	if a.manifest != "" {
		const at = 1 << 20
		manifest = at<<32 | int64(len(a.manifest))
		data = "\x04" + data[1:] + "\x00" + i32Const(at) + "\x0b" + leb(len(a.manifest)) + a.manifest
	}
	convert := a.locals + "\x20\x00\x28\x02\x10\x45\x04\x40" + i64Const(emptyAnswer) + "\x0f\x0b" + a.code + i64Const(answer) + "\x0b"
	if a.locals == "" {
		convert = "\x00" + convert
	}
	functions := append([]attackFunction{{0, "\x00\x0b"}, {1, "\x00" + i64Const(manifest) + "\x0b"}, {2, "\x00\x41\x80\x80\x04\x0b"}, {3, convert}}, a.functions...)
	kinds, bodies := "", ""
	for _, f := range functions {
		kinds += leb(f.kind)
		bodies += leb(len(f.body)) + f.body
	}
	export := func(name string, index int) string { return leb(len(name)) + name + "\x00" + leb(a.imported+index) }
	own := ""
	for i := range a.functions {
		own += leb(a.imported + ownFunction + i)
	}
	sections := section(1, leb(attackType+len(a.types)), "\x60\x00\x00", "\x60\x00\x01\x7e", "\x60\x01\x7f\x01\x7f", "\x60\x02\x7f\x7f\x01\x7e", strings.Join(a.types, ""))
	if a.imported > 0 {
		sections += section(2, leb(a.imported), a.imports)
	}
	sections += section(3, leb(len(functions)), kinds)
	if len(a.tables) > 0 {
		sections += section(4, leb(len(a.tables)), strings.Join(a.tables, ""))
	}
	sections += section(5, "\x01\x00", leb(max(a.pages, 200))) + section(6, "\x01\x7f\x01\x41\x07\x0b") +
		section(7, "\x05", "\x06memory\x02\x00", export("ichor_abi_v1", 0), export("ichor_describe", 1), export("ichor_alloc", 2), export("ichor_convert", 3))
	if len(a.tables) > 0 {
		sections += section(9, "\x01\x00\x41\x00\x0b", leb(len(a.functions)), own)
	}
	return []byte("\x00asm\x01\x00\x00\x00" + sections + section(10, leb(len(functions)), bodies) + section(11, data))
}

func i64Const(n int64) string { return "\x42" + sleb(n) }
func i32Const(n int32) string { return "\x41" + sleb(int64(n)) }

// sleb writes a signed LEB128 number.
func sleb(n int64) string {
	var out []byte
	for n < -0x40 || n >= 0x40 {
		out, n = append(out, byte(n)|0x80), n>>7
	}
	return string(append(out, byte(n)&0x7f))
}

func call(function int) string { return "\x10" + leb(function) }

// forever repeats code without end.
func forever(code string) string { return "\x03\x40" + code + "\x0c\x00\x0b" }

const (
	i32Local = "\x01\x01\x7f"
	division = "\x20\x00\x41\x03\x6e\x21\x00" // local 0 divided by 3
)

// attacks are guests that go on for as long as they can without coming back.
func attacks() []attack {
	leaf := attackFunction{0, i32Local + strings.Repeat(division, 10_000) + "\x0b"}
	tree := []attackFunction{leaf}
	for level := range 9 {
		tree = append(tree, attackFunction{0, "\x00" + strings.Repeat(call(ownFunction+level), 10) + "\x0b"})
	}
	wide := strings.Repeat("\x7f", 500)
	set := ""
	for i := range 400 {
		set += "\x20\x01\x21" + leb(2+i)
	}
	clock := "\x16wasi_snapshot_preview1\x0eclock_time_get\x00\x04"
	return []attack{
		{deed: "calls_a_leaf_in_a_straight_line", functions: []attackFunction{leaf}, code: forever(strings.Repeat(call(ownFunction), 40_000)), endless: true},
		{deed: "calls_a_tree_without_a_loop", functions: tree, code: call(ownFunction + 9), endless: true},
		{deed: "calls_a_leaf_through_a_table", functions: []attackFunction{leaf}, tables: []string{"\x70\x00\x01"}, code: forever(strings.Repeat("\x41\x00\x11\x00\x00", 20_000)), endless: true},
		{deed: "calls_a_leaf_in_a_loop", functions: []attackFunction{leaf}, code: forever(strings.Repeat(call(ownFunction), 1000)), endless: true},
		{
			deed: "asks_for_the_time_in_a_straight_line", imports: clock, imported: 1, types: []string{"\x60\x03\x7f\x7e\x7f\x01\x7f"},
			code: forever(strings.Repeat("\x41\x00\x42\x00\x41\x08"+call(0)+"\x1a", 5000)), endless: true,
		},
		{deed: "clears_many_locals", functions: []attackFunction{{0, "\x01" + leb(5000) + "\x7f" + strings.Repeat("\x20\x00\x21\x01", 50) + "\x0b"}}, code: forever(strings.Repeat(call(ownFunction), 10_000)), endless: true},
		{
			deed: "passes_many_values", types: []string{"\x60" + leb(500) + wide + leb(500) + wide}, functions: []attackFunction{{attackType, "\x00" + gets(500) + "\x0b"}},
			code: forever(strings.Repeat("\x41\x01", 500) + strings.Repeat(call(ownFunction), 500) + strings.Repeat("\x1a", 500)), endless: true,
		},
		{deed: "branches_over_many_locals", locals: "\x01" + leb(400) + "\x7f", code: forever("\x02\x40\x20\x00\x0d\x00" + set + "\x0b" + "\x02\x40\x20\x00\x0d\x00" + set + "\x0b"), endless: true},
		{deed: "divides_in_a_straight_line", locals: "\x00", code: forever(strings.Repeat("\x20\x00\x41\x03\x6e\x21\x00", 15_000)), endless: true},
		{deed: "takes_square_roots", locals: "\x01\x01\x7c", code: forever(strings.Repeat("\x20\x02\x9f\x9f\x9f\x9f\x21\x02", 10_000)), endless: true},
		{deed: "divides_vectors", locals: "\x01\x01\x7b", code: forever(strings.Repeat("\x20\x02\x20\x02\xfd\xf3\x01\x21\x02", 10_000)), endless: true},
		{deed: "multiplies_vectors", locals: "\x01\x01\x7b", code: forever(strings.Repeat("\x20\x02\x20\x02\xfd\xd5\x01\x21\x02", 10_000)), endless: true},
		{deed: "fills_a_table_in_a_straight_line", tables: []string{"\x70\x00" + leb(60_000)}, functions: []attackFunction{leaf}, code: forever(strings.Repeat("\x41\x00\xd0\x70"+i32Const(60_000)+"\xfc\x11\x00", 1000)), endless: true},
		{deed: "copies_4_MiB_in_a_straight_line", code: forever(strings.Repeat(i32Const(4<<20)+"\x41\x00"+i32Const(4<<20)+"\xfc\x0a\x00\x00", 1000)), endless: true},
		{deed: "touches_a_page_with_every_store", pages: 1024, locals: "\x01\x01\x7f", code: forever("\x20\x02\x41\x00\x36\x02\x00\x20\x02" + i32Const(4096) + "\x6a" + i32Const(1024<<16-1) + "\x71\x22\x02\x1a"), endless: true},
		{deed: "refers_to_a_function_in_a_straight_line", tables: []string{"\x70\x00\x01"}, functions: []attackFunction{leaf}, code: forever(strings.Repeat("\xd2"+leb(ownFunction)+"\x1a", 10_000)), endless: true},
	}
}

// gets reads so many parameters.
func gets(n int) (code string) {
	for i := range n {
		code += "\x20" + leb(i)
	}
	return code
}

// TestAttacksComeBack looks at all that never end by themselves: the collector runs beside them, and
// what fuel they have ends them.
func TestAttacksComeBack(t *testing.T) {
	for _, a := range append(attacks(), recursions()...) {
		if a.endless {
			t.Run(a.deed, func(t *testing.T) {
				module := a.binary(t)
				comesBack(t, module)
				isSpent(t, module, dear[a.deed])
			})
		}
	}
}

// BenchmarkAttacks stops each of them with the fuel that is the default, while the collector
// runs all the time, and reports what that took: the call, and the collector's longest run.
func BenchmarkAttacks(b *testing.B) {
	for _, a := range append(attacks(), recursions()...) {
		b.Run(a.deed, func(b *testing.B) { benchStop(b, a.binary(b)) })
	}
}
