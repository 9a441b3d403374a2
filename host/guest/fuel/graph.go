package fuel

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// graph is the graph of calls. Its nodes are the module's own functions, followed by the types of
// functions: a call through a table leads to the node of its type, and from there to every function
// of that type that can be in a table.
type graph struct {
	callees lists // of each node
	order   []uint32
	cyclic  []bool // it may be called again before it returns, or lies between two that may
}

// lists holds one list for each node, all in one slice.
type lists struct {
	from []int // of each node, and the end
	all  []uint32
}

func (l *lists) of(node uint32) []uint32 { return l.all[l.from[node]:l.from[node+1]] }

// survey reads the code for its calls. Function indices are the original's.
func survey(m *wasm.Module) (*graph, *reachable, error) {
	imported := uint32(m.Imported(wasm.KindFunction))
	t := newReachable(m)
	nodes := len(m.Bodies) + len(t.byType)
	g := &graph{cyclic: make([]bool, nodes)}
	g.callees.from = make([]int, 1, nodes+1)
	var r wasm.Reader
	var i wasm.Instruction
	for f := range m.Bodies {
		for r.Open(m, &m.Bodies[f]); r.Next(&i); {
			switch {
			case i.Op == wasm.OpCall && i.Index >= imported && uint64(i.Index-imported) < uint64(len(m.Bodies)):
				g.callees.all = append(g.callees.all, i.Index-imported)
			case i.Op == wasm.OpCallIndirect && uint64(i.Index) < uint64(len(m.Types)):
				g.callees.all = append(g.callees.all, uint32(len(m.Bodies))+t.numbers[i.Index])
			case i.Op == wasm.OpRefFunc:
				if !t.refer(i.Index) {
					return nil, nil, &wasm.FormatError{At: i.At, What: fmt.Sprintf("a reference to function %d, which is not declared to be referred to", i.Index)}
				}
			}
		}
		if err := r.Err(); err != nil {
			return nil, nil, err
		}
		g.callees.from = append(g.callees.from, len(g.callees.all))
	}
	for _, functions := range t.byType {
		for _, f := range functions {
			if f >= imported {
				g.callees.all = append(g.callees.all, f-imported)
			}
		}
		g.callees.from = append(g.callees.from, len(g.callees.all))
	}
	g.sort(nodes)
	return g, t, nil
}

// sort orders the nodes: callees before their callers, as far as that can be. First those
// that reach no circle of calls; then those of circles and between them; then those that no
// circle reaches.
func (g *graph) sort(nodes int) {
	callers := g.callees.turned(nodes)
	g.order = make([]uint32, 0, nodes)
	done := make([]bool, nodes)
	strip := func(out, in *lists) {
		left := make([]int, nodes)
		first := len(g.order)
		for n := range nodes {
			for _, to := range out.of(uint32(n)) {
				if !done[to] {
					left[n]++
				}
			}
		}
		for n := range nodes {
			if !done[n] && left[n] == 0 {
				g.order = append(g.order, uint32(n))
			}
		}
		for at := first; at < len(g.order); at++ {
			done[g.order[at]] = true
			for _, from := range in.of(g.order[at]) {
				if left[from]--; left[from] == 0 && !done[from] {
					g.order = append(g.order, from)
				}
			}
		}
	}
	strip(&g.callees, callers)
	below := len(g.order)
	strip(callers, &g.callees)
	above := append([]uint32(nil), g.order[below:]...)
	g.order = g.order[:below]
	for n := nodes - 1; n >= 0; n-- { // types first: nothing else is known of those functions
		if g.cyclic[n] = !done[n]; g.cyclic[n] {
			g.order = append(g.order, uint32(n))
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		g.order = append(g.order, above[i])
	}
}

// turned returns the reversed edges: for each node, the nodes that have it in their lists.
func (l *lists) turned(nodes int) *lists {
	t := &lists{from: make([]int, nodes+1), all: make([]uint32, len(l.all))}
	for _, to := range l.all {
		t.from[to+1]++
	}
	for n := range nodes {
		t.from[n+1] += t.from[n]
	}
	next := append([]int(nil), t.from...)
	for n := range nodes {
		for _, to := range l.of(uint32(n)) {
			t.all[next[to]] = uint32(n)
			next[to]++
		}
	}
	return t
}

// reachable knows which functions can be in a table, by type. Equal types have the same number.
type reachable struct {
	numbers []uint32   // of each type
	types   []uint32   // of each function, imported or not: the index of its type
	byType  [][]uint32 // functions, by the number of their type
	known   []bool     // of each function: it is among them
	named   []bool     // of each function: the module names it outside of code, so that code may refer to it
	slots   []uint32   // the functions that code refers to
	slot    []uint32   // of each function: its place in slots, and one more
}

func newReachable(m *wasm.Module) *reachable {
	t := &reachable{numbers: make([]uint32, len(m.Types)), types: m.FunctionTypes()}
	t.known, t.named, t.slot = make([]bool, len(t.types)), make([]bool, len(t.types)), make([]uint32, len(t.types))
	known := make(map[string]uint32)
	for i := range m.Types {
		key := string(m.Types[i].Params) + ">" + string(m.Types[i].Results)
		n, found := known[key]
		if !found {
			n = uint32(len(known))
			known[key] = n
		}
		t.numbers[i] = n
	}
	t.byType = make([][]uint32, len(known))
	for _, s := range m.Sections {
		m.References(s, func(f wasm.FunctionReference) {
			t.add(f.Function)
			t.named[f.Function] = t.named[f.Function] || s.ID != wasm.Start
		})
	}
	for i := range m.Exports {
		if e := &m.Exports[i]; e.Kind == wasm.KindFunction {
			t.named[e.Index] = true
		}
	}
	return t
}

// add notes that a function can be in a table.
func (t *reachable) add(function uint32) {
	if t.known[function] {
		return
	}
	t.known[function] = true
	n := t.numbers[t.types[function]]
	t.byType[n] = append(t.byType[n], function)
}

// refer notes that code refers to a function. It returns false if code must not.
func (t *reachable) refer(function uint32) bool {
	if uint64(function) >= uint64(len(t.named)) || !t.named[function] {
		return false
	}
	t.add(function)
	if t.slot[function] == 0 {
		t.slots = append(t.slots, function)
		t.slot[function] = uint32(len(t.slots))
	}
	return true
}
