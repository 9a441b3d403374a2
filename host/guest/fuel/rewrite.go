package fuel

import (
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// Rewrite returns the module with fuel in it: the import, the exported global and the
// charges. What the module computes does not change. Custom sections are dropped, but for
// the names of functions, which explain a trap. A module with something in it that is not
// of WebAssembly 2.0, or with our names in it, is refused with an error that says where.
// The module must come from wasm.Decode; a module that is not valid becomes one that is not
// valid, which the compiler refuses.
func Rewrite(m *wasm.Module) ([]byte, error) {
	if err := free(m); err != nil {
		return nil, err
	}
	rw := &rewriter{
		m: m, out: make([]byte, 0, len(m.Bytes)+len(m.Bytes)/4),
		imported: uint32(m.Imported(wasm.KindFunction)),
		global:   uint32(m.Imported(wasm.KindGlobal) + m.Globals),
	}
	rw.write()
	if rw.err != nil {
		return nil, rw.err
	}
	return rw.out, nil
}

// free reports whether a module leaves our names free.
func free(m *wasm.Module) error {
	for i := range m.Imports {
		if m.Imports[i].Module == ImportModule {
			return errors.New("it imports from " + ImportModule + ", a name that is the host's own")
		}
	}
	for i := range m.Exports {
		if m.Exports[i].Name == ExportGlobal {
			return errors.New("it exports " + ExportGlobal + ", a name that is the host's own")
		}
	}
	return nil
}

// rewriter writes one module. Our import gets the index behind the imported functions, so
// the index of every function of the module's own grows by one.
type rewriter struct {
	m        *wasm.Module
	out      []byte
	imported uint32 // functions; the index of our import
	global   uint32 // the index of our global
	err      error
}

// header is that of every module.
const header = 8

// write goes through the sections in their order. One that must be there, and is not, is
// made where it would stand.
func (rw *rewriter) write() {
	rw.out = append(rw.out, rw.m.Bytes[:header]...)
	needed := []wasm.SectionID{wasm.Types, wasm.Imports, wasm.Globals, wasm.Exports}
	for _, s := range rw.m.Sections {
		if s.ID == wasm.Custom {
			continue
		}
		for len(needed) > 0 && needed[0].Before(s.ID) {
			rw.section(wasm.Section{ID: needed[0]})
			needed = needed[1:]
		}
		if len(needed) > 0 && needed[0] == s.ID {
			needed = needed[1:]
		}
		rw.section(s)
	}
	for _, id := range needed {
		rw.section(wasm.Section{ID: id})
	}
	for _, s := range rw.m.Sections {
		if s.ID == wasm.Custom && s.Name == "name" {
			rw.names(s)
		}
	}
}

// section writes one section; it is empty in the module if its place is.
func (rw *rewriter) section(s wasm.Section) {
	switch s.ID {
	case wasm.Types:
		rw.extended(s, []byte{0x60, 0, 0})
	case wasm.Imports:
		entry := name(name(nil, ImportModule), ImportYield)
		entry = append(entry, byte(wasm.KindFunction))
		rw.extended(s, number(entry, uint64(len(rw.m.Types))))
	case wasm.Globals:
		rw.extended(s, []byte{byte(wasm.I64), 1, byte(wasm.OpI64Const), 0, byte(wasm.OpEnd)})
	case wasm.Exports:
		rw.exports()
	case wasm.Start, wasm.Elements:
		rw.sized(s.ID, rw.renumbered(s))
	case wasm.Code:
		rw.code()
	default:
		rw.sized(s.ID, rw.m.Bytes[s.At:s.End])
	}
}

// sized writes a section's head and contents.
func (rw *rewriter) sized(id wasm.SectionID, contents []byte) {
	rw.out = append(rw.out, byte(id))
	rw.out = number(rw.out, uint64(len(contents)))
	rw.out = append(rw.out, contents...)
}

// extended writes a section that is a list, with one more entry.
func (rw *rewriter) extended(s wasm.Section, entry []byte) {
	contents := rw.renumbered(s)
	count := uint64(0)
	if s.End > s.At {
		var length int
		count, length = leading(contents)
		contents = contents[length:]
	}
	list := number(make([]byte, 0, len(contents)+len(entry)+5), count+1)
	list = append(list, contents...)
	rw.sized(s.ID, append(list, entry...))
}

// renumbered returns a section's contents, the indices of functions moved.
func (rw *rewriter) renumbered(s wasm.Section) []byte {
	var out []byte
	done := s.At
	rw.m.References(s, func(f wasm.FunctionReference) {
		out = append(out, rw.m.Bytes[done:f.At]...)
		out = number(out, uint64(rw.moved(f.Function)))
		done = f.End
	})
	return append(out, rw.m.Bytes[done:s.End]...)
}

// moved returns the new index of a function.
func (rw *rewriter) moved(function uint32) uint32 {
	if function < rw.imported {
		return function
	}
	return function + 1
}

func (rw *rewriter) exports() {
	list := number(nil, uint64(len(rw.m.Exports)+1))
	for i := range rw.m.Exports {
		e := &rw.m.Exports[i]
		list = append(name(list, e.Name), byte(e.Kind))
		if e.Kind == wasm.KindFunction {
			list = number(list, uint64(rw.moved(e.Index)))
		} else {
			list = number(list, uint64(e.Index))
		}
	}
	list = append(name(list, ExportGlobal), byte(wasm.KindGlobal))
	rw.sized(wasm.Exports, number(list, uint64(rw.global)))
}

// names writes the names of functions, moved like the functions; names that cannot be read
// are left out, for they mean nothing to the machine.
func (rw *rewriter) names(s wasm.Section) {
	all, ok := rw.m.FunctionNames(s)
	if !ok || len(all) == 0 {
		return
	}
	list := number(nil, uint64(len(all)))
	for _, n := range all {
		list = name(number(list, uint64(rw.moved(n.Function))), n.Name)
	}
	contents := append(name(nil, "name"), 1) // the subsection of functions
	contents = append(number(contents, uint64(len(list))), list...)
	rw.sized(wasm.Custom, contents)
}

// code writes the bodies.
func (rw *rewriter) code() {
	var (
		bodies  = number(make([]byte, 0, len(rw.m.Bytes)+len(rw.m.Bytes)/4), uint64(len(rw.m.Bodies)))
		scratch []byte
		a       analysis
		r       wasm.Reader
	)
	s := space{
		imported: rw.imported, functions: uint64(rw.m.Count(wasm.KindFunction)),
		globals: uint64(rw.m.Count(wasm.KindGlobal)), types: uint64(len(rw.m.Types)),
	}
	for i := range rw.m.Bodies {
		b := &rw.m.Bodies[i]
		s.locals = uint64(len(rw.m.Types[rw.m.Functions[i]].Params)) + b.Locals
		if err := a.analyse(rw.m, b, &r, &s); err != nil {
			rw.err = fmt.Errorf("function %d: %w", rw.imported+uint32(i), err)
			return
		}
		scratch = rw.body(scratch[:0], b, &a, s.locals)
		bodies = number(bodies, uint64(len(scratch)))
		bodies = append(bodies, scratch...)
	}
	rw.sized(wasm.Code, bodies)
}

// body writes one body: its locals and ours, and its instructions with the edits.
func (rw *rewriter) body(out []byte, b *wasm.Body, a *analysis, locals uint64) []byte {
	bytes := rw.m.Bytes
	ours := uint64(1)
	if a.sized {
		ours = 2
	}
	out = number(out, uint64(b.Groups)+ours)
	_, length := leading(bytes[b.At:])
	out = append(out, bytes[b.At+length:b.Code]...)
	out = append(out, 1, byte(wasm.I64))
	if a.sized {
		out = append(out, 1, byte(wasm.I32))
	}
	c := charger{fuel: rw.global, yield: rw.imported, left: locals, size: locals + 1}
	done := b.Code
	for i := range a.edits {
		e := &a.edits[i]
		out = append(out, bytes[done:e.at]...)
		done = e.end
		switch e.kind {
		case charge:
			if e.units > 0 {
				out = c.fixed(out, e.units, false)
			}
		case chargeAndCheck:
			out = c.fixed(out, e.units, true)
		case chargeSize:
			out = c.sized(out, e.op)
		case renumber:
			out = number(out, uint64(rw.moved(e.index)))
		}
	}
	return append(out, bytes[done:b.End]...)
}
