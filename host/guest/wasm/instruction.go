package wasm

// Opcode is an instruction's: one byte, or a prefix and the number behind it.
type Opcode uint16

// The opcodes that somebody asks for by name.
const (
	OpUnreachable  Opcode = 0x00
	OpBlock        Opcode = 0x02
	OpLoop         Opcode = 0x03
	OpIf           Opcode = 0x04
	OpElse         Opcode = 0x05
	OpEnd          Opcode = 0x0b
	OpBr           Opcode = 0x0c
	OpBrIf         Opcode = 0x0d
	OpBrTable      Opcode = 0x0e
	OpReturn       Opcode = 0x0f
	OpCall         Opcode = 0x10
	OpCallIndirect Opcode = 0x11
	OpLocalGet     Opcode = 0x20
	OpLocalSet     Opcode = 0x21
	OpLocalTee     Opcode = 0x22
	OpGlobalGet    Opcode = 0x23
	OpGlobalSet    Opcode = 0x24
	OpTableGet     Opcode = 0x25
	OpTableSet     Opcode = 0x26
	OpMemoryGrow   Opcode = 0x40
	OpI32Const     Opcode = 0x41
	OpI64Const     Opcode = 0x42
	OpF32Const     Opcode = 0x43
	OpF64Const     Opcode = 0x44
	OpSelect       Opcode = 0x1b
	OpI32Eq        Opcode = 0x46
	OpI64Eq        Opcode = 0x51
	OpI64GeS       Opcode = 0x59
	OpI32Sub       Opcode = 0x6b
	OpI32Mul       Opcode = 0x6c
	OpI32DivS      Opcode = 0x6d
	OpI32DivU      Opcode = 0x6e
	OpI32RemS      Opcode = 0x6f
	OpI32RemU      Opcode = 0x70
	OpI64Add       Opcode = 0x7c
	OpI64Sub       Opcode = 0x7d
	OpI64Mul       Opcode = 0x7e
	OpI64DivS      Opcode = 0x7f
	OpI64DivU      Opcode = 0x80
	OpI64RemS      Opcode = 0x81
	OpI64RemU      Opcode = 0x82
	OpF32Ceil      Opcode = 0x8d
	OpF32Sqrt      Opcode = 0x91
	OpF32Div       Opcode = 0x95
	OpF32Max       Opcode = 0x97
	OpF64Ceil      Opcode = 0x9b
	OpF64Sqrt      Opcode = 0x9f
	OpF64Div       Opcode = 0xa3
	OpF64Max       Opcode = 0xa5
	OpI32TruncF32S Opcode = 0xa8
	OpI32TruncF64U Opcode = 0xab
	OpI64ExtendU   Opcode = 0xad
	OpI64TruncF32S Opcode = 0xae
	OpF64Promote   Opcode = 0xbb
	OpRefNull      Opcode = 0xd0
	OpRefFunc      Opcode = 0xd2

	OpI32TruncSat Opcode = 0xfc00 // the first of eight
	OpMemoryInit  Opcode = 0xfc08
	OpMemoryCopy  Opcode = 0xfc0a
	OpMemoryFill  Opcode = 0xfc0b
	OpTableInit   Opcode = 0xfc0c
	OpTableCopy   Opcode = 0xfc0e
	OpTableGrow   Opcode = 0xfc0f
	OpTableSize   Opcode = 0xfc10
	OpTableFill   Opcode = 0xfc11

	OpVector    Opcode = 0xfd00 // the first of the vector instructions
	OpV128Const Opcode = 0xfd0c

	opMisc   Opcode = 0xfc
	opVector Opcode = 0xfd
)

// immediate is what stands behind an opcode.
type immediate byte

const (
	unknown    immediate = iota
	none                 // nothing
	blockType            // a type index, a value type or nothing
	index                // one number
	indexIndex           // two
	labels               // the targets of br_table
	types                // of a typed select
	memory               // alignment and offset
	memoryLane           // the same and a lane
	zero                 // a memory's index, which is 0
	zeroZero             // two
	indexZero            // a data segment and a memory
	i32Const             // numbers
	i64Const
	fourBytes // bytes
	eightBytes
	sixteen
	reference // a type of references
	lane      // one byte
)

// forms say what stands behind each opcode of one byte, behind 0xfc and behind 0xfd.
var forms = struct {
	plain  [256]immediate
	misc   [18]immediate
	vector [256]immediate
}{plain: plainForms(), misc: miscForms(), vector: vectorForms()}

// fill sets the form of the opcodes from first to last.
func fill(table []immediate, first, last int, form immediate) {
	for i := first; i <= last; i++ {
		table[i] = form
	}
}

func plainForms() (t [256]immediate) {
	fill(t[:], 0x00, 0x01, none)
	fill(t[:], 0x02, 0x04, blockType)
	t[0x05], t[0x0b] = none, none
	fill(t[:], 0x0c, 0x0d, index)
	t[0x0e], t[0x0f], t[0x10], t[0x11] = labels, none, index, indexIndex
	fill(t[:], 0x1a, 0x1b, none)
	t[0x1c] = types
	fill(t[:], 0x20, 0x26, index)
	fill(t[:], 0x28, 0x3e, memory)
	fill(t[:], 0x3f, 0x40, zero)
	t[0x41], t[0x42], t[0x43], t[0x44] = i32Const, i64Const, fourBytes, eightBytes
	fill(t[:], 0x45, 0xc4, none)
	t[0xd0], t[0xd1], t[0xd2] = reference, none, index
	return t
}

func miscForms() (t [18]immediate) {
	fill(t[:], 0, 7, none)
	t[8], t[9], t[10], t[11] = indexZero, index, zeroZero, zero
	t[12], t[13], t[14] = indexIndex, index, indexIndex
	fill(t[:], 15, 17, index)
	return t
}

// vectorForms leaves out the numbers that the specification gave to nothing.
func vectorForms() (t [256]immediate) {
	fill(t[:], 0x00, 0xff, none)
	fill(t[:], 0x00, 0x0b, memory)
	fill(t[:], 0x0c, 0x0d, sixteen)
	fill(t[:], 0x15, 0x22, lane)
	fill(t[:], 0x54, 0x5b, memoryLane)
	fill(t[:], 0x5c, 0x5d, memory)
	for _, gap := range [...]byte{
		0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6,
		0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee,
	} {
		t[gap] = unknown
	}
	return t
}
