package proof

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// Units of work beside those of instructions.
const (
	workOfHost     = 64 // a call of the host's, there and back
	moved          = 32 // locals and values that a branch moves for a unit
	cleared        = 8  // locals that an entry clears for a unit
	passed         = 8  // parameters and results that a call passes for nothing
	workOfValue    = 2  // another one
	workOfBulkByte = 1
	workOfElement  = 32
	workOfPage     = 8192
)

// workOf returns the units of an instruction, without the function that it calls, the values
// that it moves and the bytes or elements that it goes over.
func workOf(op wasm.Opcode) int64 {
	switch {
	case op == wasm.OpBlock, op == wasm.OpLoop, op == wasm.OpElse, op == wasm.OpEnd:
		return 0
	case op == wasm.OpCall:
		return 8
	case op == wasm.OpCallIndirect:
		return 12
	case op == wasm.OpTableGet, op == wasm.OpTableSet:
		return 4
	case op == wasm.OpMemoryGrow, op >= wasm.OpMemoryInit && op <= wasm.OpTableFill:
		return 32
	case op >= wasm.OpI32DivS && op <= wasm.OpI32DivU, op >= wasm.OpI64DivS && op <= wasm.OpI64DivU:
		return 12
	case op >= wasm.OpI32RemS && op <= wasm.OpI32RemU, op >= wasm.OpI64RemS && op <= wasm.OpI64RemU:
		return 32
	case op >= wasm.OpVector, op >= wasm.OpI32TruncSat,
		op >= wasm.OpF32Ceil && op <= wasm.OpF32Sqrt, op >= wasm.OpF32Div && op <= wasm.OpF32Max,
		op >= wasm.OpF64Ceil && op <= wasm.OpF64Sqrt, op >= wasm.OpF64Div && op <= wasm.OpF64Max,
		op >= wasm.OpI32TruncF32S && op <= wasm.OpI32TruncF64U, op >= wasm.OpI64TruncF32S && op <= wasm.OpF64Promote:
		return 6
	}
	return 1
}

// workOfSize returns the units for each of what the size of a bulk operation counts, and
// false for another instruction.
func workOfSize(op wasm.Opcode) (units int64, bulk bool) {
	switch op {
	case wasm.OpMemoryGrow:
		return workOfPage, true
	case wasm.OpMemoryFill, wasm.OpMemoryCopy, wasm.OpMemoryInit:
		return workOfBulkByte, true
	case wasm.OpTableGrow, wasm.OpTableFill, wasm.OpTableCopy, wasm.OpTableInit:
		return workOfElement, true
	}
	return 0, false
}
