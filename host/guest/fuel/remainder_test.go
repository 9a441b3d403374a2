package fuel_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// pressed is a function (i64, i64) → i64 with more values alive than a machine has registers,
// and divisions and remainders among them: that is where a compiler mixes them up.
func pressed(random *rand.Rand) []byte {
	const values = 40
	code := []byte{1, values, 0x7e}
	get := func(local int) { code = append(code, 0x20, byte(local)) }
	any := func() int { return 2 + random.IntN(values) }
	for i := range values { // local = first parameter × i + second
		get(0)
		code = append(code, 0x42, byte(i+1), 0x7e)
		get(1)
		code = append(code, 0x7c, 0x21, byte(2+i))
	}
	for range 60 {
		to := any()
		get(any())
		get(any())
		code = append(code, 0x42, 1, 0x84) // never zero
		switch op := []byte{0x7f, 0x80, 0x81, 0x82, 0x6d, 0x6e, 0x6f, 0x70}[random.IntN(8)]; op {
		case 0x7f: // a signed division may overflow by -1: by 1 more than a square it does not
			code = append(code, 0x42, 0xff, 0x00, 0x83, op)
		case 0x6d:
			code = append(code, 0xa7, 0x41, 0xff, 0x00, 0x71, 0x21, values+3)
			code = append(code, 0xa7, 0x20, values+3, op, 0xac)
		case 0x6e, 0x6f, 0x70:
			code = append(code, 0xa7, 0x21, values+3)
			code = append(code, 0xa7, 0x20, values+3, op, 0xac)
		default:
			code = append(code, op)
		}
		get(any())
		code = append(code, 0x7c)
		if random.IntN(3) == 0 {
			code = append(code, 0x10, 1)
		}
		code = append(code, 0x21, byte(to))
		if random.IntN(3) == 0 { // a value that one way changes and another does not
			get(any())
			code = append(code, 0xa7, 0x04, 0x40)
			get(any())
			get(any())
			code = append(code, 0x42, 1, 0x84, 0x82, 0x21, byte(any()), 0x0b)
		}
	}
	get(2)
	for i := 1; i < values; i++ {
		get(2 + i)
		code = append(code, 0x42, 31, 0x7e, 0x85)
	}
	code[0] = 2
	code = append(code[:3], append([]byte{2, 0x7f}, code[3:]...)...)
	code = append(code, 0x0b)
	// A second function, i64 → i64, whose calls make the first keep its values in memory.
	out := []byte("\x00asm\x01\x00\x00\x00\x01\x0c\x02\x60\x02\x7e\x7e\x01\x7e\x60\x01\x7e\x01\x7e\x03\x03\x02\x00\x01\x07\x05\x01\x01f\x00\x00")
	section := append(binary.AppendUvarint([]byte{2}, uint64(len(code))), code...)
	section = append(section, "\x06\x00\x20\x00\x50\x1a\x20\x00\x0b"[0:]...)
	section[len(section)-9] = 8
	return append(binary.AppendUvarint(append(out, 10), uint64(len(section))), section...)
}

// TestRemaindersUnderPressure compares the interpreter, without fuel, and the compiler, with
// remainders computed from divisions, where registers are scarce.
func TestRemaindersUnderPressure(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	ctx := context.Background()
	for n := range 200 {
		module := pressed(random)
		interpreter := newWorldWith(t, false, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
		compiler := newWorld(t, true)
		compiler.replace = asked
		plain, err := interpreter.instantiate(module, "")
		if err != nil {
			t.Fatal(err)
		}
		fueled, err := compiler.instantiate(module, "")
		if err != nil {
			t.Fatal(err)
		}
		global(fueled).Set(uint64(compiler.meter.Begin(plenty)))
		for range 10 {
			a, b := random.Uint64(), random.Uint64()
			want := fmt.Sprint(plain.ExportedFunction("f").Call(ctx, a, b))
			if got := fmt.Sprint(fueled.ExportedFunction("f").Call(ctx, a, b)); got != want {
				t.Fatalf("function %d of %d and %d is %s, want %s", n, a, b, got, want)
			}
		}
	}
}

// TestRemaindersGoWhereTheyAreWrong looks for remainders in what Rewrite makes of a function full of
// them: on arm64 none is left, elsewhere all are. That the compiler goes wrong with one there needs a
// function that is unlucky with its registers, so this does not wait for such a one.
func TestRemaindersGoWhereTheyAreWrong(t *testing.T) {
	module := pressed(rand.New(rand.NewPCG(1, 2)))
	rewritten, err := rewrite(module)
	if err != nil {
		t.Fatal(err)
	}
	before, after := remaindersIn(t, module), remaindersIn(t, rewritten)
	want := before
	if runtime.GOARCH == "arm64" {
		want = 0
	}
	if before == 0 || after != want {
		t.Errorf("of %d remainders %d are left on %s, want %d", before, after, runtime.GOARCH, want)
	}
}

// remaindersIn counts the remainders in a module's code.
func remaindersIn(t *testing.T, binary []byte) (n int) {
	t.Helper()
	m, err := wasm.DecodeOwn(binary)
	if err != nil {
		t.Fatal(err)
	}
	var r wasm.Reader
	var i wasm.Instruction
	for f := range m.Bodies {
		for r.Open(m, &m.Bodies[f]); r.Next(&i); {
			switch i.Op {
			case wasm.OpI32RemS, wasm.OpI32RemU, wasm.OpI64RemS, wasm.OpI64RemU:
				n++
			}
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
