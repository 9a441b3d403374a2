package fuel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/ichor-replicator/ichor/host/guest/fuel"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// body makes a module of one function, () → (), with a memory of a page and a table of one
// element. It is exported as f, and calls of function 0 are calls of itself.
func body(locals string, code ...byte) []byte {
	function := append([]byte(locals), code...)
	function = append(function, 0x0b)
	out := []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x04\x01\x60\x00\x00" + // type
		"\x03\x02\x01\x00" + // function
		"\x04\x04\x01\x70\x00\x01" + // table
		"\x05\x03\x01\x00\x01" + // memory
		"\x07\x05\x01\x01f\x00\x00" + // export
		"\x09\x05\x01\x03\x00\x01\x00") // the function is declared, so that code may name it
	section := append(binary.AppendUvarint([]byte{1}, uint64(len(function))), function...)
	return append(binary.AppendUvarint(append(out, 10), uint64(len(section))), section...)
}

const noLocals, oneLocal = "\x00", "\x01\x01\x7f"

// TestCost says what small functions cost.
func TestCost(t *testing.T) {
	nops := func(n int) string { return strings.Repeat("\x01", n) }
	for _, test := range []struct {
		name string
		code string
		want int64
	}{
		{"nothing", "", 0},
		{"a short way, which the caller pays", nops(256), 0},
		{"a longer one", nops(257), 257},
		{"both ways of an if: the longer", "\x41\x00\x04\x40" + nops(270) + "\x05" + nops(280) + "\x0b", 282},
		{"what is behind a return", nops(270) + "\x0f" + nops(50), 271},
		{"what is behind a branch", "\x02\x40" + nops(270) + "\x0c\x00" + nops(50) + "\x0b" + nops(3), 274},
		{"a long arm that is not taken", nops(270) + "\x41\x00\x04\x40" + nops(600) + "\x0b", 272},
		{"a long arm that is taken", nops(270) + "\x41\x01\x04\x40" + nops(600) + "\x0b", 872},
		{"a loop: five times and out", "\x41\x05\x21\x00\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b", 5 * 5},
		{"a loop, and what is behind it", "\x41\x05\x21\x00\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b" + nops(270), 272 + 5*5},
		{"a table of branches", "\x02\x40\x02\x40\x02\x40\x41\x01\x0e\x02\x00\x01\x02\x0b" + nops(274) + "\x0c\x01\x0b" + nops(276) + "\x0b", 2 + 276},
		{"a fill of 1,000 bytes", "\x41\x00\x41\x00\x41\xe8\x07\xfc\x0b\x00", 1000},
		{"a copy of 1,000 bytes", "\x41\x00\x41\x00\x41\xe8\x07\xfc\x0a\x00\x00", 1000},
		{"a page of memory", "\x41\x01\x40\x00\x1a", 8192},
		{"ten elements of a table", "\xd0\x70\x41\x0a\xfc\x0f\x00\x1a", 320},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, true)
			m, err := w.instantiate(body(oneLocal, []byte(test.code)...), "")
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				global(m).Set(uint64(w.meter.Begin(plenty)))
				if _, err := m.ExportedFunction("f").Call(context.Background()); err != nil {
					t.Fatal(err)
				}
				if got := w.meter.Used(int64(global(m).Get())); got != test.want {
					t.Errorf("it costs %d, want %d", got, test.want)
				}
			}
		})
	}
}

func TestMeter(t *testing.T) {
	var m fuel.Meter
	if got := m.Begin(fuel.Limits{Budget: 250, Slice: 100, Largest: 50}); got != 100 {
		t.Errorf("the first slice is %d", got)
	}
	for _, step := range []struct {
		global, next, used int64
		err                error
	}{
		{-20, 100, 120, nil},
		{-10, 20, 230, nil}, // what the one before burnt too much is missing here
		{-5, 0, 255, fuel.ErrSpent},
	} {
		next, err := m.Yield(step.global)
		if next != step.next || !errors.Is(err, step.err) {
			t.Errorf("at %d: got %d and %v, want %d and %v", step.global, next, err, step.next, step.err)
		}
		if got := m.Used(next); got != step.used {
			t.Errorf("at %d: %d are used, want %d", step.global, got, step.used)
		}
	}
	m.Begin(fuel.Limits{Budget: 1000, Slice: 100, Largest: 50})
	if _, err := m.Yield(-51); !errors.Is(err, fuel.ErrTooLarge) {
		t.Errorf("an operation of more than the largest: %v", err)
	}
}

// TestSpent gives endless functions little fuel.
func TestSpent(t *testing.T) {
	for name, code := range map[string]string{
		"loop":                             "\x03\x40\x0c\x00\x0b",
		"recursion":                        "\x10\x00",
		"tree":                             "\x10\x00\x10\x00",
		"indirect":                         "\x41\x00\xd2\x00\x26\x00\x41\x00\x11\x00\x00",
		"fill":                             "\x03\x40\x41\x00\x41\x00\x41\x80\x08\xfc\x0b\x00\x0c\x00\x0b",
		"loop in a block":                  "\x02\x40\x03\x40\x02\x40\x0c\x01\x0b\x0b\x0b",
		"recursion in an if behind a loop": "\x03\x40\x0b\x41\x01\x04\x40\x10\x00\x0b",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			m, err := w.instantiate(body(noLocals, []byte(code)...), "")
			if err != nil {
				t.Fatal(err)
			}
			global(m).Set(uint64(w.meter.Begin(fuel.Limits{Budget: 10_000, Slice: 1000, Largest: 1 << 20})))
			_, err = m.ExportedFunction("f").Call(context.Background())
			if !errors.Is(err, fuel.ErrSpent) {
				t.Fatalf("got %v, want %v", err, fuel.ErrSpent)
			}
			if w.yields < 5 || w.yields > 11 {
				t.Errorf("%d yields in ten slices", w.yields)
			}
		})
	}
}

func TestRewriteRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		binary []byte
		says   string
	}{
		{"the fuel by its index", body(noLocals, 0x42, 0, 0x24, 0), "global 0 does not exist"},
		{"our local by its index", body(noLocals, 0x42, 0, 0x21, 0), "local 0 does not exist"},
		{"our import by its index", body(noLocals, 0x10, 1), "function 1 does not exist"},
		{"our type by its index", body(noLocals, 0x02, 1, 0x0b), "type 1 does not exist"},
		{"our table by its index", body(noLocals, 0xd2, 0, 0x1a, 0x41, 0, 0x25, 1, 0x1a), "table 1 does not exist"},
		{"our table by a call", body(noLocals, 0xd2, 0, 0x1a, 0x41, 0, 0x11, 0, 1), "table 1 does not exist"},
		{"our table by an element segment", []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x09\x07\x01\x00\x41\x00\x0b\x01\x00\x0a\x07\x01\x05\x00\xd2\x00\x1a\x0b"), "an element segment of table 0, which does not exist"},
		{"our table by an export", []byte("\x00asm\x01\x00\x00\x00\x07\x05\x01\x01t\x01\x00"), "table 0 does not exist"},
		{"a reference that is not declared", []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x07\x01\x05\x00\xd2\x00\x1a\x0b"), "which is not declared to be referred to"},
		{"a label that is not there", body(noLocals, 0x0c, 1), "a branch to a label that does not exist"},
		{"an else without an if", body(noLocals, 0x02, 0x40, 0x05, 0x0b), "an else without an if"},
		{"code behind the end", body(noLocals, 0x0b, 0x01), "instructions behind the end"},
		{"a body that does not end", body(noLocals, 0x02, 0x40), "a function that does not end"},
		{"a tail call", body(noLocals, 0x12, 0), "an unknown instruction 0x12"},
		{"an atomic", body(noLocals, 0xfe, 0x03, 0), "an unknown instruction 0xfe"},
		{"relaxed vectors", body(noLocals, 0xfd, 0x80, 0x02), "an unknown instruction 0xfd 256"},
		{"a vector gap", body(noLocals, 0xfd, 0x9a, 0x01), "an unknown instruction 0xfd 0x9a"},
		{"a vector instruction that looks like another", body(noLocals, 0xfd, 0x8c, 0x00), "longer than it needs to be"},
		{"our export", []byte("\x00asm\x01\x00\x00\x00\x06\x06\x01\x7e\x01\x42\x00\x0b\x07\x0e\x01\x0aichor_fuel\x03\x00"), "it exports ichor_fuel, a name that is the host's own"},
		{"our import", []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x02\x10\x01\x0aichor_fuel\x01f\x00\x00"), "it imports from ichor_fuel"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := rewrite(test.binary)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q in it", err, test.says)
			}
		})
	}
}

func rewrite(binary []byte) ([]byte, error) {
	m, err := wasm.Decode(binary)
	if err != nil {
		return nil, err
	}
	return fuel.Rewrite(m)
}

// withoutCustom returns the module without its custom sections.
func withoutCustom(m *wasm.Module) []byte {
	out := append([]byte(nil), m.Bytes[:8]...)
	for _, s := range m.Sections {
		if s.ID != wasm.Custom {
			out = binary.AppendUvarint(append(out, byte(s.ID)), uint64(s.End-s.At))
			out = append(out, m.Bytes[s.At:s.End]...)
		}
	}
	return out
}

// FuzzRewrite compares what the compiler says of a module as it is and with fuel. The
// seeds are small functions.
func FuzzRewrite(f *testing.F) {
	f.Add(body(oneLocal, 0x41, 5, 0x21, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b))
	f.Add(body(noLocals, 0x41, 0, 0x41, 0, 0x41, 9, 0xfc, 0x0b, 0))
	f.Add(body(noLocals, 0x02, 0x40, 0x41, 1, 0x0e, 1, 0, 0, 0x0b, 0x10, 0))
	f.Add(body(noLocals, 0x41, 1, 0x04, 0x40, 0x0f, 0x05, 0x00, 0x0b))
	ctx := context.Background()
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2)
	f.Fuzz(func(t *testing.T, binary []byte) {
		r := wazero.NewRuntimeWithConfig(ctx, config)
		defer func() {
			if err := r.Close(ctx); err != nil {
				t.Error(err)
			}
		}()
		m, err := wasm.Decode(binary)
		if err != nil {
			return // the compiler does not see it: some would make it allocate without end
		}
		// Names and other custom sections mean nothing, but the compiler looks at some.
		_, plain := r.CompileModule(ctx, withoutCustom(m))
		fueled, err := fuel.Rewrite(m)
		if err == nil {
			_, err = r.CompileModule(ctx, fueled)
		}
		if plain != nil && err == nil {
			t.Errorf("it was refused (%v) and is taken with fuel", plain)
		}
		if plain == nil && err != nil {
			t.Errorf("it was taken and is refused with fuel: %v", err)
		}
	})
}

// TestOpcodes asks the compiler which instructions exist: none of them may be missing
// here, and none that is here may be unknown to it.
func TestOpcodes(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer func() {
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	try := func(op ...byte) {
		code := append(op[:len(op):len(op)], make([]byte, 20)...)
		_, err := r.CompileModule(ctx, body(noLocals, code...))
		unknown := err != nil && (strings.Contains(err.Error(), "invalid instruction") || strings.Contains(err.Error(), "unknown SIMD") || strings.Contains(err.Error(), "unknown misc"))
		_, err = rewrite(body(noLocals, code...))
		if ours := err != nil && strings.Contains(err.Error(), "unknown instruction"); ours != unknown {
			t.Errorf("instruction %x: unknown to the compiler %t, here %t (%v)", op, unknown, ours, err)
		}
	}
	later := []byte{0x08, 0x0a, 0x12, 0x13, 0x14, 0x15, 0x1f, 0xd4, 0xd5, 0xd6, 0xfe} // features that are off, which the compiler tells by other words
	for op := range 0xfc {
		if !slices.Contains(later, byte(op)) {
			try(byte(op))
		}
	}
	for op := range 32 {
		try(0xfc, byte(op))
	}
	for op := range 0x80 {
		try(0xfd, byte(op))
	}
	for op := 0x80; op < 0x100; op++ {
		try(0xfd, byte(op), 1)
	}
}
