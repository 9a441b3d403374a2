package wasm

// FunctionReference is the place of a function's index: the bytes from At to End hold it.
type FunctionReference struct {
	At, End  int
	Function uint32
}

// References calls found for every function index in the sections of globals, elements and
// the start: everywhere but in exports and code. The module must come from Decode.
func (m *Module) References(s Section, found func(FunctionReference)) {
	c := &cursor{b: m.Bytes[:s.End], at: s.At, room: m.room}
	switch s.ID {
	case Globals:
		for range c.count("globals", maxGlobals) {
			c.globalType()
			m.constant(c, found)
		}
	case Elements:
		for range c.count("element segments", maxSegments) {
			m.element(c, found)
		}
	case Start:
		c.function(found)
	}
}

func (c *cursor) function(found func(FunctionReference)) {
	at := c.at
	f := c.u32()
	if found != nil && c.err == nil {
		found(FunctionReference{At: at, End: c.at, Function: f})
	}
}

// constant reads a constant expression.
func (m *Module) constant(c *cursor, found func(FunctionReference)) {
	for c.err == nil {
		at := c.at
		switch op := Opcode(c.byte()); op {
		case OpEnd:
			return
		case OpI32Const:
			c.signed(32)
		case OpI64Const:
			c.signed(64)
		case OpF32Const:
			c.bytes(4)
		case OpF64Const:
			c.bytes(8)
		case OpGlobalGet:
			if index := c.u32(); uint64(index) >= uint64(m.Imported(KindGlobal)) {
				c.fail(at, "a constant expression of global %d, which is not imported", index)
			}
		case OpRefNull:
			c.byte()
		case OpRefFunc:
			c.function(found)
		case opVector:
			if c.u32() != uint32(OpV128Const&0xff) {
				c.fail(at, "an expression that is not constant")
			}
			c.bytes(16)
		default:
			c.fail(at, "an expression that is not constant")
		}
	}
}

// element reads an element segment, and returns how many it has. Its flags: 1 not active; 2 with an explicit table, or
// declarative; 4 expressions instead of indices.
func (m *Module) element(c *cursor, found func(FunctionReference)) (elements int) {
	at := c.at
	flags := c.u32()
	if flags > 7 {
		c.fail(at, "an element segment of an unknown form")
		return 0
	}
	if flags&1 == 0 {
		table := uint32(0)
		if flags&2 != 0 {
			table = c.u32()
		}
		if uint64(table) >= uint64(m.Count(KindTable)) {
			c.fail(at, "an element segment of table %d, which does not exist", table)
		}
		m.constant(c, found)
	}
	if flags&3 != 0 {
		c.byte() // the kind or the type of its elements
	}
	elements = c.count("elements of a segment", maxElements)
	for range elements {
		if flags&4 != 0 {
			m.constant(c, found)
		} else {
			c.function(found)
		}
		if c.err != nil {
			return 0
		}
	}
	return elements
}
