package wasm

import (
	"bytes"
	"fmt"
)

// The most of each that is read; real modules stay far below. What they are read into, here
// and in the compiler, is many times larger than their bytes.
const (
	maxSections  = 1000
	maxTypes     = 10_000
	maxValues    = 1000 // parameters or results of a type
	maxAllValues = 100_000
	maxImports   = 1000
	maxFunctions = 50_000
	maxTables    = 8
	maxMemories  = 8
	maxGlobals   = 10_000
	maxExports   = 10_000
	maxSegments  = 100_000 // Go's linker makes so many and no more
	maxElements  = 1 << 18 // of all element segments
	maxGroups    = 5000    // declarations of locals of a function
	maxLocals    = 5000    // of a function
	maxAllLocals = 1 << 20 // of all functions
	maxLabels    = 32_768  // of one br_table
)

// header is the magic number and the version of the format.
var header = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// Decode reads a binary's sections. The module refers to the bytes: they must not change.
// Every error is a *FormatError.
func Decode(binary []byte) (*Module, error) { return decode(binary, 0) }

// DecodeOwn reads a binary that was made of one that Decode had read: it may have twice as
// much of everything.
func DecodeOwn(binary []byte) (*Module, error) { return decode(binary, 1) }

func decode(binary []byte, room int) (*Module, error) {
	if !bytes.HasPrefix(binary, header) {
		return nil, &FormatError{At: 0, What: "it does not begin as a WebAssembly module of version 1"}
	}
	m := &Module{Bytes: binary, room: room}
	c := &cursor{b: binary, at: len(header)}
	last := Custom
	for c.more() {
		at := c.at
		id := SectionID(c.byte())
		size := c.u32()
		body := c.at
		c.bytes(size)
		if c.err != nil {
			return nil, c.err
		}
		s := Section{ID: id, At: body, End: c.at}
		switch {
		case id == Custom:
		case int(id) >= len(order):
			return nil, &FormatError{At: at, What: "an unknown section"}
		case last != Custom && !last.Before(id):
			return nil, &FormatError{At: at, What: "a section stands twice or out of order"}
		default:
			last = id
		}
		if len(m.Sections) == maxSections {
			c.tooMany(at, maxSections+1, "sections", maxSections)
			break
		}
		if err := m.section(&s); err != nil {
			return nil, err
		}
		m.Sections = append(m.Sections, s)
	}
	if c.err != nil {
		return nil, c.err
	}
	if len(m.Functions) != len(m.Bodies) {
		return nil, &FormatError{At: len(binary), What: "the numbers of functions and of bodies differ"}
	}
	if err := m.checkIndices(); err != nil {
		return nil, err
	}
	return m, nil
}

// checkIndices reports an index in the sections that is the index of nothing. Those in
// the code are their reader's to check.
func (m *Module) checkIndices() error {
	functions, globals := m.Count(KindFunction), m.Count(KindGlobal)
	var err error
	check := func(at int, what string, index uint32, count int) {
		if err == nil && uint64(index) >= uint64(count) {
			err = &FormatError{At: at, What: fmt.Sprintf("%s %d does not exist", what, index)}
		}
	}
	for i := range m.Imports {
		if m.Imports[i].Kind == KindFunction {
			check(0, "type", m.Imports[i].Type, len(m.Types))
		}
	}
	for i := range m.Functions {
		check(0, "type", m.Functions[i], len(m.Types))
	}
	for i := range m.Exports {
		e := &m.Exports[i]
		switch e.Kind {
		case KindFunction:
			check(0, "function", e.Index, functions)
		case KindTable:
			check(0, "table", e.Index, m.Count(KindTable))
		case KindGlobal:
			check(0, "global", e.Index, globals)
		}
	}
	for _, s := range m.Sections {
		m.References(s, func(f FunctionReference) { check(f.At, "function", f.Function, functions) })
	}
	return err
}

// section reads what is in one section.
func (m *Module) section(s *Section) error {
	c := &cursor{b: m.Bytes[:s.End], at: s.At, room: m.room}
	switch s.ID {
	case Custom:
		s.Name = c.name()
		c.at = s.End
	case Types:
		m.types(c)
	case Imports:
		m.imports(c)
	case Functions:
		n := c.count("functions", maxFunctions)
		m.Functions = make([]uint32, n)
		for i := range m.Functions {
			m.Functions[i] = c.u32()
		}
	case Tables:
		for range c.count("tables", maxTables) {
			m.Tables = append(m.Tables, c.table())
		}
	case Memories:
		for range c.count("memories", maxMemories) {
			m.Memories = append(m.Memories, c.limits(1))
		}
	case Globals:
		m.Globals = c.count("globals", maxGlobals)
		for range m.Globals {
			m.global(c)
		}
	case Exports:
		m.exports(c)
	case Start:
		index := c.u32()
		m.Start = &index
	case Elements:
		m.Elements = c.count("element segments", maxSegments)
		all := 0
		for range m.Elements {
			if all += m.element(c, nil); all > maxElements<<c.room {
				c.tooMany(c.at, uint64(all), "elements of segments", maxElements)
			}
		}
	case DataCount:
		c.u32()
	case Code:
		m.code(c)
	case Data:
		m.Data = c.count("data segments", maxSegments)
		c.at = s.End // read by the compiler, changed by nobody
	}
	if c.err != nil {
		return c.err
	}
	if c.at != s.End {
		return &FormatError{At: c.at, What: "a section is longer than what it holds"}
	}
	return nil
}

func (m *Module) types(c *cursor) {
	n := c.count("types", maxTypes)
	m.Types = make([]FuncType, n)
	all := 0
	for i := range m.Types {
		at := c.at
		if c.byte() != 0x60 {
			c.fail(at, "a type that is not a function's")
			return
		}
		t := FuncType{Params: c.valueTypes(), Results: c.valueTypes()}
		if all += len(t.Params) + len(t.Results); all > maxAllValues<<c.room {
			c.tooMany(at, uint64(all), "parameters and results of types", maxAllValues)
			return
		}
		m.Types[i] = t
	}
}

func (c *cursor) valueTypes() []byte {
	types := c.bytes(uint32(c.count("parameters or results of a type", maxValues)))
	at := c.at - len(types)
	for i, t := range types {
		if !ValueType(t).valid() {
			c.fail(at+i, "an unknown value type 0x%02x", t)
			return nil
		}
	}
	return types
}

func (m *Module) imports(c *cursor) {
	for range c.count("imports", maxImports) {
		i := Import{Module: c.name(), Name: c.name()}
		at := c.at
		i.Kind = Kind(c.byte())
		switch i.Kind {
		case KindFunction:
			i.Type = c.u32()
		case KindTable:
			i.Limits = c.table().Limits
		case KindMemory:
			i.Limits = c.limits(1)
		case KindGlobal:
			c.globalType()
		default:
			c.fail(at, "an import of an unknown kind")
		}
		m.Imports = append(m.Imports, i)
	}
}

func (c *cursor) table() Table {
	at := c.at
	t := Table{Element: ValueType(c.byte())}
	if t.Element != FuncRef && t.Element != ExternRef {
		c.fail(at, "a table of no references")
	}
	t.Limits = c.limits(1)
	return t
}

// limits reads the limits of a memory or a table; flags above highest are of a later
// specification: shared and 64-bit memories.
func (c *cursor) limits(highest byte) (l Limits) {
	at := c.at
	flags := c.byte()
	if flags > highest {
		c.fail(at, "limits of an unknown form 0x%02x: no shared and no 64-bit memory is known here", flags)
		return l
	}
	l.Min = c.u32()
	if l.HasMax = flags == 1; l.HasMax {
		l.Max = c.u32()
	}
	return l
}

func (c *cursor) globalType() {
	at := c.at
	if t := ValueType(c.byte()); !t.valid() {
		c.fail(at, "a global of an unknown type")
	}
	at = c.at
	if c.byte() > 1 {
		c.fail(at, "a global that is neither constant nor mutable")
	}
}

func (m *Module) global(c *cursor) {
	c.globalType()
	m.constant(c, nil)
}

func (m *Module) exports(c *cursor) {
	for range c.count("exports", maxExports) {
		e := Export{Name: c.name()}
		at := c.at
		if e.Kind = Kind(c.byte()); e.Kind > KindGlobal {
			c.fail(at, "an export of an unknown kind")
		}
		e.Index = c.u32()
		m.Exports = append(m.Exports, e)
	}
}

func (m *Module) code(c *cursor) {
	n := c.count("bodies", maxFunctions)
	m.Bodies = make([]Body, n)
	all := uint64(0)
	for i := range m.Bodies {
		size := c.u32()
		b := Body{At: c.at}
		c.bytes(size)
		b.End = c.at
		inner := &cursor{b: c.b[:b.End], at: b.At, room: c.room}
		b.Groups = uint32(inner.count("local declarations", maxGroups))
		for range b.Groups {
			b.Locals += uint64(inner.u32())
			if at := inner.at; !ValueType(inner.byte()).valid() {
				inner.fail(at, "a local of an unknown type")
			}
		}
		if b.Locals > maxLocals<<c.room {
			inner.tooMany(b.At, b.Locals, fmt.Sprintf("locals of body %d", i), maxLocals)
		}
		if all += b.Locals; all > maxAllLocals<<c.room {
			inner.tooMany(b.At, all, "locals of all functions", maxAllLocals)
		}
		if inner.err != nil && c.err == nil {
			c.err = inner.err
		}
		if c.err != nil {
			return
		}
		b.Code = inner.at
		m.Bodies[i] = b
	}
}
