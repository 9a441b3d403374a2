package proof

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// charged is a place where the fuel is counted down:
//
//	global.get fuel; i64.const units; i64.sub; global.set fuel
//
// checked, it goes on instead of global.set with
//
//	local.tee l; global.set fuel; local.get l; i64.const 0; i64.ge_s; if; else; call yield; end
//
// At the head of a loop the yield may be followed by what gives the units back and begins the loop anew,
// which is charged again there:
//
//	call yield; global.get fuel; i64.const units; i64.add; global.set fuel; br 1; end
//
// and sized it takes the units from an i32, which is left on the stack for the operation
// that follows:
//
//	local.tee n; global.get fuel; local.get n; i64.extend_i32_u; (i64.const factor; i64.mul;) i64.sub …
type charged struct {
	units   int64 // of a fixed charge
	checked bool
	turn    bool  // the yield is followed by the loop's beginning
	factor  int64 // of one by size; 0 of a fixed one
}

// charge reads a place of charging, of which global.get fuel has been read; before is the
// instruction before that.
func (w *walk) charge(before *wasm.Instruction) (c charged, err error) {
	i := &w.i
	at := i.At
	w.next()
	switch {
	case i.Op == wasm.OpI64Const:
		c.units = w.constant()
	case i.Op == wasm.OpLocalGet && before.Op == wasm.OpLocalTee && before.Index == i.Index && w.next() && i.Op == wasm.OpI64ExtendU:
		c.factor = 1
		if w.peek() == wasm.OpI64Const {
			w.next()
			c.factor = w.constant()
			w.expect(wasm.OpI64Mul)
		}
	default:
		return c, refuse(at, "the fuel is read, and not to be counted down")
	}
	w.expect(wasm.OpI64Sub)
	w.next()
	if i.Op == wasm.OpLocalTee {
		c.checked = true
		local := i.Index
		w.expectIndex(wasm.OpGlobalSet, w.p.fuel)
		w.expectIndex(wasm.OpLocalGet, local)
		w.expect(wasm.OpI64Const)
		if w.constant() != 0 {
			w.lost = true
		}
		w.expect(wasm.OpI64GeS)
		w.expect(wasm.OpIf)
		if w.p.m.Bytes[i.At+1] != emptyBlock {
			w.lost = true
		}
		w.expect(wasm.OpElse)
		w.expectIndex(wasm.OpCall, w.p.yield)
		if w.peek() != wasm.OpEnd {
			c.turn = true
			w.again(c.units)
		}
		w.expect(wasm.OpEnd)
	} else if i.Op != wasm.OpGlobalSet || i.Index != w.p.fuel {
		w.lost = true
	}
	if w.lost || c.units < 0 || c.units > 1<<30 || c.factor < 0 || c.factor > 1<<20 || c.factor > 0 && (!c.checked || c.turn) {
		return c, refuse(at, "the fuel is changed in another way than by charging")
	}
	return c, nil
}

// again reads what gives the units back and begins the loop anew.
func (w *walk) again(units int64) {
	w.expectIndex(wasm.OpGlobalGet, w.p.fuel)
	if w.expect(wasm.OpI64Const); w.constant() != units {
		w.lost = true
	}
	w.expect(wasm.OpI64Add)
	w.expectIndex(wasm.OpGlobalSet, w.p.fuel)
	w.expectIndex(wasm.OpBr, 1)
}

const emptyBlock = 0x40

// expect reads an instruction, which must be of this kind.
func (w *walk) expect(op wasm.Opcode) {
	if !w.next() || w.i.Op != op {
		w.lost = true
	}
}

func (w *walk) expectIndex(op wasm.Opcode, index uint32) {
	if w.expect(op); w.i.Index != index {
		w.lost = true
	}
}

// peek returns the next byte, which is the opcode of an instruction that has one of a byte; behind the last
// byte of the module there is none.
func (w *walk) peek() wasm.Opcode {
	if w.i.End >= len(w.p.m.Bytes) {
		w.lost = true
		return wasm.OpUnreachable
	}
	return wasm.Opcode(w.p.m.Bytes[w.i.End])
}

// constant returns the number of the i64.const that was read.
func (w *walk) constant() (n int64) {
	shift := 0
	for _, b := range w.p.m.Bytes[w.i.At+1 : w.i.End] {
		n |= int64(b&0x7f) << shift
		if shift += 7; b < 0x80 && b&0x40 != 0 && shift < 64 {
			n |= -1 << shift
		}
	}
	return n
}
