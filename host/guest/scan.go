package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// The most that a module may have; real ones stay far below (a Go guest of 12 MB that links
// half of the standard library is given in brackets). Each bounds what a compiler or an
// instance takes for a few bytes of the binary; package wasm bounds what can be counted
// before the code is read.
const (
	maxBody       = 128 << 10 // bytes of one function [50,636]
	maxDepth      = 2000      // of blocks in one another [570]
	maxBlocks     = 3000      // of one function [984]
	maxLoops      = 200       // of one function [15]
	maxEdges      = 10_000    // branches and labels, of one function [1,799]
	maxJoins      = 1 << 18   // locals × (blocks and edges) of one function: what may have to be moved where ways meet [34,488]
	maxAllBlocks  = 1 << 20   // [221,828]
	maxAllLoops   = 50_000    // [7231]
	maxAllEdges   = 2 << 20   // [369,142]
	maxAllJoins   = 16 << 20  // [4,740,086]
	maxPairs      = 1 << 30   // of all functions: (blocks and edges)², as a compiler's time grows [201,522,340]
	maxTableSlots = 1 << 18   // elements that tables have from the beginning [11,327]
)

// scan checks the binary before anything is compiled: its size and format, its imports and exports and
// their types, and the size of its memory, tables and functions. It returns a *LoadError that says which
// rule is broken, where, and what to do.
func (g *Generation) scan(bytes []byte) (*wasm.Module, error) {
	s := scanner{guest: g.name, rule: RuleFormat, pages: g.options.MemoryPages}
	if err := s.preamble(bytes); err != nil {
		return nil, err
	}
	m, err := wasm.Decode(bytes)
	var format *wasm.FormatError
	switch {
	case errors.As(err, &format) && format.TooMany:
		return nil, &LoadError{Guest: g.name, Step: StepScan, Rule: RuleNumbers, What: "it has too much of something", Hint: "a guest is a small program; what was linked into it?", Err: err}
	case err != nil:
		return nil, &LoadError{Guest: g.name, Step: StepScan, Rule: RuleFormat, What: "it is not a valid module", Hint: "was it still being written? move a finished file into place", Err: err}
	}
	s.m = m
	for _, c := range []struct {
		rule  Rule
		check func() error
	}{
		{RuleStart, s.start}, {RuleMemory, s.memory}, {RuleTables, s.tables},
		{RuleCode, s.code}, {RuleImports, s.imports}, {RuleExports, s.exports},
	} {
		s.rule = c.rule
		if err := c.check(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// scanner has one method for each rule.
type scanner struct {
	guest string
	rule  Rule
	pages uint32
	m     *wasm.Module
}

func (s *scanner) refuse(hint, format string, args ...any) error {
	return &LoadError{Guest: s.guest, Step: StepScan, Rule: s.rule, What: fmt.Sprintf(format, args...), Hint: hint}
}

const preambleSize = 8

func (s *scanner) preamble(b []byte) error {
	switch {
	case len(b) == 0:
		return s.refuse("was it still being written? move a finished file into place", "the file is empty")
	case len(b) > abi.MaxModule:
		return s.refuse("strip debug information, -ldflags=-s -w in Go", "%d bytes, at most %d are allowed", len(b), abi.MaxModule)
	case len(b) < preambleSize || string(b[:4]) != "\x00asm":
		return s.refuse("it should begin with the bytes 00 61 73 6d; text form is turned into binary by wat2wasm", "it is not a WebAssembly binary")
	case binary.LittleEndian.Uint32(b[4:]) == 0x0001000d:
		return s.refuse("build a core module: the contract is "+abi.ExportMarker, "it is a component")
	case binary.LittleEndian.Uint32(b[4:]) != 1:
		return s.refuse("build it for WebAssembly 1 or 2", "binary version %d, want 1", binary.LittleEndian.Uint32(b[4:]))
	}
	return nil
}

// start refuses a start section: it would run code before the host watches it.
func (s *scanner) start() error {
	if s.m.Start != nil {
		return s.refuse("export _initialize instead; asc has --exportStart _initialize", "it has a start section, function %d", *s.m.Start)
	}
	return nil
}

func (s *scanner) memory() error {
	if len(s.m.Memories) != 1 && s.m.Imported(wasm.KindMemory) == 0 {
		return s.refuse("a guest has one memory of its own, exported as "+abi.ExportMemory, "it has %d memories", len(s.m.Memories))
	}
	for _, limits := range s.m.Memories {
		if limits.Min > s.pages {
			return s.refuse("give the linker a smaller initial memory and stack, or raise guests.memory", "it begins with %d pages of memory, the limit is %d pages of 64 KiB", limits.Min, s.pages)
		}
	}
	return nil
}

func (s *scanner) tables() error {
	elements := uint64(0)
	for _, t := range s.m.Tables {
		elements += uint64(t.Limits.Min)
	}
	if elements > maxTableSlots {
		return s.refuse("a table holds the functions that are called indirectly; so many are no program", "its tables begin with %d elements, at most %d are allowed", elements, maxTableSlots)
	}
	return nil
}

// imports compares everything imported with what the host offers.
func (s *scanner) imports() error {
	offered := hostFunctions()
	for i := range s.m.Imports {
		f := &s.m.Imports[i]
		want, found := offered[hostName{f.Module, f.Name}]
		switch {
		case f.Kind == wasm.KindMemory:
			return s.refuse("define and export the memory; clang: drop --import-memory", "it imports a memory, %s.%s", f.Module, f.Name)
		case f.Kind != wasm.KindFunction:
			return s.refuse("a guest imports functions alone", "it imports a %s, %s.%s", f.Kind, f.Module, f.Name)
		case !found:
			return s.refuse("a guest has "+abi.ImportHost+".log, "+abi.ImportHost+".abort and a small part of "+abi.ImportWASI+": no files, no sockets, no environment", "it imports %s.%s, which no host offers", f.Module, f.Name)
		case !want.sig.equal(s.m.Types[f.Type]):
			return s.refuse("see the table of imports in ABI.md", "it imports %s.%s as %s, the host's is %s", f.Module, f.Name, typeText(s.m.Types[f.Type]), want.sig)
		}
	}
	return nil
}

// exports compares everything that the contract asks for with what is exported.
func (s *scanner) exports() error {
	exported := make(map[string]*wasm.Export, len(s.m.Exports))
	for i := range s.m.Exports {
		exported[s.m.Exports[i].Name] = &s.m.Exports[i]
	}
	if exported[abi.ExportStart] != nil {
		return s.refuse("Go: -buildmode=c-shared; clang: -mexec-model=reactor", "it exports %s: it is a command, not a reactor", abi.ExportStart)
	}
	if memory := exported[abi.ExportMemory]; memory == nil || memory.Kind != wasm.KindMemory {
		return s.refuse("a guest exports its one memory by this name", "export %s is missing", abi.ExportMemory)
	}
	for _, want := range contract() {
		got := exported[want.name]
		switch {
		case got == nil && want.optional:
		case got == nil || got.Kind != wasm.KindFunction:
			return s.refuse("a guest exports "+exportNames(), "export %s is missing", want.name)
		default:
			if t, _ := s.m.FuncType(got.Index); !want.sig.equal(t) {
				return s.refuse("see the table of exports in ABI.md", "export %s is %s, want %s", want.name, typeText(t), want.sig)
			}
		}
	}
	return nil
}

func exportNames() string {
	names := []string{abi.ExportMemory}
	for _, e := range contract() {
		if !e.optional {
			names = append(names, e.name)
		}
	}
	return strings.Join(names, ", ")
}

// code looks at every function: its size, its blocks and branches, and what they make of its
// locals. It reads all instructions, so one that is not of WebAssembly 2.0 is found here.
func (s *scanner) code() error {
	imported := s.m.Imported(wasm.KindFunction)
	var r wasm.Reader
	var all shape
	for i := range s.m.Bodies {
		b := &s.m.Bodies[i]
		function := imported + i
		if b.End-b.At > maxBody {
			return s.refuse("split it; a compiler's time grows faster than a function", "function %d has %d bytes of code, at most %d are allowed", function, b.End-b.At, maxBody)
		}
		one, err := s.body(&r, b, function)
		if err != nil {
			return err
		}
		places := one.blocks + one.edges
		one.joins = places * (b.Locals + uint64(len(s.m.Types[s.m.Functions[i]].Params)))
		all = shape{all.blocks + one.blocks, all.loops + one.loops, all.edges + one.edges, all.joins + one.joins, all.pairs + places*places}
		if err := s.shape(fmt.Sprintf("function %d has", function), one, shape{maxBlocks, maxLoops, maxEdges, maxJoins, maxPairs}); err != nil {
			return err
		}
		if err := s.shape("its functions have", all, shape{maxAllBlocks, maxAllLoops, maxAllEdges, maxAllJoins, maxPairs}); err != nil {
			return err
		}
	}
	return nil
}

// shape counts what makes code expensive to compile: blocks, loops, branches, their product with the
// number of locals, and pairs of them.
type shape struct{ blocks, loops, edges, joins, pairs uint64 }

func (s *scanner) shape(who string, is, most shape) error {
	switch {
	case is.blocks > most.blocks:
		return s.refuse("split it", "%s %d blocks, at most %d are allowed", who, is.blocks, most.blocks)
	case is.loops > most.loops:
		return s.refuse("split it", "%s %d loops, at most %d are allowed", who, is.loops, most.loops)
	case is.edges > most.edges:
		return s.refuse("split it", "%s %d branches and labels, at most %d are allowed", who, is.edges, most.edges)
	case is.joins > most.joins:
		return s.refuse("split it", "%s %d places where ways may meet times locals, at most %d are allowed", who, is.joins, most.joins)
	case is.pairs > most.pairs:
		return s.refuse("split the largest", "%s %d pairs of blocks and branches, at most %d are allowed", who, is.pairs, most.pairs)
	}
	return nil
}

func (s *scanner) body(r *wasm.Reader, b *wasm.Body, function int) (is shape, err error) {
	var i wasm.Instruction
	depth := 0
	for r.Open(s.m, b); r.Next(&i); {
		switch i.Op {
		case wasm.OpBlock, wasm.OpLoop, wasm.OpIf:
			is.blocks++
			if i.Op == wasm.OpLoop {
				is.loops++
			}
			if depth++; depth > maxDepth {
				return is, s.refuse("split it", "function %d has blocks deeper than %d at byte %d", function, maxDepth, i.At)
			}
		case wasm.OpEnd:
			depth--
		case wasm.OpBr, wasm.OpBrIf:
			is.edges++
		case wasm.OpBrTable:
			is.edges += uint64(len(i.Labels))
		}
	}
	var format *wasm.FormatError
	if err := r.Err(); errors.As(err, &format) && format.TooMany {
		return is, s.refuse("split it", "function %d has %s", function, format.What)
	} else if err != nil {
		return is, &LoadError{Guest: s.guest, Step: StepScan, Rule: s.rule, What: fmt.Sprintf("function %d cannot be read", function), Hint: "switch off features beyond WebAssembly 2.0: threads, tail calls, relaxed SIMD, exceptions, garbage collection", Err: err}
	}
	return is, nil
}
