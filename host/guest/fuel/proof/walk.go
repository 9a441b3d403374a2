package proof

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// none is where there is no such way.
const none = -1

// summary is what is proven of a function, in units of work. Of a node of a type it is the
// worst of its functions.
type summary struct {
	owes    int64 // what its callers must have paid
	enter   int64 // at most from its entry to a check, or to its end
	through int64 // at most through it without a check; none if there is no such way
	leave   int64 // at most from its last check to its end; none if it does not return by such a way
}

// state is what is known at a place: on the ways from the entry without a check the most work
// since the entry, on the others the most since the last check, and on all ways the least that
// was charged more than worked. No way leads to a place that is dead.
type state struct {
	fresh, since int64
	paid         int64
}

var dead = state{none, none, 0}

func (s state) dead() bool { return s.fresh == none && s.since == none }

// or is the state where two ways meet.
func (s state) or(other state) state {
	switch {
	case s.dead():
		return other
	case other.dead():
		return s
	}
	return state{max(s.fresh, other.fresh), max(s.since, other.since), min(s.paid, other.paid)}
}

// frame is a block, an if, a loop or the body.
type frame struct {
	op     wasm.Opcode // an if becomes a block at its else
	moves  int64       // units for what a branch to it moves
	before state       // of an if and a loop: at its beginning
	end    state       // by the branches to its end
}

// host is a function of the host's, where control is on safe ground.
var host = summary{owes: workOfHost, enter: workOfHost, through: none, leave: 0}

// of returns what is proven of a node; of a function that can be called again before it
// returns, what is supposed until it is proven.
func (p *prover) of(node int) summary {
	switch {
	case node >= len(p.m.Bodies):
		return p.ofType(node)
	case p.calls.circle[node]:
		return summary{owes: circlePaid, enter: circleEnter, through: none, leave: circleLeave}
	}
	return p.known[node]
}

// ofType joins what is proven of the functions of a type.
func (p *prover) ofType(node int) summary {
	if p.joined[node] {
		return p.known[node]
	}
	all := summary{through: none, leave: none}
	if p.hosts[node] {
		all = host
	}
	for _, f := range p.calls.to[node] {
		one := p.of(f)
		all.owes, all.enter = max(all.owes, one.owes), max(all.enter, one.enter)
		all.through, all.leave = max(all.through, one.through), max(all.leave, one.leave)
	}
	p.known[node], p.joined[node] = all, true
	return all
}

// walk goes through a body once, forward.
type walk struct {
	p       *prover
	r       *wasm.Reader
	i       wasm.Instruction
	lost    bool // what was read is not what it has to be
	longest int64

	circle bool
	locals int64
	now    state
	exit   state
	enter  int64
	owes   int64
	frames []frame
}

func refuse(at int, format string, args ...any) error {
	return &wasm.FormatError{At: at, What: fmt.Sprintf(format, args...)}
}

func (w *walk) next() bool { return w.r.Next(&w.i) }

// node proves a function; there is nothing to prove of a type.
func (w *walk) node(node int) error {
	if node >= len(w.p.m.Bodies) {
		return nil
	}
	sum, err := w.function(node)
	if err != nil {
		return fmt.Errorf("function %d: %w", int(w.p.imported)+node, err)
	}
	w.p.known[node] = sum
	return nil
}

// function proves one function.
func (w *walk) function(f int) (summary, error) {
	m := w.p.m
	t := &m.Types[m.Functions[f]]
	w.circle, w.lost = w.p.calls.circle[f], false
	w.locals = int64(len(t.Params)) + int64(m.Bodies[f].Locals)
	w.now, w.exit, w.enter, w.owes = state{0, none, 0}, dead, 0, 0
	w.frames = append(w.frames[:0], frame{op: wasm.OpBlock, moves: w.moves(len(t.Results)), end: dead})
	w.r.Open(m, &m.Bodies[f])
	if err := w.work(w.locals / cleared); err != nil {
		return summary{}, err
	}
	w.owes = 0 // if what comes next is a charge, it is for this too
	if err := w.body(); err != nil {
		return summary{}, err
	}
	sum := summary{owes: w.owes, enter: w.enter, through: w.exit.fresh, leave: w.exit.since}
	switch {
	case w.circle && (sum.owes > circlePaid || sum.enter > circleEnter || sum.through != none || sum.leave > circleLeave):
		return sum, fmt.Errorf("it may be called again before it returns, and it owes %d units, works %d before a check, %d without and %d after the last", sum.owes, sum.enter, sum.through, sum.leave)
	case sum.owes > mostPaid:
		return sum, fmt.Errorf("it works %d units more than it pays for", sum.owes)
	}
	return sum, nil
}

func (w *walk) body() error {
	var before wasm.Instruction
	for w.next() {
		if len(w.frames) == 0 {
			return refuse(w.i.At, "instructions behind the end")
		}
		if w.i.Op == wasm.OpGlobalGet && w.i.Index == w.p.fuel {
			c, err := w.charge(&before)
			if err != nil {
				return err
			}
			if c.turn {
				return refuse(w.i.At, "a yield that is followed by a branch, not at the head of a loop")
			}
			if err := w.take(c); err != nil {
				return err
			}
			before = wasm.Instruction{}
			continue
		}
		if err := w.instruction(); err != nil {
			return err
		}
		before = w.i
	}
	if err := w.r.Err(); err != nil {
		return err
	}
	if len(w.frames) > 0 {
		return fmt.Errorf("it does not end")
	}
	return nil
}

// take goes over a place of charging, and over the operation behind one by size.
func (w *walk) take(c charged) error {
	if !w.now.dead() {
		w.now.paid += c.units
		if c.factor != 0 {
			w.now.paid += workOf(wasm.OpLocalTee) // it is of the charge
		}
		if c.checked {
			w.now.fresh, w.now.since = none, 0
		}
	}
	if c.factor == 0 {
		return nil
	}
	if !w.next() {
		return refuse(w.i.At, "a charge by size, and nothing behind it")
	}
	if units, bulk := workOfSize(w.i.Op); !bulk || c.factor < units {
		return refuse(w.i.At, "an operation is charged with %d units for what costs %d", c.factor, units)
	}
	return w.work(workOf(w.i.Op))
}

// work counts units.
func (w *walk) work(units int64) error {
	if w.now.dead() {
		return nil
	}
	if w.now.fresh != none {
		w.now.fresh += units
		w.enter = max(w.enter, w.now.fresh)
	}
	if w.now.since != none {
		w.now.since += units
	}
	w.now.paid -= units
	w.owes = max(w.owes, -w.now.paid)
	return w.bound(max(w.now.fresh, w.now.since))
}

func (w *walk) bound(units int64) error {
	if w.longest = max(w.longest, units); units > Longest {
		return refuse(w.i.At, "%d units of work without a check, at most %d are allowed", units, Longest)
	}
	return nil
}

// call goes over a call of a function of which this is proven, or supposed.
func (w *walk) call(f summary, again bool, t *wasm.FuncType) error {
	if err := w.work(workOfValue * int64(max(0, len(t.Params)+len(t.Results)-passed))); err != nil || w.now.dead() {
		return err
	}
	if w.now.fresh != none {
		if again && w.circle {
			return refuse(w.i.At, "a call that may lead back here, without a check since the entry")
		}
		w.enter = max(w.enter, w.now.fresh+f.enter)
	}
	if err := w.bound(max(w.now.fresh, w.now.since) + f.enter); err != nil {
		return err
	}
	after := state{none, none, w.now.paid - f.owes}
	if f.through != none {
		after = state{none, none, after.paid}
		if w.now.fresh != none {
			after.fresh = w.now.fresh + f.through
		}
		if w.now.since != none {
			after.since = w.now.since + f.through
		}
	}
	after.since = max(after.since, f.leave)
	w.owes = max(w.owes, -after.paid)
	w.now = after
	return nil
}

// instruction goes over one instruction.
func (w *walk) instruction() error {
	i := &w.i
	if err := w.work(workOf(i.Op)); err != nil {
		return err
	}
	if _, bulk := workOfSize(i.Op); bulk {
		return refuse(i.At, "an operation %s whose size is not charged", i.Op)
	}
	p := w.p
	switch i.Op {
	case wasm.OpGlobalSet:
		if i.Index == p.fuel {
			return refuse(i.At, "the fuel is set")
		}
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
		return w.open()
	case wasm.OpElse, wasm.OpEnd:
		return w.close()
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable, wasm.OpReturn, wasm.OpUnreachable:
		return w.branches()
	case wasm.OpCall:
		t := &p.m.Types[p.types[i.Index]]
		switch {
		case i.Index == p.yield:
			return refuse(i.At, "the yield is called without a check")
		case i.Index < p.imported:
			return w.call(host, false, t)
		}
		node := int(i.Index - p.imported)
		return w.call(p.of(node), p.calls.circle[node], t)
	case wasm.OpCallIndirect:
		node := p.nodeOf[i.Index]
		return w.call(p.of(node), p.calls.circle[node], &p.m.Types[i.Index])
	}
	return nil
}

// moves returns the units for a branch that takes so many values along.
func (w *walk) moves(values int) int64 { return (w.locals + int64(values)) / moved }

// open begins a block. A loop must begin with a check.
func (w *walk) open() error {
	i := w.i
	values := 1
	if i.IndexAt != 0 {
		t := &w.p.m.Types[i.Index]
		values = len(t.Params) + len(t.Results)
	}
	f := frame{op: i.Op, moves: w.moves(values), end: dead}
	if i.Op != wasm.OpBlock {
		if err := w.work(f.moves); err != nil {
			return err
		}
	}
	f.before = w.now
	w.frames = append(w.frames, f)
	if i.Op != wasm.OpLoop {
		return nil
	}
	if !w.next() || w.i.Op != wasm.OpGlobalGet || w.i.Index != w.p.fuel {
		return refuse(i.At, "a loop that is not charged where it begins")
	}
	c, err := w.charge(&i)
	if err != nil {
		return err
	}
	if !c.checked || c.factor != 0 {
		return refuse(i.At, "a loop that is not checked where it begins")
	}
	return w.take(c)
}

// close ends the innermost block, or the first part of an if.
func (w *walk) close() error {
	f := &w.frames[len(w.frames)-1]
	if err := w.work(f.moves); err != nil {
		return err
	}
	if w.i.Op == wasm.OpElse {
		if f.op != wasm.OpIf {
			return refuse(w.i.At, "an else without an if")
		}
		f.op, f.end, w.now = wasm.OpBlock, f.end.or(w.now), f.before
		return nil
	}
	if f.op == wasm.OpIf {
		w.now = w.now.or(f.before)
	}
	w.now = w.now.or(f.end)
	w.frames = w.frames[:len(w.frames)-1]
	if len(w.frames) == 0 {
		w.exit = w.exit.or(w.now)
	}
	return nil
}

// branches follows an instruction to where it may go.
func (w *walk) branches() error {
	i := &w.i
	labels := i.Labels
	if i.Op == wasm.OpBr || i.Op == wasm.OpBrIf {
		labels = []uint32{i.Index}
	}
	moves := int64(0)
	for _, label := range labels {
		if uint64(label) >= uint64(len(w.frames)) {
			return refuse(i.At, "a branch to a label that does not exist")
		}
		moves = max(moves, w.frames[len(w.frames)-1-int(label)].moves)
	}
	if err := w.work(moves); err != nil {
		return err
	}
	for _, label := range labels {
		f := &w.frames[len(w.frames)-1-int(label)]
		switch {
		case f.op != wasm.OpLoop:
			f.end = f.end.or(w.now)
		case !w.now.dead() && w.now.paid < f.before.paid:
			return refuse(i.At, "a turn of a loop works %d units more than it pays for", f.before.paid-w.now.paid)
		}
	}
	if i.Op == wasm.OpReturn {
		w.exit = w.exit.or(w.now)
	}
	if i.Op != wasm.OpBrIf {
		w.now = dead
	}
	return nil
}
