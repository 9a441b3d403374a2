package fuel

import (
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest/fuel/proof"
	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// Rewrite returns the module with fuel in it: the import, the exported global and the
// charges. What the module computes does not change. Custom sections are dropped, but for
// the names of functions, which explain a trap. A module with something in it that is not
// of WebAssembly 2.0, or with our names in it, is refused with an error that says where.
// The module must come from wasm.Decode; a module that is not valid becomes one that is not
// valid, which the compiler refuses.
func Rewrite(m *wasm.Module) ([]byte, error) { return rewrite(m, wrongRemainders) }

func rewrite(m *wasm.Module, remainders bool) ([]byte, error) {
	if err := free(m); err != nil {
		return nil, err
	}
	c, err := newCalls(m)
	if err != nil {
		return nil, err
	}
	rw := &rewriter{
		m: m, calls: c, remainders: remainders, out: make([]byte, 0, len(m.Bytes)+len(m.Bytes)/4),
		imported: uint32(m.Imported(wasm.KindFunction)),
		global:   uint32(m.Count(wasm.KindGlobal)),
		table:    uint32(m.Count(wasm.KindTable)),
	}
	rw.write()
	if rw.err != nil {
		return nil, rw.err
	}
	if err := prove(rw.out); err != nil {
		return nil, err
	}
	return rw.out, nil
}

// prove proves that the fuel of a rewritten module cannot be stepped over.
func prove(binary []byte) error {
	m, err := wasm.DecodeOwn(binary)
	if err != nil {
		return fmt.Errorf("the module with fuel: %w", err)
	}
	if _, err := proof.Check(m, proof.Names{Module: ImportModule, Yield: ImportYield, Global: ExportGlobal}); err != nil {
		return fmt.Errorf("the module with fuel cannot be proven to come back: %w", err)
	}
	return nil
}

// free returns an error if a module uses the names that the rewriter adds.
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
	calls    *calls
	out      []byte
	imported uint32 // functions; the index of our import
	global   uint32 // the index of our global
	table    uint32 // the index of our table, if there is one

	remainders bool // are replaced
	err        error
}

// header is the length of the magic number and the version.
const header = 8

// write goes through the sections in their order. One that must be there, and is not, is
// made where it would stand.
func (rw *rewriter) write() {
	rw.out = append(rw.out, rw.m.Bytes[:header]...)
	needed := []wasm.SectionID{wasm.Types, wasm.Imports, wasm.Globals, wasm.Exports}
	if len(rw.calls.slots) > 0 {
		needed = []wasm.SectionID{wasm.Types, wasm.Imports, wasm.Tables, wasm.Globals, wasm.Exports, wasm.Elements}
	}
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
	case wasm.Tables:
		rw.tables()
	case wasm.Start:
		rw.sized(s.ID, rw.renumbered(s))
	case wasm.Elements:
		rw.elements(s)
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

// mostElements is how far a table may grow, if it does not begin larger: a table is not
// given back before its instance is.
const mostElements = 1 << 16

// tables writes the tables, none of them without a maximum, and ours.
func (rw *rewriter) tables() {
	tables := rw.m.Tables
	if n := uint32(len(rw.calls.slots)); n > 0 {
		tables = append(tables[:len(tables):len(tables)], wasm.Table{Element: wasm.FuncRef, Limits: wasm.Limits{Min: n}})
	}
	list := number(nil, uint64(len(tables)))
	for _, t := range tables {
		most := max(t.Limits.Min, mostElements)
		if t.Limits.HasMax {
			most = min(t.Limits.Max, most)
		}
		list = append(list, byte(t.Element), 1)
		list = number(number(list, uint64(t.Limits.Min)), uint64(most))
	}
	rw.sized(wasm.Tables, list)
}

// elements writes the segments, and one for our table: it has each function that code refers
// to, so that a reference is taken from there. wazero keeps something for each execution of
// ref.func until its instance is closed, and nothing for one of table.get.
func (rw *rewriter) elements(s wasm.Section) {
	if len(rw.calls.slots) == 0 {
		rw.sized(s.ID, rw.renumbered(s))
		return
	}
	const activeInTable, functions = 2, 0
	entry := number([]byte{activeInTable}, uint64(rw.table))
	entry = append(entry, byte(wasm.OpI32Const), 0, byte(wasm.OpEnd), functions)
	entry = number(entry, uint64(len(rw.calls.slots)))
	for _, f := range rw.calls.slots {
		entry = number(entry, uint64(rw.moved(f)))
	}
	rw.extended(s, entry)
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

// code writes the bodies. They are rewritten in the order in which they know what those are
// that they call, and put together in their own.
func (rw *rewriter) code() {
	var (
		written = make([]byte, 0, len(rw.m.Bytes)+len(rw.m.Bytes)/4)
		ends    = make([][2]int, len(rw.m.Bodies))
		a       = analysis{m: rw.m, calls: rw.calls, remainders: rw.remainders}
		r       wasm.Reader
	)
	s := space{
		imported: rw.imported, functions: uint64(rw.m.Count(wasm.KindFunction)), tables: uint64(rw.m.Count(wasm.KindTable)),
		globals: uint64(rw.m.Count(wasm.KindGlobal)), types: uint64(len(rw.m.Types)),
	}
	for _, f := range rw.calls.order {
		if int(f) >= len(rw.m.Bodies) {
			rw.calls.summaries[f] = rw.calls.ofType(f - uint32(len(rw.m.Bodies)))
			continue
		}
		b, t := &rw.m.Bodies[f], &rw.m.Types[rw.m.Functions[f]]
		s.locals, s.results = uint64(len(t.Params))+b.Locals, len(t.Results)
		if err := rw.calls.analyse(&a, f, &r, &s); err != nil {
			rw.err = fmt.Errorf("function %d: %w", rw.imported+f, err)
			return
		}
		ends[f][0] = len(written)
		written = rw.body(written, b, &a, s.locals)
		ends[f][1] = len(written)
	}
	bodies := number(make([]byte, 0, len(written)+4*len(ends)), uint64(len(ends)))
	for _, e := range ends {
		bodies = number(bodies, uint64(e[1]-e[0]))
		bodies = append(bodies, written[e[0]:e[1]]...)
	}
	rw.sized(wasm.Code, bodies)
}

// body writes one body: its locals and ours, and its instructions with the edits.
func (rw *rewriter) body(out []byte, b *wasm.Body, a *analysis, locals uint64) []byte {
	bytes := rw.m.Bytes
	c := charger{fuel: rw.global, yield: rw.imported, table: rw.table, left: locals, size: locals + 1, scratch: locals + 2}
	own := []byte{1, byte(wasm.I64)}
	groups := uint64(1)
	switch {
	case a.scratch:
		own = append(own, 3, byte(wasm.I32), 2, byte(wasm.I64))
		groups = 3
	case a.sized:
		own = append(own, 1, byte(wasm.I32))
		groups = 2
	}
	out = number(out, uint64(b.Groups)+groups)
	_, length := leading(bytes[b.At:])
	out = append(out, bytes[b.At+length:b.Code]...)
	out = append(out, own...)
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
		case chargeTurn:
			out = c.turn(out, e.units)
		case chargeSize:
			out = c.sized(out, e.op)
		case renumber:
			out = number(out, uint64(rw.moved(e.index)))
		case refer:
			out = c.reference(out, e.index)
		case remainder:
			out = c.remainder(out, e.op)
		}
	}
	return append(out, bytes[done:b.End]...)
}
