// Package proof proves of a rewritten module that fuel cannot be stepped over. It reads the
// module as the compiler will get it and knows nothing of how it was made: whoever made it
// may be wrong.
//
// It proves three things. Between two checks, in whatever function they are, there are at
// most Longest units of work. All work is charged for: no way through a function, and no turn
// of a loop, does more than was paid for it by itself or by its callers. And nothing else
// touches the fuel. So from one yield to the next there is at most a slice and Longest more.
//
// A return that nothing follows is no work, so a deep recursion may unwind without a check;
// how deep one is, the size of the machine's stack bounds. Imported functions are the host's:
// control is back on safe ground while they run.
package proof

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest/wasm"
)

// The bounds, in units of work.
const (
	Longest = 100_000 // between two checks

	// What is supposed of a function that may be called again before it returns, and proven
	// of each: how much work there is from its entry to its first check and from its last
	// check to its return, and how much of its work its callers pay.
	circleEnter = 4096
	circleLeave = 50_000
	circlePaid  = 8
	mostPaid    = 1000 // of another function

	tableMost = 1 << 16 // elements that a table may grow to, if it does not begin larger
)

// Names are the names of what a rewritten module has for its fuel: the import, which is the
// last function imported, and the exported global.
type Names struct{ Module, Yield, Global string }

// Check proves a module, or returns an error that says what it cannot prove and where. It
// returns the most work that it found between two checks. The module must come from
// wasm.Decode and be valid: of what the compiler refuses this package may say anything.
func Check(m *wasm.Module, names Names) (longest int64, err error) {
	p := &prover{m: m, imported: uint32(m.Imported(wasm.KindFunction)), types: m.FunctionTypes()}
	if err := p.find(names); err != nil {
		return 0, err
	}
	if err := p.tables(); err != nil {
		return 0, err
	}
	if err := p.survey(); err != nil {
		return 0, err
	}
	w := walk{p: p, r: new(wasm.Reader)}
	for _, node := range p.calls.order() {
		if err := w.node(node); err != nil {
			return 0, err
		}
	}
	return w.longest, nil
}

// prover is what is known of a module. Its nodes are the module's own functions and, behind
// them, what is called through tables: a node for each type.
type prover struct {
	m        *wasm.Module
	imported uint32   // functions
	types    []uint32 // of each function
	yield    uint32   // the import
	fuel     uint32   // the global
	calls    circles
	nodeOf   []int     // of each type: equal ones have one node
	hosts    []bool    // of each type's node: a function of the host's is among its functions
	known    []summary // of each node
	joined   []bool    // of each type's node: it is known
}

// find looks for the import and the global.
func (p *prover) find(names Names) error {
	found := 0
	function := uint32(0)
	for i := range p.m.Imports {
		im := &p.m.Imports[i]
		if im.Module == names.Module {
			found++
			if im.Name != names.Yield || im.Kind != wasm.KindFunction || function != p.imported-1 {
				return fmt.Errorf("import %s.%s is not the last function imported", im.Module, im.Name)
			}
			if t := p.m.Types[im.Type]; len(t.Params)+len(t.Results) > 0 {
				return fmt.Errorf("import %s.%s has parameters or results", im.Module, im.Name)
			}
			p.yield = function
		}
		if im.Kind == wasm.KindFunction {
			function++
		}
	}
	global := p.m.Count(wasm.KindGlobal) - 1
	exported := 0
	for i := range p.m.Exports {
		e := &p.m.Exports[i]
		switch {
		case e.Kind == wasm.KindGlobal && int(e.Index) == global && e.Name != names.Global:
			return fmt.Errorf("export %s is the fuel under another name", e.Name)
		case e.Name == names.Global:
			exported++
			if e.Kind != wasm.KindGlobal || int(e.Index) != global {
				return fmt.Errorf("export %s is not the last global", e.Name)
			}
		}
	}
	if found != 1 || exported != 1 || p.m.Globals == 0 {
		return fmt.Errorf("%d imports from %s and %d exports %s, want one of each", found, names.Module, exported, names.Global)
	}
	p.fuel = uint32(global)
	return nil
}

// tables looks at how far they may grow.
func (p *prover) tables() error {
	for i, t := range p.m.Tables {
		if !t.Limits.HasMax || t.Limits.Max > max(t.Limits.Min, tableMost) {
			return fmt.Errorf("table %d may grow without end", i)
		}
	}
	return nil
}

// survey finds who calls whom, and what can be called through a table: what the sections
// refer to, since code must not make references.
func (p *prover) survey() error {
	functions := len(p.m.Bodies)
	p.nodeOf = make([]int, len(p.m.Types))
	nodes := make(map[string]int)
	for i := range p.m.Types {
		key := string(p.m.Types[i].Params) + "/" + string(p.m.Types[i].Results)
		if _, found := nodes[key]; !found {
			nodes[key] = functions + len(nodes)
		}
		p.nodeOf[i] = nodes[key]
	}
	p.calls.to = make([][]int, functions+len(nodes))
	p.hosts, p.joined, p.known = make([]bool, len(p.calls.to)), make([]bool, len(p.calls.to)), make([]summary, len(p.calls.to))
	if err := p.references(); err != nil {
		return err
	}
	var r wasm.Reader
	var i wasm.Instruction
	for f := range p.m.Bodies {
		for r.Open(p.m, &p.m.Bodies[f]); r.Next(&i); {
			switch {
			case i.Op == wasm.OpCall && i.Index >= p.imported:
				p.calls.to[f] = append(p.calls.to[f], int(i.Index-p.imported))
			case i.Op == wasm.OpCallIndirect:
				p.calls.to[f] = append(p.calls.to[f], p.nodeOf[i.Index])
			case i.Op == wasm.OpRefFunc:
				return &wasm.FormatError{At: i.At, What: "code makes a reference to a function, which is kept until the instance is closed"}
			}
		}
		if err := r.Err(); err != nil {
			return err
		}
		slices.Sort(p.calls.to[f])
		p.calls.to[f] = slices.Clip(slices.Compact(p.calls.to[f]))
	}
	return nil
}

// references finds the functions that sections refer to.
func (p *prover) references() error {
	seen := make([]bool, len(p.types))
	for _, s := range p.m.Sections {
		if s.ID == wasm.Start {
			continue
		}
		p.m.References(s, func(f wasm.FunctionReference) {
			node := p.nodeOf[p.types[f.Function]]
			switch {
			case seen[f.Function]:
			case f.Function < p.imported:
				p.hosts[node] = true
			default:
				p.calls.to[node] = append(p.calls.to[node], int(f.Function-p.imported))
			}
			seen[f.Function] = true
		})
	}
	if seen[p.yield] {
		return fmt.Errorf("function %d, the yield, can be in a table", p.yield)
	}
	return nil
}
