package fuel

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// edit is one change to a body: something is inserted before at, or the bytes from at to end are
// replaced.
type edit struct {
	at, end int
	kind    editKind
	units   int64       // of charge, chargeAndCheck and chargeTurn; charge of none puts nothing
	op      wasm.Opcode // of chargeSize and remainder
	index   uint32      // of renumber: the function; of refer: the slot of its table
}

type editKind byte

const (
	charge         editKind = iota // at the beginning of a block
	chargeAndCheck                 // the same, where control could go on for too long without a check
	chargeTurn                     // the same, at the head of a loop that takes no values
	chargeSize                     // before an operation whose size is on top of the stack
	renumber                       // a function's index
	refer                          // a reference to a function: it is taken out of our table
	remainder                      // of integers: see remainder.go
)

// frame is a block, a loop, an if or the body itself, while its instructions are read.
type frame struct {
	loop   bool
	branch bool  // an if that has had no else yet
	region int   // how many loops are around its end and its label
	moves  int64 // units for what a branch to it moves
	label  way   // how control comes to its end by branches
	crowd  bool  // on too many ways: a stage begins there
	before way   // of an if, the way to it; of a loop, the way to it in the region around
	tail   tail  // the same two, as tails
	entry  tail
}

// stage is a place where fuel is charged, and the length of the longest path from there to the next
// such place.
type stage struct {
	edit    int
	longest int64
}

// way is the set of stages from which control may have come to a place, each with the length of the
// longest path from it. It is empty in code that cannot be reached.
type way []step

type step struct {
	stage  int
	length int64
}

// join adds the ways of other to w. It returns false, and w is of no use, if there are too
// many then.
func (w *way) join(other way) bool {
next:
	for _, o := range other {
		for i := range *w {
			if (*w)[i].stage == o.stage {
				(*w)[i].length = max((*w)[i].length, o.length)
				continue next
			}
		}
		*w = append(*w, o)
	}
	return len(*w) <= mostWays
}

// tail is the most units that control may have spent at a place without a check: fresh on the paths
// from the function's entry that met no check, since on those that met one, counted from the last.
// Either is nowhere if there is no such path.
type tail struct{ fresh, since int64 }

const nowhere = -1

var dead = tail{nowhere, nowhere}

func (t tail) longest() int64 { return max(t.fresh, t.since) }

func (t tail) plus(units int64) tail {
	if t.fresh != nowhere {
		t.fresh += units
	}
	if t.since != nowhere {
		t.since += units
	}
	return t
}

// behind returns the tail after a call of a function.
func (t tail) behind(f *summary) tail {
	after := dead
	if f.through != nowhere {
		after = t.plus(f.through)
	}
	if t != dead && f.leave != nowhere {
		after.since = max(after.since, f.leave)
	}
	return after
}

func (t tail) or(other tail) tail {
	return tail{max(t.fresh, other.fresh), max(t.since, other.since)}
}

// analysis finds what a body costs and where it is charged. It reads the body once,
// forward. A stage is charged, when control passes it, with the longest way to the next
// ones: no way is ever longer than what was paid for it, and it is little shorter, for the
// ways from a stage end where a block would take them beyond longestWay. Loops begin
// stages, so a way never goes back. A stage is checked as well where control could have
// gone on without a check for more than longestTail.
type analysis struct {
	m          *wasm.Module
	calls      *calls
	remainders bool // are replaced
	frames     []frame
	regions    []way // for each loop around: the way to it
	stages     []stage
	edits      []edit
	way        way
	run        int64 // units of the block so far
	block      int   // the edit that would charge the block
	now        tail  // here
	reset      tail  // here, if the block is checked
	peak       int64 // the longest tail within the block
	enter      int64 // the longest way from the entry to a check or to the end
	exit       tail  // at the end
	circle     bool  // a function that may call this one again is called before a check
	sized      bool  // there is an edit of kind chargeSize
	scratch    bool  // there is an edit of kind remainder
	locals     int64 // parameters and ours too
}

// space is how many functions, globals and so on a body may name. A larger index would name something
// that the rewriter adds, and a guest could then change its own fuel.
type space struct {
	imported                                  uint32 // functions
	functions, globals, tables, locals, types uint64
	results                                   int
}

// analyse reads a body and collects its edits, in the order of the body. checked says that its entry is
// checked.
func (a *analysis) analyse(b *wasm.Body, r *wasm.Reader, s *space, checked bool) error {
	a.frames, a.regions, a.stages, a.edits, a.way = a.frames[:0], a.regions[:0], a.stages[:0], a.edits[:0], a.way[:0]
	a.run, a.sized, a.scratch, a.circle, a.enter, a.exit, a.locals = 0, false, false, false, 0, dead, int64(s.locals)+mostOwn
	a.now = tail{0, nowhere}
	if checked {
		a.now = tail{nowhere, 0}
	}
	a.begin(b.Code)
	if checked {
		a.edits[a.block].kind = chargeAndCheck
	}
	a.open()
	a.push(frame{moves: a.moves(s.results)})
	a.spend(a.locals / localsPerEntry)
	a.enter = a.run
	var i wasm.Instruction
	for r.Open(a.m, b); r.Next(&i); {
		if len(a.frames) == 0 {
			return &wasm.FormatError{At: i.At, What: "instructions behind the end of a function"}
		}
		if err := s.check(&i); err != nil {
			return err
		}
		if err := a.follow(&i, s.imported); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	if len(a.frames) > 0 {
		return &wasm.FormatError{At: b.End, What: "a function that does not end"}
	}
	for i := range a.stages {
		a.edits[a.stages[i].edit].units = a.stages[i].longest
	}
	return nil
}

// check reports an instruction that names what does not exist.
func (s *space) check(i *wasm.Instruction) error {
	switch i.Op {
	case wasm.OpCall, wasm.OpRefFunc:
		return exists(i, "function", i.Index, s.functions)
	case wasm.OpGlobalGet, wasm.OpGlobalSet:
		return exists(i, "global", i.Index, s.globals)
	case wasm.OpLocalGet, wasm.OpLocalSet, wasm.OpLocalTee:
		return exists(i, "local", i.Index, s.locals)
	case wasm.OpTableGet, wasm.OpTableSet, wasm.OpTableSize, wasm.OpTableGrow, wasm.OpTableFill:
		return exists(i, "table", i.Index, s.tables)
	case wasm.OpTableInit:
		return exists(i, "table", i.Index2, s.tables)
	case wasm.OpTableCopy:
		return exists(i, "table", max(i.Index, i.Index2), s.tables)
	case wasm.OpCallIndirect:
		if err := exists(i, "table", i.Index2, s.tables); err != nil {
			return err
		}
		return exists(i, "type", i.Index, s.types)
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
		if i.IndexAt != 0 {
			return exists(i, "type", i.Index, s.types)
		}
	}
	return nil
}

func exists(i *wasm.Instruction, what string, index uint32, count uint64) error {
	if uint64(index) >= count {
		return &wasm.FormatError{At: i.At, What: fmt.Sprintf("%s %d does not exist", what, index)}
	}
	return nil
}

// begin starts a basic block: instructions that run one after another.
func (a *analysis) begin(at int) {
	a.block = len(a.edits)
	a.edits = append(a.edits, edit{at: at, end: at, kind: charge})
	a.reset, a.peak = tail{nowhere, 0}, a.now.longest()
}

// open makes the block that begins here a stage.
func (a *analysis) open() {
	a.way = append(a.way[:0], step{stage: len(a.stages)})
	a.stages = append(a.stages, stage{edit: a.block})
}

// opened reports whether the block is a stage already.
func (a *analysis) opened() bool {
	return len(a.stages) > 0 && a.stages[len(a.stages)-1].edit == a.block
}

// spend counts units of the block.
func (a *analysis) spend(units int64) {
	a.run += units
	a.now, a.reset = a.now.plus(units), a.reset.plus(units)
	a.peak, a.enter = max(a.peak, a.now.longest()), max(a.enter, a.now.fresh)
}

// finish ends the basic block. Its units lengthen the paths that lead here; where one would become
// longer than longestWay, or control has gone too long without a check, the block becomes a stage.
func (a *analysis) finish() {
	if len(a.way) == 0 {
		a.run, a.now = 0, dead
		return
	}
	longest := int64(0)
	for _, s := range a.way {
		longest = max(longest, s.length)
	}
	late := a.run > 0 && a.peak > longestTail
	if late || longest > 0 && longest+a.run > longestWay {
		if !a.opened() {
			a.open()
		}
		if late {
			if e := &a.edits[a.block]; e.kind == charge { // not the head of a loop, which is checked already
				e.kind = chargeAndCheck
			}
			a.now = a.reset
		}
	}
	for i := range a.way {
		s := &a.way[i]
		s.length += a.run
		a.stages[s.stage].longest = max(a.stages[s.stage].longest, s.length)
	}
	a.run = 0
}

// push adds a frame and reuses the slices of an earlier one.
func (a *analysis) push(f frame) *frame {
	if len(a.frames) < cap(a.frames) {
		old := a.frames[:len(a.frames)+1][len(a.frames)]
		f.label, f.before = old.label[:0], old.before[:0]
	}
	f.region, f.tail = len(a.regions), dead
	a.frames = append(a.frames, f)
	return &a.frames[len(a.frames)-1]
}

// moves returns the units for a branch that carries so many values.
func (a *analysis) moves(values int) int64 { return (a.locals + int64(values)) / valuesPerBranch }

// values returns how many values a block takes and leaves.
func (a *analysis) values(i *wasm.Instruction) int {
	if i.IndexAt == 0 {
		return 1
	}
	t := &a.m.Types[i.Index]
	return len(t.Params) + len(t.Results)
}

// follow counts one instruction and follows control to where it goes next.
func (a *analysis) follow(i *wasm.Instruction, imported uint32) error {
	a.spend(int64(prices[i.Op]))
	switch i.Op {
	case wasm.OpBlock:
		a.push(frame{moves: a.moves(a.values(i))})
	case wasm.OpLoop:
		a.loop(i)
	case wasm.OpElse, wasm.OpEnd:
		return a.close(i)
	case wasm.OpIf:
		moves := a.moves(a.values(i))
		a.spend(moves)
		a.finish()
		f := a.push(frame{branch: true, moves: moves, entry: a.now})
		f.before = append(f.before, a.way...)
		a.begin(i.End)
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable, wasm.OpReturn, wasm.OpUnreachable:
		if err := a.branches(i); err != nil {
			return err
		}
		a.begin(i.End)
	case wasm.OpCall:
		if i.Index >= imported {
			a.edits = append(a.edits, edit{at: i.IndexAt, end: i.End, kind: renumber, index: i.Index})
		}
		a.call(a.calls.direct(i.Index), a.calls.typeOf(i.Index))
	case wasm.OpCallIndirect:
		a.call(a.calls.indirect(i.Index), &a.m.Types[i.Index])
	case wasm.OpRefFunc:
		a.edits = append(a.edits, edit{at: i.At, end: i.End, kind: refer, index: a.calls.reachable.slot[i.Index] - 1})
	case wasm.OpI32RemS, wasm.OpI32RemU, wasm.OpI64RemS, wasm.OpI64RemU:
		if a.remainders {
			a.scratch = true
			a.edits = append(a.edits, edit{at: i.At, end: i.End, kind: remainder, op: i.Op})
		}
	case wasm.OpMemoryFill, wasm.OpMemoryCopy, wasm.OpMemoryInit, wasm.OpMemoryGrow,
		wasm.OpTableFill, wasm.OpTableCopy, wasm.OpTableInit, wasm.OpTableGrow:
		a.sized = true
		a.edits = append(a.edits, edit{at: i.At, end: i.At, kind: chargeSize, op: i.Op})
		a.now, a.reset = a.now.behind(&checkedSize), a.reset.behind(&checkedSize)
	}
	if a.run > longestBlock || a.reset.longest() > longestTail/2 {
		a.finish()
		a.begin(i.End)
	}
	return nil
}

// call counts what the caller pays for a function, and how long the tail is behind it.
func (a *analysis) call(f *summary, t *wasm.FuncType) {
	a.spend(priceValue * int64(max(0, len(t.Params)+len(t.Results)-freeValues)))
	a.run += f.paid
	a.peak = max(a.peak, a.now.longest()+f.enter)
	if a.now.fresh != nowhere {
		a.enter = max(a.enter, a.now.fresh+f.enter)
		a.circle = a.circle || f.circle
	}
	a.now, a.reset = a.now.behind(f), a.reset.behind(f)
}

// loop begins a loop: a stage that is checked, since control comes back to it.
func (a *analysis) loop(i *wasm.Instruction) {
	moves := a.moves(a.values(i))
	a.spend(moves)
	a.finish()
	f := a.push(frame{loop: true, moves: moves})
	f.before = append(f.before, a.way...)
	a.regions = append(a.regions, f.before)
	if a.now != dead {
		a.now = tail{nowhere, 0}
	}
	a.begin(i.End)
	a.edits[a.block].kind = chargeTurn
	if i.IndexAt != 0 && len(a.m.Types[i.Index].Params) > 0 {
		a.edits[a.block].kind = chargeAndCheck
	}
	a.open()
}

// close ends the innermost frame, or the first part of an if. What branched to the end
// goes on behind it.
func (a *analysis) close(i *wasm.Instruction) error {
	f := &a.frames[len(a.frames)-1]
	a.spend(f.moves)
	a.finish()
	switch {
	case i.Op == wasm.OpElse && !f.branch:
		return &wasm.FormatError{At: i.At, What: "an else without an if"}
	case i.Op == wasm.OpElse:
		f.branch = false
		f.join(a.way)
		f.tail = f.tail.or(a.now)
		a.way = append(a.way[:0], f.before...)
		a.now = f.entry
		a.begin(i.End)
		return nil
	case f.loop:
		a.regions = a.regions[:len(a.regions)-1]
		if len(a.way) > 0 {
			a.way = append(a.way[:0], f.before...) // the loop was paid for at its head
		}
	case f.branch:
		f.join(f.before)
		a.now = a.now.or(f.entry)
	}
	f.join(a.way)
	a.way = append(a.way[:0], f.label...)
	a.now = a.now.or(f.tail)
	if len(a.frames) == 1 {
		a.exit = a.exit.or(a.now)
	}
	a.frames = a.frames[:len(a.frames)-1]
	a.begin(i.End)
	if f.crowd {
		a.open()
	}
	return nil
}

// branches ends a block and takes the way to where its last instruction may go.
func (a *analysis) branches(i *wasm.Instruction) error {
	labels := i.Labels
	if i.Op == wasm.OpBr || i.Op == wasm.OpBrIf {
		labels = []uint32{i.Index}
	}
	moves := int64(0)
	for _, label := range labels {
		if uint64(label) >= uint64(len(a.frames)) {
			return &wasm.FormatError{At: i.At, What: "a branch to a label that does not exist"}
		}
		moves = max(moves, a.frames[len(a.frames)-1-int(label)].moves)
	}
	a.spend(moves)
	a.finish()
	for _, label := range labels {
		a.branch(label)
	}
	if i.Op == wasm.OpReturn {
		a.exit = a.exit.or(a.now)
	}
	if i.Op != wasm.OpBrIf {
		a.way, a.now = a.way[:0], dead
	}
	return nil
}

// branch follows a branch to a label. Out of a loop, the path is as long as the one that led to the
// loop; back to the head of a loop, it is paid for there.
func (a *analysis) branch(label uint32) {
	f := &a.frames[len(a.frames)-1-int(label)]
	if f.loop || len(a.way) == 0 {
		return
	}
	f.tail = f.tail.or(a.now)
	if f.region < len(a.regions) {
		f.join(a.regions[f.region])
	} else {
		f.join(a.way)
	}
}

// join adds ways to the end of the frame.
func (f *frame) join(w way) {
	if f.crowd = f.crowd || !f.label.join(w); f.crowd {
		f.label = f.label[:0]
	}
}
