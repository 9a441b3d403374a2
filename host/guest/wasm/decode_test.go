package wasm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

const preamble = "\x00asm\x01\x00\x00\x00"

// section frames contents of less than 128 bytes.
func section(id byte, contents string) string {
	return string([]byte{id, byte(len(contents))}) + contents
}

// whole has one of everything.
var whole = preamble +
	section(0, "\x04name"+"\x01\x07\x02\x00\x01f\x02\x01g") +
	section(1, "\x02\x60\x00\x00\x60\x02\x7f\x7e\x01\x7d") +
	section(2, "\x02\x01m\x01f\x00\x01"+"\x01m\x01g\x03\x7f\x00") +
	section(3, "\x02\x00\x01") +
	section(4, "\x01\x70\x01\x02\x05") +
	section(5, "\x01\x00\x03") +
	section(6, "\x02\x7e\x01\x42\x00\x0b"+"\x70\x00\xd2\x01\x0b") +
	section(7, "\x01\x03run\x00\x02") +
	section(8, "\x01") +
	section(9, "\x02\x00\x41\x00\x0b\x01\x01"+"\x05\x70\x01\xd2\x02\x0b") +
	section(12, "\x01") +
	section(10, "\x02\x02\x00\x0b"+"\x06\x01\x03\x7f\x01\x01\x0b") +
	section(11, "\x01\x01\x02hi")

func TestDecode(t *testing.T) {
	m, err := wasm.Decode([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Sections) != 13 || len(m.Types) != 2 || len(m.Imports) != 2 || len(m.Functions) != 2 || m.Globals != 2 || m.Elements != 2 || m.Data != 1 {
		t.Errorf("it has %+v", m)
	}
	if f, ok := m.FuncType(0); !ok || string(f.Params) != "\x7f\x7e" || string(f.Results) != "\x7d" {
		t.Errorf("the import's type is %x → %x", f.Params, f.Results)
	}
	if f, ok := m.FuncType(2); !ok || !f.Equal(m.Types[1]) {
		t.Error("the second function's type")
	}
	if _, ok := m.FuncType(3); ok {
		t.Error("there is no function 3")
	}
	if m.Count(wasm.KindFunction) != 3 || m.Count(wasm.KindGlobal) != 3 || m.Count(wasm.KindTable) != 1 || m.Count(wasm.KindMemory) != 1 {
		t.Error("the counts")
	}
	if want := (wasm.Table{Element: wasm.FuncRef, Limits: wasm.Limits{Min: 2, Max: 5, HasMax: true}}); m.Tables[0] != want {
		t.Errorf("the table is %+v", m.Tables[0])
	}
	if want := (wasm.Limits{Min: 3}); m.Memories[0] != want {
		t.Errorf("the memory is %+v", m.Memories[0])
	}
	if want := (wasm.Export{Name: "run", Index: 2}); m.Exports[0] != want || *m.Start != 1 {
		t.Errorf("the export is %+v, the start %d", m.Exports[0], *m.Start)
	}
	if b := m.Bodies[1]; b.Locals != 3 || b.Groups != 1 {
		t.Errorf("the second body is %+v", b)
	}
	var functions []uint32
	for _, s := range m.Sections {
		m.References(s, func(f wasm.FunctionReference) { functions = append(functions, f.Function) })
	}
	if !slices.Equal(functions, []uint32{1, 1, 1, 2}) {
		t.Errorf("functions are named %v", functions)
	}
	names, ok := m.FunctionNames(m.Sections[0])
	if !ok || len(names) != 2 || names[1] != (wasm.FunctionName{Function: 2, Name: "g"}) {
		t.Errorf("the names are %v", names)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct{ name, binary, says string }{
		{"nothing", "", "at byte 0: it does not begin as a WebAssembly module"},
		{"a later version", "\x00asm\x02\x00\x00\x00", "version 1"},
		{"a long section", preamble + "\x01\x7f\x00", "127 bytes are said to follow, 1 do"},
		{"a cut number", preamble + "\x01\xff", "ends too early"},
		{"a long number", preamble + "\x01\xff\xff\xff\xff\x7f", "a number of more than 32 bits"},
		{"an unknown section", preamble + section(13, ""), "an unknown section"},
		{"sections out of order", preamble + section(3, "\x00") + section(1, "\x00"), "out of order"},
		{"a section twice", preamble + section(1, "\x00") + section(1, "\x00"), "stands twice"},
		{"rest in a section", preamble + section(1, "\x00\x00"), "longer than what it holds"},
		{"a large count", preamble + section(1, "\xff\xff\xff\xff\x0f"), "4294967295 types, at most 10000 are allowed"},
		{"a count of what is not there", preamble + section(1, "\x10"), "16 types are said to follow in 0 bytes"},
		{"a type of what", preamble + section(1, "\x01\x5f"), "not a function's"},
		{"a value of what", preamble + section(1, "\x01\x60\x01\x7a\x00"), "unknown value type 0x7a"},
		{"a broken name", preamble + section(2, "\x01\x01\xff\x00\x00\x00"), "not UTF-8"},
		{"an import of what", preamble + section(2, "\x01\x00\x00\x04\x00"), "unknown kind"},
		{"a shared memory", preamble + section(5, "\x01\x03\x01\x01"), "no shared and no 64-bit memory"},
		{"a 64-bit memory", preamble + section(5, "\x01\x04\x01"), "no shared and no 64-bit memory"},
		{"a table of numbers", preamble + section(4, "\x01\x7f\x00\x01"), "a table of no references"},
		{"a global of what", preamble + section(6, "\x01\x40\x00\x0b"), "a global of an unknown type"},
		{"a global that is half mutable", preamble + section(6, "\x01\x7f\x02\x0b"), "neither constant nor mutable"},
		{"a global that computes", preamble + section(6, "\x01\x7f\x00\x6a\x0b"), "not constant"},
		{"a global of its own", preamble + section(6, "\x01\x7f\x00\x23\x00\x0b"), "global 0, which is not imported"},
		{"an export of what", preamble + section(7, "\x01\x00\x09\x00"), "unknown kind"},
		{"an export of nothing", preamble + section(7, "\x01\x01f\x00\x00"), "function 0 does not exist"},
		{"a function of no type", preamble + section(3, "\x01\x00") + section(10, "\x01\x02\x00\x0b"), "type 0 does not exist"},
		{"an element of what", preamble + section(9, "\x01\x08"), "unknown form"},
		{"an element that is not there", preamble + section(9, "\x01\x01\x00\x01\x07"), "function 7 does not exist"},
		{"a function without a body", preamble + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00"), "the numbers of functions and of bodies differ"},
		{"a local of what", preamble + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00") + section(10, "\x01\x04\x01\x01\x40\x0b"), "a local of an unknown type"},
		{"a body that is cut", preamble + section(1, "\x01\x60\x00\x00") + section(3, "\x01\x00") + section(10, "\x01\x09\x00\x0b"), "9 bytes are said to follow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := wasm.Decode([]byte(test.binary))
			var format *wasm.FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q in it", err, test.says)
			}
		})
	}
}

// FuzzDecode reads whatever comes, its code too.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(preamble + section(9, "\x01\xff\xff\xff\xff\x0f")))
	f.Fuzz(func(t *testing.T, binary []byte) {
		m, err := wasm.Decode(binary)
		if err != nil {
			return
		}
		var r wasm.Reader
		for i := range m.Bodies {
			var instruction wasm.Instruction
			at := m.Bodies[i].Code
			for r.Open(m, &m.Bodies[i]); r.Next(&instruction); at = instruction.End {
				if instruction.At != at || instruction.End <= at || instruction.End > m.Bodies[i].End {
					t.Fatalf("an instruction from %d to %d behind %d", instruction.At, instruction.End, at)
				}
			}
		}
	})
}
