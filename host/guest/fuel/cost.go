package fuel

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// edit is one change of a body: before at something is put, or the bytes from at to end
// are replaced.
type edit struct {
	at, end int
	kind    editKind
	units   int64       // of charge and chargeAndCheck; nothing is put for none of them
	op      wasm.Opcode // of chargeSize
	index   uint32      // of renumber: the function
}

type editKind byte

const (
	charge         editKind = iota // at the beginning of a block
	chargeAndCheck                 // at the entry of a function, at the head of a loop
	chargeSize                     // before an operation whose size is on top of the stack
	renumber                       // a function's index
)

// frame is a block, a loop, an if or the body itself.
type frame struct {
	loop   bool
	branch bool // an if that has had no else yet
	region int  // how many loops are around its end and its label
	label  way  // how control comes to its end by branches
	before way  // of an if, the way to it; of a loop, the way to it in the region around
}

// stage is a place of charging, and how long the longest way is from there to the next.
type stage struct {
	edit    int
	longest int64
}

// way is how control comes to a place: from which stages, and how far it is from each. It
// is empty where nothing comes.
type way []step

type step struct {
	stage  int
	length int64
}

// join adds the ways of other to w.
func (w *way) join(other way) {
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
}

// analysis finds what a body costs and where it is charged. It reads the body once,
// forward. A stage is charged, when control passes it, with the longest way to the next
// ones: no way is ever longer than what was paid for it, and it is little shorter, for the
// ways from a stage end where a block would take them beyond longestWay. Loops begin
// stages, so a way never goes back.
type analysis struct {
	frames  []frame
	regions []way // for each loop around: the way to it
	stages  []stage
	edits   []edit
	way     way
	run     int64 // units of the block so far
	block   int   // the edit that would charge the block
	sized   bool  // there is an edit of kind chargeSize
	calls   bool  // there is a call outside of all loops
}

// space is how many there are of what a body may name. A number beyond would name
// something of ours in the rewritten module: an index must never come to mean the fuel.
type space struct {
	imported                          uint32 // functions
	functions, globals, locals, types uint64
}

// analyse reads a body. The edits are in the order of the body.
func (a *analysis) analyse(m *wasm.Module, b *wasm.Body, r *wasm.Reader, s *space) error {
	a.frames, a.regions, a.stages, a.edits, a.way = a.frames[:0], a.regions[:0], a.stages[:0], a.edits[:0], a.way[:0]
	a.run, a.sized, a.calls = 0, false, false
	a.begin(b.Code)
	a.open()
	a.push(frame{})
	var i wasm.Instruction
	r.Open(m, b)
	for r.Next(&i) {
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
	entry := &a.edits[0]
	if a.calls {
		entry.kind = chargeAndCheck
	} else if entry.units <= costCall {
		entry.units = 0 // the caller has paid
	}
	return nil
}

// check reports an instruction that names what does not exist.
func (s *space) check(i *wasm.Instruction) error {
	var what string
	var count uint64
	switch i.Op {
	case wasm.OpCall, wasm.OpRefFunc:
		what, count = "function", s.functions
	case wasm.OpGlobalGet, wasm.OpGlobalSet:
		what, count = "global", s.globals
	case wasm.OpLocalGet, wasm.OpLocalSet, wasm.OpLocalTee:
		what, count = "local", s.locals
	case wasm.OpCallIndirect:
		what, count = "type", s.types
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
		if i.IndexAt == 0 {
			return nil
		}
		what, count = "type", s.types
	default:
		return nil
	}
	if uint64(i.Index) >= count {
		return &wasm.FormatError{At: i.At, What: fmt.Sprintf("%s %d does not exist", what, i.Index)}
	}
	return nil
}

// begin begins a block of instructions that run one after another.
func (a *analysis) begin(at int) {
	a.block = len(a.edits)
	a.edits = append(a.edits, edit{at: at, end: at, kind: charge})
}

// open makes the block that begins here a stage.
func (a *analysis) open() {
	a.way = append(a.way[:0], step{stage: len(a.stages)})
	a.stages = append(a.stages, stage{edit: a.block})
}

// finish ends the block: its instructions lengthen the way, or, where that would be too
// long, begin one of their own.
func (a *analysis) finish() {
	if a.run == 0 || len(a.way) == 0 {
		a.run = 0
		return
	}
	longest := int64(0)
	for _, s := range a.way {
		longest = max(longest, s.length)
	}
	if longest > 0 && longest+a.run > longestWay {
		a.open()
	}
	for i := range a.way {
		s := &a.way[i]
		s.length += a.run
		a.stages[s.stage].longest = max(a.stages[s.stage].longest, s.length)
	}
	a.run = 0
}

// push adds a frame; it takes over the memory of an earlier one.
func (a *analysis) push(f frame) *frame {
	if len(a.frames) < cap(a.frames) {
		old := a.frames[:len(a.frames)+1][len(a.frames)]
		f.label, f.before = old.label[:0], old.before[:0]
	}
	f.region = len(a.regions)
	a.frames = append(a.frames, f)
	return &a.frames[len(a.frames)-1]
}

// follow counts an instruction and tells where the way goes from it.
func (a *analysis) follow(i *wasm.Instruction, imported uint32) error {
	switch i.Op {
	case wasm.OpBlock:
		a.push(frame{})
		return nil
	case wasm.OpLoop:
		a.loop(i)
		return nil
	case wasm.OpElse, wasm.OpEnd:
		return a.close(i)
	}
	a.run++
	switch i.Op {
	case wasm.OpIf:
		a.finish()
		f := a.push(frame{branch: true})
		f.before = append(f.before, a.way...)
		a.begin(i.End)
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable, wasm.OpReturn, wasm.OpUnreachable:
		a.finish()
		if err := a.branches(i); err != nil {
			return err
		}
		a.begin(i.End)
	case wasm.OpCall, wasm.OpRefFunc:
		if i.Index >= imported {
			a.edits = append(a.edits, edit{at: i.IndexAt, end: i.End, kind: renumber, index: i.Index})
		}
		if i.Op == wasm.OpCall {
			a.call()
		}
	case wasm.OpCallIndirect:
		a.call()
	case wasm.OpMemoryFill, wasm.OpMemoryCopy, wasm.OpMemoryInit, wasm.OpMemoryGrow,
		wasm.OpTableFill, wasm.OpTableCopy, wasm.OpTableInit, wasm.OpTableGrow:
		a.sized = true
		a.edits = append(a.edits, edit{at: i.At, end: i.At, kind: chargeSize, op: i.Op})
	}
	return nil
}

func (a *analysis) call() {
	a.run += costCall
	a.calls = a.calls || len(a.regions) == 0
}

// loop begins a loop: a stage that is checked, since control comes back to it.
func (a *analysis) loop(i *wasm.Instruction) {
	a.finish()
	f := a.push(frame{loop: true})
	f.before = append(f.before, a.way...)
	a.regions = append(a.regions, f.before)
	a.begin(i.End)
	a.edits[a.block].kind = chargeAndCheck
	a.open()
}

// close ends the innermost frame, or the first part of an if. What branched to the end
// goes on behind it.
func (a *analysis) close(i *wasm.Instruction) error {
	a.finish()
	f := &a.frames[len(a.frames)-1]
	switch {
	case i.Op == wasm.OpElse && !f.branch:
		return &wasm.FormatError{At: i.At, What: "an else without an if"}
	case i.Op == wasm.OpElse:
		f.branch = false
		f.label.join(a.way)
		a.way = append(a.way[:0], f.before...)
		a.begin(i.End)
		return nil
	case f.loop:
		a.regions = a.regions[:len(a.regions)-1]
		if len(a.way) > 0 {
			a.way = append(a.way[:0], f.before...) // the loop was paid for at its head
		}
	case f.branch:
		a.way.join(f.before)
	}
	a.way.join(f.label)
	a.frames = a.frames[:len(a.frames)-1]
	a.begin(i.End)
	return nil
}

// branches takes the way to where an instruction may go.
func (a *analysis) branches(i *wasm.Instruction) error {
	if i.Op == wasm.OpBr || i.Op == wasm.OpBrIf {
		if err := a.branch(i, i.Index); err != nil {
			return err
		}
	}
	for _, label := range i.Labels {
		if err := a.branch(i, label); err != nil {
			return err
		}
	}
	if i.Op != wasm.OpBrIf {
		a.way = a.way[:0]
	}
	return nil
}

// branch takes the way to a label. One out of a loop is as long as the way to that loop,
// and one back to a head is paid for there.
func (a *analysis) branch(i *wasm.Instruction, label uint32) error {
	if uint64(label) >= uint64(len(a.frames)) {
		return &wasm.FormatError{At: i.At, What: "a branch to a label that does not exist"}
	}
	f := &a.frames[len(a.frames)-1-int(label)]
	switch {
	case f.loop || len(a.way) == 0:
	case f.region < len(a.regions):
		f.label.join(a.regions[f.region])
	default:
		f.label.join(a.way)
	}
	return nil
}
