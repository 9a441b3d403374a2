package fuel

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// remainder writes what gives the remainder of the two numbers on the stack, and traps where
// it would:
//
//	x - (x / y) * y
//
// where y is 1 instead of -1 for signed numbers: the remainder is 0 for both, and the division
// of the least number by -1 traps while its remainder does not.
func (c *charger) remainder(out []byte, op wasm.Opcode) []byte {
	k := i32Operations
	x := c.scratch
	if op == wasm.OpI64RemS || op == wasm.OpI64RemU {
		k, x = i64Operations, x+2
	}
	y := x + 1
	signedOp := op == wasm.OpI32RemS || op == wasm.OpI64RemS
	out = number(append(out, byte(wasm.OpLocalSet)), y)
	out = number(append(out, byte(wasm.OpLocalTee)), x)
	out = number(append(out, byte(wasm.OpLocalGet)), x)
	if signedOp {
		out = append(out, byte(k.constant), 1)
		out = number(append(out, byte(wasm.OpLocalGet)), y)
		out = number(append(out, byte(wasm.OpLocalGet)), y)
		out = append(out, byte(k.constant), 0x7f, byte(k.eq), byte(wasm.OpSelect))
		out = number(append(out, byte(wasm.OpLocalTee)), y)
		out = append(out, byte(k.divS))
	} else {
		out = number(append(out, byte(wasm.OpLocalGet)), y)
		out = append(out, byte(k.divU))
	}
	out = number(append(out, byte(wasm.OpLocalGet)), y)
	return append(out, byte(k.mul), byte(k.sub))
}

// operations are the instructions of a type of integers.
type operations struct{ constant, eq, divS, divU, mul, sub wasm.Opcode }

var (
	i32Operations = operations{wasm.OpI32Const, wasm.OpI32Eq, wasm.OpI32DivS, wasm.OpI32DivU, wasm.OpI32Mul, wasm.OpI32Sub}
	i64Operations = operations{wasm.OpI64Const, wasm.OpI64Eq, wasm.OpI64DivS, wasm.OpI64DivU, wasm.OpI64Mul, wasm.OpI64Sub}
)
