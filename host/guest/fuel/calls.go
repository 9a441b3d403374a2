package fuel

import "github.com/ichor-replicator/ichor/host/guest/wasm"

// summary is what callers must know of a function to charge for it and to check in time; in units.
type summary struct {
	paid    int64 // that the caller is charged with
	enter   int64 // the longest way from its entry to a check, or to its end
	through int64 // the longest way through it without a check; nowhere if there is none
	leave   int64 // the longest way from its last check to its end; nowhere if there is none
	circle  bool  // it may be called again before it returns
}

// The summaries of what is not analysed: a function of the host's; a function that may be called again
// before it returns, which is checked at its entry; and a bulk operation after the check of its size.
var (
	ofHost      = summary{paid: priceHost, enter: priceHost, through: nowhere, leave: 0}
	ofCircle    = summary{paid: 8, enter: longestEnter, through: nowhere, leave: longestTail, circle: true}
	checkedSize = summary{through: nowhere, leave: priceBulk}
)

// calls has the summary of every function that has been analysed so far.
type calls struct {
	*graph
	*reachable
	m         *wasm.Module
	imported  uint32
	summaries []summary // of the graph's nodes
}

func newCalls(m *wasm.Module) (*calls, error) {
	g, t, err := survey(m)
	if err != nil {
		return nil, err
	}
	c := &calls{graph: g, reachable: t, m: m, imported: uint32(m.Imported(wasm.KindFunction)), summaries: make([]summary, len(g.cyclic))}
	for n := range c.summaries {
		if g.cyclic[n] {
			c.summaries[n] = ofCircle
		}
	}
	return c, nil
}

func (c *calls) typeOf(function uint32) *wasm.FuncType { return &c.m.Types[c.types[function]] }

// direct returns the summary of a function by its index.
func (c *calls) direct(function uint32) *summary {
	if function < c.imported {
		return &ofHost
	}
	return &c.summaries[function-c.imported]
}

// indirect returns the summary of whatever of a type can be called through a table.
func (c *calls) indirect(typeIndex uint32) *summary {
	return &c.summaries[len(c.m.Bodies)+int(c.numbers[typeIndex])]
}

// ofType joins the summaries of the functions of a type.
func (c *calls) ofType(number uint32) summary {
	all := summary{through: nowhere, leave: nowhere}
	for _, f := range c.byType[number] {
		one := c.direct(f)
		all.paid, all.enter = max(all.paid, one.paid), max(all.enter, one.enter)
		all.through, all.leave = max(all.through, one.through), max(all.leave, one.leave)
		all.circle = all.circle || one.circle
	}
	return all
}

// analyse analyses a function's body, and again, checked at the entry, if control could go
// on in it for too long without a check.
func (c *calls) analyse(a *analysis, f uint32, r *wasm.Reader, s *space) error {
	b := &c.m.Bodies[f]
	if err := a.analyse(b, r, s, false); err != nil {
		return err
	}
	unchecked := a.enter <= longestEnter
	if c.cyclic[f] {
		unchecked = a.enter <= ofCircle.enter && a.exit.fresh == nowhere && !a.circle
	}
	if !unchecked {
		if err := a.analyse(b, r, s, true); err != nil {
			return err
		}
	}
	entry, paid := &a.edits[0], int64(0)
	most := int64(mostPaid)
	if c.cyclic[f] {
		most = ofCircle.paid
	}
	if entry.kind == charge && entry.units <= most {
		paid, entry.units = entry.units, 0
	}
	if !c.cyclic[f] {
		c.summaries[f] = summary{paid: paid, enter: a.enter, through: a.exit.fresh, leave: a.exit.since}
	}
	return nil
}
