package fuel

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// charger writes the instructions of charges into one body. It knows the indices of what the rewriter
// adds: the global, the import, the table and a few locals.
type charger struct {
	fuel, yield, table uint32
	left, size         uint64
	scratch            uint64 // two locals of i32 and two of i64
}

// mostOwn is how many locals the rewriter adds to a body at most.
const mostOwn = 6

// empty is the type of a block without values.
const empty = 0x40

// fixed charges a constant:
//
//	fuel -= units
//
// and, checked, goes on with
//
//	if fuel >= 0 {} else { yield() }
//
// in this order, because the compiler then puts the call out of the way: it halves what
// fuel costs.
func (c *charger) fixed(out []byte, units int64, checked bool) []byte {
	out = c.amount(out, units)
	if checked {
		return c.take(out)
	}
	return c.set(append(out, byte(wasm.OpI64Sub)))
}

// turn charges a constant at the head of a loop, checked, and goes on with
//
//	if fuel >= 0 {} else { yield(); fuel += units; the loop begins again }
//
// The compiler knows what it has loaded, of memory and globals, along one way only, and loads it anew
// where two meet. A loop's head is such a place already, so there, and not behind the check, comes what
// has yielded: that takes a third off what fuel costs a guest in Go, and three quarters in AssemblyScript.
func (c *charger) turn(out []byte, units int64) []byte {
	out = c.check(c.amount(out, units))
	out = append(c.amount(out, units), byte(wasm.OpI64Add))
	return append(c.set(out), byte(wasm.OpBr), 1, byte(wasm.OpEnd))
}

// amount puts the fuel and a number of units on the stack.
func (c *charger) amount(out []byte, units int64) []byte {
	out = number(append(out, byte(wasm.OpGlobalGet)), uint64(c.fuel))
	return signed(append(out, byte(wasm.OpI64Const)), units)
}

// set takes the fuel from the stack.
func (c *charger) set(out []byte) []byte {
	return number(append(out, byte(wasm.OpGlobalSet)), uint64(c.fuel))
}

// sized charges for the operation that follows by its size, an i32 on top of the stack, which stays
// there.
func (c *charger) sized(out []byte, op wasm.Opcode) []byte {
	out = number(append(out, byte(wasm.OpLocalTee)), c.size)
	out = number(append(out, byte(wasm.OpGlobalGet)), uint64(c.fuel))
	out = number(append(out, byte(wasm.OpLocalGet)), c.size)
	out = append(out, byte(wasm.OpI64ExtendU))
	if factor := priceOfSize(op); factor > 1 {
		out = append(signed(append(out, byte(wasm.OpI64Const)), factor), byte(wasm.OpI64Mul))
	}
	return c.take(out)
}

// reference takes a reference to a function out of the table that the rewriter adds.
func (c *charger) reference(out []byte, slot uint32) []byte {
	out = signed(append(out, byte(wasm.OpI32Const)), int64(slot))
	return number(append(out, byte(wasm.OpTableGet)), uint64(c.table))
}

// take subtracts the units from the global, both on the stack, stores the result, and calls the yield
// if it is below zero.
func (c *charger) take(out []byte) []byte { return append(c.check(out), byte(wasm.OpEnd)) }

// check does what take does, and leaves open what follows the yield.
func (c *charger) check(out []byte) []byte {
	out = append(out, byte(wasm.OpI64Sub))
	out = number(append(out, byte(wasm.OpLocalTee)), c.left)
	out = c.set(out)
	out = number(append(out, byte(wasm.OpLocalGet)), c.left)
	out = append(out, byte(wasm.OpI64Const), 0, byte(wasm.OpI64GeS), byte(wasm.OpIf), empty, byte(wasm.OpElse))
	return number(append(out, byte(wasm.OpCall)), uint64(c.yield))
}

// number appends an unsigned LEB128 number.
func number(out []byte, n uint64) []byte {
	for n >= 0x80 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}

// signed appends a signed LEB128 number.
func signed(out []byte, n int64) []byte {
	for n < -0x40 || n >= 0x40 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n)&0x7f)
}

// leading reads the unsigned LEB128 number that a decoded list begins with.
func leading(b []byte) (n uint64, length int) {
	for shift := 0; ; shift += 7 {
		n |= uint64(b[length]&0x7f) << shift
		if length++; b[length-1] < 0x80 {
			return n, length
		}
	}
}

// name appends a name as the format has it.
func name(out []byte, text string) []byte {
	return append(number(out, uint64(len(text))), text...)
}
