package wasm

import "bytes"

// ValueType is the type of a value.
type ValueType byte

// The value types.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

func (t ValueType) valid() bool {
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		return true
	}
	return false
}

// String returns the type as the text format spells it.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return "invalid"
}

// Kind is what an import or an export is.
type Kind byte

// The kinds.
const (
	KindFunction Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"function", "table", "memory", "global", "unknown"}[min(k, 4)]
}

// SectionID names a section.
type SectionID byte

// The sections, in the order in which they must stand; Custom ones may stand anywhere.
const (
	Custom    SectionID = 0
	Types     SectionID = 1
	Imports   SectionID = 2
	Functions SectionID = 3
	Tables    SectionID = 4
	Memories  SectionID = 5
	Globals   SectionID = 6
	Exports   SectionID = 7
	Start     SectionID = 8
	Elements  SectionID = 9
	DataCount SectionID = 12
	Code      SectionID = 10
	Data      SectionID = 11
)

// order ranks the sections as they must stand.
var order = [...]int{Types: 1, Imports: 2, Functions: 3, Tables: 4, Memories: 5, Globals: 6, Exports: 7, Start: 8, Elements: 9, DataCount: 10, Code: 11, Data: 12}

// Before reports whether a section stands before another.
func (s SectionID) Before(other SectionID) bool { return order[s] < order[other] }

// Section is one section's place: its contents are the module's bytes from At to End.
type Section struct {
	ID      SectionID
	Name    string // of a custom section
	At, End int
}

// FuncType is a function's type; the slices are the module's bytes.
type FuncType struct{ Params, Results []byte }

// Equal reports whether two types are the same.
func (t FuncType) Equal(u FuncType) bool {
	return bytes.Equal(t.Params, u.Params) && bytes.Equal(t.Results, u.Results)
}

// Limits bound a memory, in pages of 64 KiB, or a table, in elements.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Table is a table's type.
type Table struct {
	Element ValueType
	Limits  Limits
}

// Import is one import. Type is the index of a function's type; the others are as their
// sections have them.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         uint32
	Limits       Limits // of a table or memory
}

// Export is one export.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
}

// Body is one function's code: its locals are declared from At on, its instructions stand
// from Code to End, the last of them end.
type Body struct {
	At, Code, End int
	Groups        uint32 // declarations of locals
	Locals        uint64 // beside the parameters
}

// Module is what a binary declares.
type Module struct {
	Bytes     []byte
	Sections  []Section
	Types     []FuncType
	Imports   []Import
	Functions []uint32 // the type of each function that is not imported
	Tables    []Table  // not imported, as all below
	Memories  []Limits
	Globals   int
	Exports   []Export
	Start     *uint32
	Bodies    []Body
	Elements  int // segments
	Data      int // segments

	room int // see cursor
}

// Imported returns how many imports of a kind there are; they have the first indices.
func (m *Module) Imported(k Kind) int {
	n := 0
	for i := range m.Imports {
		if m.Imports[i].Kind == k {
			n++
		}
	}
	return n
}

// Count returns how many of a kind there are, imported or not.
func (m *Module) Count(k Kind) int {
	own := [...]int{KindFunction: len(m.Functions), KindTable: len(m.Tables), KindMemory: len(m.Memories), KindGlobal: m.Globals}
	return m.Imported(k) + own[k]
}

// FunctionTypes returns the index of the type of every function, imported or not.
func (m *Module) FunctionTypes() []uint32 {
	all := make([]uint32, 0, m.Count(KindFunction))
	for i := range m.Imports {
		if m.Imports[i].Kind == KindFunction {
			all = append(all, m.Imports[i].Type)
		}
	}
	return append(all, m.Functions...)
}

// FuncType returns the type of a function by its index, imported or not.
func (m *Module) FuncType(function uint32) (FuncType, bool) {
	left := function
	for i := range m.Imports {
		if m.Imports[i].Kind != KindFunction {
			continue
		}
		if left == 0 {
			return m.typeAt(m.Imports[i].Type)
		}
		left--
	}
	if uint64(left) >= uint64(len(m.Functions)) {
		return FuncType{}, false
	}
	return m.typeAt(m.Functions[left])
}

func (m *Module) typeAt(i uint32) (FuncType, bool) {
	if uint64(i) >= uint64(len(m.Types)) {
		return FuncType{}, false
	}
	return m.Types[i], true
}
