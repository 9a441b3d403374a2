package sim

import (
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// class is what a log says of a version.
type class int

// The classes.
const (
	undecided   class = iota
	aborted           // settles without effects
	duplicate         // settles without effects
	empty             // settles without effects: it asks for none, or its guest skips it
	installable       // takes effect, perhaps after a cure
	poison            // never takes effect, and what conflicts with it waits for ever
)

// account is one row that versions write.
type account struct {
	balance int64         // non-idempotent: each version adds to it, and the sum of all stays 0
	mixed   uint64        // depends on the order of all writes, and on what the writers read
	version talos.Version // the last that wrote it
	writes  int           // how many versions did
}

// node is a version that has effects, or would have.
type node struct {
	*candidate
	class class
	below []*node // that conflict with it and have effects or would have; the nearest ones only
	rank  []int   // by what it writes: how many versions write the account before it
	stops bool    // it waits for ever: it is poison or undecided, or conflicts with one that waits
}

// truth is what a log says: the class of each version, which conflict, and what a serial replay of the
// versions that take effect leaves in each account after each write. It is made from the log alone.
type truth struct {
	classes map[talos.Version]class
	nodes   []*node // ascending
	byPlace map[talos.Version]*node
	after   [][]account       // by account, after each of its writes
	writers [][]talos.Version // by account, the versions that do so
	inOrder bool              // everything conflicts with everything
	keyless []*node
}

// classOf says what a log says of a candidate.
func classOf(c *candidate) class {
	switch d := c.binding; {
	case d == nil:
		return undecided
	case d.Contradictory:
		return poison
	case d.Outcome == talos.Aborted:
		return aborted
	case d.Duplicate:
		return duplicate
	case c.kind == suffix.Empty || c.kind == suffix.Installable && c.skipped:
		return empty
	case c.kind != suffix.Installable || c.accepted == never || c.refusal != "" && c.forever:
		return poison
	}
	return installable
}

// newTruth reads a log.
func newTruth(h *history, accounts int, inOrder bool) *truth {
	t := &truth{
		classes: map[talos.Version]class{}, byPlace: map[talos.Version]*node{}, inOrder: inOrder,
		after: make([][]account, accounts), writers: make([][]talos.Version, accounts),
	}
	lines := map[uint64]*line{}
	var before *node // the version before, where everything is in order
	for _, c := range h.candidates {
		class := classOf(c)
		t.classes[c.version] = class
		if class == aborted || class == duplicate || class == empty {
			continue
		}
		n := &node{candidate: c, class: class}
		t.conflicts(n, lines)
		if inOrder && before != nil {
			n.below = append(n.below, before)
		}
		before = n
		n.stops = class != installable
		for _, b := range n.below {
			n.stops = n.stops || b.stops
		}
		t.nodes, t.byPlace[c.version] = append(t.nodes, n), n
		if class == installable {
			t.replay(n)
		}
	}
	return t
}

// line is who touched a key last.
type line struct {
	write *node
	reads []*node // since
}

// conflicts finds the nearest versions that conflict with a node.
func (t *truth) conflicts(n *node, lines map[uint64]*line) {
	if len(n.keys) == 0 {
		n.below = append(n.below, t.nodes...)
		t.keyless = append(t.keyless, n)
		return
	}
	if k := len(t.keyless); k > 0 {
		n.below = append(n.below, t.keyless[k-1])
	}
	for _, k := range n.keys {
		l := lines[k.Hash()]
		if l == nil {
			l = &line{}
			lines[k.Hash()] = l
		}
		if l.write != nil {
			n.below = append(n.below, l.write)
		}
		if k.Writes() {
			n.below = append(n.below, l.reads...)
			l.write, l.reads = n, nil
		} else {
			l.reads = append(l.reads, n)
		}
	}
}

// replay installs a version as a single connection would that takes one after the other.
func (t *truth) replay(n *node) {
	read := uint64(0)
	for _, a := range n.reads {
		read += t.latest(a).mixed
	}
	for i, a := range n.writes {
		n.rank = append(n.rank, len(t.after[a]))
		t.after[a] = append(t.after[a], written(t.latest(a), n.candidate, i, read))
		t.writers[a] = append(t.writers[a], n.version)
	}
}

func (t *truth) latest(a int) account {
	if n := len(t.after[a]); n > 0 {
		return t.after[a][n-1]
	}
	return account{}
}

// written is what the i-th write of a candidate makes of an account, given what it reads.
func written(a account, c *candidate, i int, read uint64) account {
	return account{
		balance: a.balance + c.amounts[i],
		mixed:   (a.mixed*31+uint64(c.version)+read)*0x9e3779b97f4a7c15 + uint64(c.amounts[i]),
		version: c.version,
		writes:  a.writes + 1,
	}
}
