package wasm

import "fmt"

// Instruction is one instruction of a body, from At to End of the module's bytes.
type Instruction struct {
	Op      Opcode
	At, End int
	// Index is the first number behind the opcode: a label's depth, a function, a local, the
	// type of a block. It stands at IndexAt, which is 0 if there is none.
	Index   uint32
	IndexAt int
	// Index2 is the second number: the table of call_indirect and of table.init, from which
	// table.copy copies.
	Index2 uint32
	// Labels are the targets of br_table, its default the last; valid until Next.
	Labels []uint32
}

// Reader reads the instructions of one body.
type Reader struct {
	c      cursor
	labels []uint32
}

// Open begins a body of a decoded module. A Reader may be opened again and again.
func (r *Reader) Open(m *Module, b *Body) {
	r.c = cursor{b: m.Bytes[:b.End], at: b.Code}
}

// Next reads one instruction. It returns false at the end of the body and at an error.
func (r *Reader) Next(i *Instruction) bool {
	c := &r.c
	if !c.more() {
		return false
	}
	i.At, i.Index, i.IndexAt, i.Index2, i.Labels = c.at, 0, 0, 0, nil
	b := c.byte()
	i.Op = Opcode(b)
	form := forms.plain[b]
	switch i.Op {
	case opMisc:
		form = r.prefixed(i, forms.misc[:])
	case opVector:
		form = r.prefixed(i, forms.vector[:])
	}
	if form == unknown && c.err == nil {
		c.fail(i.At, "an unknown instruction %s: WebAssembly 2.0 without threads is known here", i.Op)
	}
	r.immediates(i, form)
	i.End = c.at
	return c.err == nil
}

// Err returns the *FormatError that ended Next, or nil.
func (r *Reader) Err() error {
	if r.c.err == nil {
		return nil
	}
	return r.c.err
}

// String returns the opcode's bytes.
func (o Opcode) String() string {
	if o > 0xff {
		return fmt.Sprintf("0x%02x 0x%02x", byte(o>>8), byte(o))
	}
	return fmt.Sprintf("0x%02x", byte(o))
}

// prefixed reads the number behind a prefix. A vector instruction's must be written as short
// as can be: wazero reads its first byte alone, and would take it for another instruction.
func (r *Reader) prefixed(i *Instruction, table []immediate) immediate {
	n := r.c.u32()
	i.Op = i.Op<<8 | Opcode(n&0xff)
	if length := r.c.at - i.At - 1; i.Op>>8 == opVector && (length > 1 && n < 0x80 || length > 2) {
		r.c.fail(i.At, "an instruction %s whose number is longer than it needs to be", i.Op)
	}
	if uint64(n) >= uint64(len(table)) {
		r.c.fail(i.At, "an unknown instruction 0x%02x %d: WebAssembly 2.0 without threads is known here", byte(i.Op>>8), n)
		return none
	}
	return table[n]
}

func (r *Reader) immediates(i *Instruction, form immediate) {
	c := &r.c
	switch form {
	case unknown, none:
	case blockType:
		at := c.at
		if n := c.signed(33); n >= 0 {
			i.Index, i.IndexAt = uint32(n), at
		}
	case index:
		i.IndexAt = c.at
		i.Index = c.u32()
	case indexIndex:
		i.IndexAt = c.at
		i.Index = c.u32()
		i.Index2 = c.u32()
	case labels:
		r.table(i)
	case types:
		c.valueTypes()
	case memory, memoryLane:
		if at := c.at; c.u32() >= 32 {
			c.fail(at, "an alignment that no access has")
		}
		c.u32()
		if form == memoryLane {
			c.byte()
		}
	case zero:
		c.zero()
	case zeroZero:
		c.zero()
		c.zero()
	case indexZero:
		c.u32()
		c.zero()
	case i32Const:
		c.signed(32)
	case i64Const:
		c.signed(64)
	case fourBytes:
		c.bytes(4)
	case eightBytes:
		c.bytes(8)
	case sixteen:
		c.bytes(16)
	case reference, lane:
		c.byte()
	}
}

// zero reads the index of the one memory.
func (c *cursor) zero() {
	if at := c.at; c.byte() != 0 {
		c.fail(at, "an index of a second memory")
	}
}

func (r *Reader) table(i *Instruction) {
	n := r.c.count("labels of a br_table", maxLabels)
	r.labels = r.labels[:0]
	for range n + 1 {
		r.labels = append(r.labels, r.c.u32())
		if r.c.err != nil {
			return
		}
	}
	i.Labels = r.labels
}
