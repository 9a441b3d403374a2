package installer

import (
	"context"
	"slices"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// The kinds of RANGETBLENTRY, and of JOINEXPR, that are told apart here.
const (
	entryRelation = 0
	entrySubquery = 1
	entryJoin     = 2
	entryCTE      = 6

	joinInner = 0
	joinLeft  = 1
	joinRight = 3
)

// columnOf is a column of an entry of a query's range table.
type columnOf struct{ entry, number int }

// matches finds out what UPDATE … FROM takes where a row of the target has several matches: which
// of them it is, PostgreSQL does not say. What is taken must be the same in all of them. A source
// has one match if the condition gives all columns of a unique key of it; a column is the same in all
// if the condition gives it. Of sources of which no key can be known, as VALUES, functions of the
// statemap's arrays, and unions are, it is left to the author.
type matches struct {
	j       *judge
	query   *querytree.Node
	target  int               // the entry that is changed; 0 in a subquery
	given   map[columnOf]bool // columns that are the same in all matches
	settled map[int]bool      // entries that have one match, or are nobody's business
}

// equality is a comparison that holds in every match, of which one side gives the other if that
// is in one of the entries.
type equality struct {
	left, right *querytree.Node
	within      map[int]bool // nil for all
}

// matched refuses an UPDATE that takes values of one of several rows.
func (j *judge) matched(ctx context.Context, n *querytree.Node) error {
	m, err := j.newMatches(ctx, n, n.Int("resultRelation"))
	if err != nil {
		return err
	}
	for _, list := range []string{"targetList", "returningList"} {
		for _, taken := range n.Nodes(list) {
			if source := m.undecided(taken, 0); source != 0 {
				name := n.Nodes("rtable")[source-1].Node("eref").Text("aliasname")
				j.refuse(taken, "compare all columns of a unique index of "+name+", or take the value from a query with GROUP BY, or with ORDER BY and LIMIT 1",
					"a row may match several rows of %s, and which of them it takes differs from run to run", name)
				return nil
			}
		}
	}
	return nil
}

func (j *judge) newMatches(ctx context.Context, query *querytree.Node, target int) (*matches, error) {
	m := &matches{j: j, query: query, target: target, given: map[columnOf]bool{}, settled: map[int]bool{}}
	var equalities []equality
	for _, from := range query.Nodes("jointree") {
		if err := m.collect(ctx, from, &equalities); err != nil {
			return nil, err
		}
	}
	keys := map[int][][]int{}
	for i, entry := range query.Nodes("rtable") {
		all, known, err := m.keys(ctx, entry)
		if err != nil {
			return nil, err
		}
		keys[i+1], m.settled[i+1] = all, !known
	}
	for changed := true; changed; {
		changed = false
		for _, e := range equalities {
			changed = m.give(e.left, e.right, e.within) || changed
			changed = m.give(e.right, e.left, e.within) || changed
		}
		for entry, all := range keys {
			if !m.settled[entry] && slices.ContainsFunc(all, func(key []int) bool { return m.covers(entry, key) }) {
				m.settled[entry], changed = true, true
			}
		}
	}
	return m, nil
}

// give notes that a column is given by what it equals.
func (m *matches) give(column, by *querytree.Node, within map[int]bool) bool {
	for column.Kind == "RELABELTYPE" {
		column = column.Node("arg")
	}
	c := columnOf{column.Int("varno"), column.Int("varattno")}
	if column.Kind != "VAR" || column.Int("varlevelsup") != 0 || m.given[c] || within != nil && !within[c.entry] || m.undecided(by, 0) != 0 {
		return false
	}
	m.given[c] = true
	return true
}

// covers reports whether all columns of a key of an entry are given, and what a lateral query of
// one row looks at too.
func (m *matches) covers(entry int, key []int) bool {
	e := m.query.Nodes("rtable")[entry-1]
	if e.Has("lateral") && m.undecided(e, 0) != 0 {
		return false
	}
	return !slices.ContainsFunc(key, func(number int) bool { return !m.given[columnOf{entry, number}] })
}

// undecided returns an entry of which a column stands in an expression that is not the same in all
// matches; 0 if there is none.
func (m *matches) undecided(n *querytree.Node, level int) int {
	if n.Kind == "VAR" {
		if n.Int("varlevelsup") != level {
			return 0
		}
		return m.undecidedColumn(columnOf{n.Int("varno"), n.Int("varattno")})
	}
	for _, below := range n.Children() {
		inner := level
		if below.Kind == "QUERY" {
			inner++
		}
		if entry := m.undecided(below, inner); entry != 0 {
			return entry
		}
	}
	return 0
}

func (m *matches) undecidedColumn(c columnOf) int {
	entries := m.query.Nodes("rtable")
	if c.entry == m.target || c.entry < 1 || c.entry > len(entries) || m.settled[c.entry] || m.given[c] {
		return 0
	}
	entry := entries[c.entry-1]
	if entry.Int("rtekind") != entryJoin {
		return c.entry
	}
	for i, alias := range entry.Nodes("joinaliasvars") {
		if c.number == i+1 || c.number == wholeRow {
			if undecided := m.undecided(alias, 0); undecided != 0 {
				return undecided
			}
		}
	}
	return 0
}

// collect finds the comparisons that hold in every match: those of the condition and of joins. That
// of an outer join says nothing of the side whose rows all stay.
func (m *matches) collect(ctx context.Context, from *querytree.Node, into *[]equality) error {
	var within map[int]bool
	if from.Kind == "JOINEXPR" {
		switch from.Int("jointype") {
		case joinInner:
		case joinLeft:
			within = entriesOf(from.Nodes("rarg"))
		case joinRight:
			within = entriesOf(from.Nodes("larg"))
		default:
			within = map[int]bool{}
		}
	}
	if err := m.compared(ctx, from.Nodes("quals"), within, into); err != nil {
		return err
	}
	for _, part := range []string{"fromlist", "larg", "rarg"} {
		for _, item := range from.Nodes(part) {
			if err := m.collect(ctx, item, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// entriesOf returns the entries of a part of a FROM clause.
func entriesOf(from []*querytree.Node) map[int]bool {
	all := map[int]bool{}
	for _, n := range from {
		all[n.Int("rtindex")] = true
		for entry := range entriesOf(append(n.Nodes("larg"), n.Nodes("rarg")...)) {
			all[entry] = true
		}
	}
	return all
}

// compared finds the comparisons in conditions that all must hold.
func (m *matches) compared(ctx context.Context, quals []*querytree.Node, within map[int]bool, into *[]equality) error {
	for _, q := range quals {
		if q.Kind == "BOOLEXPR" && q.Text("boolop") == "and" {
			if err := m.compared(ctx, q.Nodes("args"), within, into); err != nil {
				return err
			}
		}
		args := q.Nodes("args")
		if q.Kind != "OPEXPR" || len(args) != 2 {
			continue
		}
		same, err := m.j.cat.isEquality(ctx, q.OID("opno"))
		if err != nil {
			return err
		}
		if same {
			*into = append(*into, equality{args[0], args[1], within})
		}
	}
	return nil
}

// keys returns the columns that tell the rows of an entry apart, each set of them; known is false
// where it cannot be seen whether there are any. Of a join its parts are asked.
func (m *matches) keys(ctx context.Context, entry *querytree.Node) (keys [][]int, known bool, err error) {
	switch entry.Int("rtekind") {
	case entryJoin:
		return nil, true, nil
	case entryRelation:
		r, err := m.j.cat.relation(ctx, entry.OID("relid"))
		if err != nil || r.Kind == "v" {
			return nil, false, err
		}
		keys, err = m.j.cat.uniqueKeys(ctx, r.Number)
		return keys, true, err
	case entrySubquery:
		return m.j.keysOf(ctx, entry.Node("subquery"))
	case entryCTE:
		for _, cte := range m.query.Nodes("cteList") {
			if entry.Int("ctelevelsup") == 0 && cte.Text("ctename") == entry.Text("ctename") {
				return m.j.keysOf(ctx, cte.Node("ctequery"))
			}
		}
	}
	return nil, false, nil
}

// keysOf returns the columns that tell the rows of a query apart, as keys does.
func (j *judge) keysOf(ctx context.Context, query *querytree.Node) (keys [][]int, known bool, err error) {
	from := query.Node("jointree")
	switch {
	case query.Int("commandType") != commandSelect, query.Has("setOperations"), query.Has("hasTargetSRFs"), from == nil:
		return nil, false, nil
	case len(from.Nodes("fromlist")) == 0, isOne(query.Node("limitCount")),
		query.Has("hasAggs") && !query.Has("groupClause") && !query.Has("groupingSets"):
		return [][]int{{}}, true, nil // one row
	}
	for _, clause := range []string{"groupClause", "distinctClause"} {
		if query.Has(clause) && !query.Has("groupingSets") {
			if key, found := selectedBy(query, query.Nodes(clause)); found {
				keys = append(keys, key)
			}
			known = true
		}
	}
	list := from.Nodes("fromlist")
	if known || query.Has("groupingSets") || len(list) != 1 || list[0].Kind != "RANGETBLREF" {
		return keys, known, nil
	}
	inner, err := j.newMatches(ctx, query, 0)
	if err != nil {
		return nil, false, err
	}
	entry := list[0].Int("rtindex")
	below, known, err := inner.keys(ctx, query.Nodes("rtable")[entry-1])
	for _, key := range below {
		if outer, found := inner.selected(entry, key); found {
			keys = append(keys, outer)
		}
	}
	return keys, known, err
}

// selectedBy returns the columns of a query by which it groups, if they are all selected.
func selectedBy(query *querytree.Node, clause []*querytree.Node) (key []int, found bool) {
	for _, by := range clause {
		at := slices.IndexFunc(query.Nodes("targetList"), func(n *querytree.Node) bool {
			return n.Int("ressortgroupref") == by.Int("tleSortGroupRef") && !n.Has("resjunk")
		})
		if at < 0 {
			return nil, false
		}
		key = append(key, query.Nodes("targetList")[at].Int("resno"))
	}
	return key, true
}

// selected returns the columns of a subquery that are the columns of a key of its one entry,
// without those that its condition gives.
func (m *matches) selected(entry int, key []int) (outer []int, found bool) {
	for _, number := range key {
		if m.given[columnOf{entry, number}] {
			continue
		}
		at := slices.IndexFunc(m.query.Nodes("targetList"), func(n *querytree.Node) bool {
			v := n.Node("expr")
			return v != nil && v.Kind == "VAR" && v.Int("varno") == entry && v.Int("varattno") == number && v.Int("varlevelsup") == 0 && !n.Has("resjunk")
		})
		if at < 0 {
			return nil, false
		}
		outer = append(outer, m.query.Nodes("targetList")[at].Int("resno"))
	}
	return outer, true
}

// isOne reports whether an expression is the number 1, which LIMIT makes a bigint.
func isOne(n *querytree.Node) bool {
	for n != nil && n.Kind == "FUNCEXPR" && len(n.Nodes("args")) == 1 {
		n = n.Nodes("args")[0]
	}
	return n != nil && n.Kind == "CONST" && wordOf(n.Bytes()) == 1
}
