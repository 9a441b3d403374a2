package fuel

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// The prices: one unit an instruction, and more for what takes much longer. A unit is at
// most a few nanoseconds of machine code; BenchmarkUnit measures each instruction.
const (
	// A call, for its frame, beside what its function costs; of a function of the host's, for
	// the way there and back; through a table, for looking it up.
	priceCall     = 8
	priceHost     = 64
	priceIndirect = 4

	// Of the instructions that come to the host or walk over tables, beside their size.
	priceBulk = 32
	// What a byte or an element of such an instruction costs, and a page of memory.grow.
	priceByte    = 1
	priceElement = 32
	pricePage    = 8192

	// A branch moves what it takes along, and the locals that were changed on one way and not
	// on another; a function begins by making room for its locals and clearing them. So many of
	// each are a unit. A call hands over parameters and results, so many of them for nothing.
	valuesPerBranch = 32
	localsPerEntry  = 8
	freeValues      = 8
	priceValue      = 2
)

// prices has the price of every instruction, without what depends on its size, on the function that it
// calls or on the values that it moves.
var prices = priceList()

func priceList() *[1 << 16]byte {
	list := new([1 << 16]byte)
	set := func(price byte, first, last wasm.Opcode) {
		for op := first; op <= last; op++ {
			list[op] = price
		}
	}
	set(1, 0, wasm.OpVector+0xff)
	set(0, wasm.OpBlock, wasm.OpLoop)
	set(0, wasm.OpElse, wasm.OpElse)
	set(0, wasm.OpEnd, wasm.OpEnd)
	set(priceCall, wasm.OpCall, wasm.OpCall)
	set(priceCall+priceIndirect, wasm.OpCallIndirect, wasm.OpCallIndirect)
	set(4, wasm.OpTableGet, wasm.OpTableSet)
	set(1+4, wasm.OpRefFunc, wasm.OpRefFunc) // a table.get is put for it
	set(priceBulk, wasm.OpMemoryGrow, wasm.OpMemoryGrow)
	// Of integers: divisions, and remainders, for which more may be put (see remainder).
	set(12, wasm.OpI32DivS, wasm.OpI32DivU)
	set(32, wasm.OpI32RemS, wasm.OpI32RemU)
	set(12, wasm.OpI64DivS, wasm.OpI64DivU)
	set(32, wasm.OpI64RemS, wasm.OpI64RemU)
	// Of floats: rounding, square roots, divisions, minima and conversions.
	set(6, wasm.OpF32Ceil, wasm.OpF32Sqrt)
	set(6, wasm.OpF32Div, wasm.OpF32Max)
	set(6, wasm.OpF64Ceil, wasm.OpF64Sqrt)
	set(6, wasm.OpF64Div, wasm.OpF64Max)
	set(6, wasm.OpI32TruncF32S, wasm.OpI32TruncF64U)
	set(6, wasm.OpI64TruncF32S, wasm.OpF64Promote)
	// Of the two prefixes: saturating conversions, bulk operations, vectors.
	set(6, wasm.OpI32TruncSat, wasm.OpI32TruncSat+7)
	set(priceBulk, wasm.OpMemoryInit, wasm.OpTableFill)
	set(6, wasm.OpVector, wasm.OpVector+0xff)
	return list
}

// priceOfSize returns the units for each of what an operation's size counts.
func priceOfSize(op wasm.Opcode) int64 {
	switch op {
	case wasm.OpMemoryGrow:
		return pricePage
	case wasm.OpTableGrow, wasm.OpTableFill, wasm.OpTableCopy, wasm.OpTableInit:
		return priceElement
	}
	return priceByte
}
