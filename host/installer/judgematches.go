package installer

import (
	"context"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// The kinds of RANGETBLENTRY, and of JOINEXPR, that are told apart here.
const (
	entryRelation = 0
	entrySubquery = 1
	entryJoin     = 2
	entryValues   = 5
	entryCTE      = 6

	joinInner = 0
	joinLeft  = 1
	joinRight = 3
)

// columnOf is a column of an entry of a query's range table.
type columnOf struct{ entry, number int }

// matches finds out what UPDATE … FROM takes, and DELETE … USING returns, where a row of the target has several matches: which
// of them it is, PostgreSQL does not say. What is taken must be the same in all of them. A source
// has one match if the condition gives all columns of a unique key of it; a column is the same in all
// if the condition gives it, by an equality that tells apart what is not the same. Of sources of which no key can be known, as functions of the statemap's
// arrays and unions are, it is left to the author.
type matches struct {
	j          *judge
	query      *querytree.Node
	target     int // the entry that is changed; 0 in a subquery
	equalities []equality
	keys       map[int][]key               // the columns that tell the rows of an entry apart, each set of them
	rows       map[int][][]*querytree.Node // of VALUES of constants
	inner      map[int]*matches            // of queries whose rows are those of their FROM clause

	given   map[columnOf]bool            // columns that are the same in all matches
	alike   map[columnOf][]equalityClass // columns that are equal in all matches, in these senses
	settled map[int]bool                 // entries that have one match, or are nobody's business
}

// equality is a comparison that holds in every match, of which one side gives the other if that
// is in one of the entries.
type equality struct {
	left, right *querytree.Node
	within      map[int]bool // nil for all
	classes     []equalityClass
	own         bool // somebody's own operator, of which nobody knows what it calls equal
}

// withTies is the option of a LIMIT that gives also the rows which are equal to the last one by ORDER BY.
const withTies = 1

// matched refuses an UPDATE or a DELETE that takes values of one of several rows.
func (j *judge) matched(ctx context.Context, n *querytree.Node) error {
	m, err := j.newMatches(ctx, n, n.Int("resultRelation"))
	if err != nil {
		return err
	}
	for _, list := range []string{"targetList", "returningList"} {
		for _, taken := range n.Nodes(list) {
			if source := m.undecided(taken, 0, false); source != 0 {
				name := n.Nodes("rtable")[source-1].Node("eref").Text("aliasname")
				j.refuse(taken, "compare all columns of a unique index of "+name+", or take the value from a query with GROUP BY, or with LIMIT 1 and ORDER BY of all columns of a unique index",
					"a row may match several rows of %s, and which of them it takes differs from run to run", name)
				return nil
			}
		}
	}
	return nil
}

func (j *judge) newMatches(ctx context.Context, query *querytree.Node, target int) (*matches, error) {
	m := &matches{
		j: j, query: query, target: target, keys: map[int][]key{}, rows: map[int][][]*querytree.Node{}, inner: map[int]*matches{},
		given: map[columnOf]bool{}, alike: map[columnOf][]equalityClass{}, settled: map[int]bool{},
	}
	for _, from := range query.Nodes("jointree") {
		m.collect(from)
	}
	for i, entry := range query.Nodes("rtable") {
		known, err := m.look(ctx, i+1, entry)
		if err != nil {
			return nil, err
		}
		m.settled[i+1] = !known
	}
	m.spread()
	return m, nil
}

// spread follows equalities and keys from what is given until nothing more follows.
func (m *matches) spread() {
	for changed := true; changed; {
		changed = false
		for _, e := range m.equalities {
			changed = m.give(e.left, e.right, e) || changed
			changed = m.give(e.right, e.left, e) || changed
		}
		for entry := range m.query.Nodes("rtable") {
			if entry++; !m.settled[entry] && m.tellsApart(entry) {
				m.settled[entry], changed = true, true
			}
		}
	}
}

// tellsApart reports whether what is given tells the rows of an entry apart.
func (m *matches) tellsApart(entry int) bool {
	if rows := m.rows[entry]; rows != nil {
		return m.differ(entry, rows)
	}
	return slices.ContainsFunc(m.keys[entry], func(k key) bool { return m.covers(entry, k) })
}

// differ reports whether rows of constants differ in the columns that are given.
func (m *matches) differ(entry int, rows [][]*querytree.Node) bool {
	seen := map[string]bool{}
	for _, row := range rows {
		key := ""
		for i, n := range row {
			if m.given[columnOf{entry, i + 1}] {
				key += fmt.Sprintf("%t %x ", n.Has("constisnull"), n.Bytes())
			}
		}
		if seen[key] {
			return false
		}
		seen[key] = true
	}
	return true
}

// give notes that a column is given by what it equals.
func (m *matches) give(column, by *querytree.Node, e equality) bool {
	identical, classes := !m.j.identity.blurred[column] && !e.own, e.classes
	column = unlabelled(column)
	if e.within != nil && !e.within[column.Int("varno")] {
		return false
	}
	if m.undecided(by, 0, false) != 0 {
		if classes = m.shared(by, classes); classes == nil {
			return false
		}
		identical = false
	}
	return m.note(column, classes, identical)
}

// note is give, and for the columns of queries below.
func (m *matches) note(column *querytree.Node, classes []equalityClass, identical bool) bool {
	column = unlabelled(column)
	c := columnOf{column.Int("varno"), column.Int("varattno")}
	fresh := slices.DeleteFunc(slices.Clone(classes), func(class equalityClass) bool { return slices.Contains(m.alike[c], class) })
	if column.Kind != "VAR" || column.Int("varlevelsup") != 0 || m.given[c] || !identical && len(fresh) == 0 {
		return false
	}
	m.given[c] = identical
	m.alike[c] = append(m.alike[c], fresh...)
	if inner := m.inner[c.entry]; inner != nil {
		if below := inner.selected(c.number); below != nil && inner.note(below, classes, identical) {
			inner.spread()
		}
	}
	return true
}

// unlabelled returns an expression without casts that leave its bytes as they are.
func unlabelled(n *querytree.Node) *querytree.Node {
	for n.Kind == "RELABELTYPE" {
		n = n.Node("arg")
	}
	return n
}

// shared returns in which of some senses a column is equal in all matches.
func (m *matches) shared(n *querytree.Node, classes []equalityClass) []equalityClass {
	if n = unlabelled(n); n.Kind != "VAR" || n.Int("varlevelsup") != 0 {
		return nil
	}
	var both []equalityClass
	for _, class := range m.alike[columnOf{n.Int("varno"), n.Int("varattno")}] {
		if slices.Contains(classes, class) {
			both = append(both, class)
		}
	}
	return both
}

// selected returns what a query selects as one of its columns; nil if there is none.
func (m *matches) selected(number int) *querytree.Node {
	for _, n := range m.query.Nodes("targetList") {
		if n.Int("resno") == number {
			return n.Node("expr")
		}
	}
	return nil
}

// covers reports whether all columns of a key of an entry are given, at least in the sense in which the
// key tells rows apart, and what a lateral query of one row looks at too.
func (m *matches) covers(entry int, k key) bool {
	e := m.query.Nodes("rtable")[entry-1]
	if e.Has("lateral") && m.undecided(e, 0, false) != 0 {
		return false
	}
	return !slices.ContainsFunc(k, func(by keyColumn) bool {
		c := columnOf{entry, by.number}
		return !m.given[c] && !slices.Contains(m.alike[c], by.class)
	})
}

// undecided returns an entry of which a column stands in an expression that is not the same in all
// matches; 0 if there is none. Of a hidden expression it is enough that it is equal in all.
func (m *matches) undecided(n *querytree.Node, level int, hidden bool) int {
	if n.Kind == "VAR" {
		if n.Int("varlevelsup") != level {
			return 0
		}
		c := columnOf{n.Int("varno"), n.Int("varattno")}
		if hidden && len(m.alike[c]) > 0 {
			return 0
		}
		return m.undecidedColumn(c)
	}
	for i, below := range n.Children() {
		inner := level
		if below.Kind == "QUERY" {
			inner++
		}
		hides := m.j.identity.hides[n] && (n.Kind != "FUNCEXPR" || i == 0) || hidden && n.Kind == "RELABELTYPE"
		if entry := m.undecided(below, inner, hides); entry != 0 {
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
	if inner := m.inner[c.entry]; inner != nil && !(entry.Has("lateral") && m.undecided(entry, 0, false) != 0) {
		for _, n := range inner.query.Nodes("targetList") {
			if (c.number == wholeRow || c.number == n.Int("resno")) && inner.undecided(n, 0, false) != 0 {
				return c.entry
			}
		}
		return 0
	}
	if entry.Int("rtekind") != entryJoin {
		return c.entry
	}
	for i, alias := range entry.Nodes("joinaliasvars") {
		if c.number == i+1 || c.number == wholeRow {
			if undecided := m.undecided(alias, 0, false); undecided != 0 {
				return undecided
			}
		}
	}
	return 0
}

// look finds out what tells the rows of an entry apart; known is false where it cannot be seen. Of a
// join its parts are asked.
func (m *matches) look(ctx context.Context, number int, entry *querytree.Node) (known bool, err error) {
	switch entry.Int("rtekind") {
	case entryJoin:
		return true, nil
	case entryRelation:
		r, err := m.j.cat.relation(ctx, entry.OID("relid"))
		if err != nil || r.Kind == "v" {
			return false, err
		}
		m.keys[number] = m.j.identity.keys[entry]
		return true, nil
	case entryValues:
		for _, row := range entry.Lists("values_lists") {
			if slices.ContainsFunc(row, func(n *querytree.Node) bool { return n.Kind != "CONST" }) {
				return false, nil
			}
			m.rows[number] = append(m.rows[number], row)
		}
		return true, nil
	case entrySubquery:
		return m.lookInto(ctx, number, entry.Node("subquery"))
	case entryCTE:
		for _, cte := range m.query.Nodes("cteList") {
			if entry.Int("ctelevelsup") == 0 && cte.Text("ctename") == entry.Text("ctename") {
				return m.lookInto(ctx, number, cte.Node("ctequery"))
			}
		}
	}
	return false, nil
}

// lookInto is look for an entry that is a query.
func (m *matches) lookInto(ctx context.Context, number int, query *querytree.Node) (known bool, err error) {
	from := query.Node("jointree")
	grouped := query.Has("groupClause") || query.Has("distinctClause")
	switch {
	case query.Int("commandType") != commandSelect, query.Has("setOperations"), query.Has("hasTargetSRFs"), query.Has("groupingSets"), from == nil:
		return false, nil
	case len(from.Nodes("fromlist")) == 0, isOne(query.Node("limitCount")) && query.Int("limitOption") != withTies, query.Has("hasAggs") && !query.Has("groupClause"):
		m.keys[number] = []key{{}} // one row
	case grouped:
		for _, clause := range []string{"groupClause", "distinctClause"} {
			if k, found := m.j.selectedBy(query, query.Nodes(clause)); found && query.Has(clause) {
				m.keys[number] = append(m.keys[number], k)
			}
		}
	default:
		m.inner[number], err = m.j.newMatches(ctx, query, 0)
	}
	return true, err
}

// selectedBy returns the columns of a query by which it groups, if they are all selected.
func (j *judge) selectedBy(query *querytree.Node, clause []*querytree.Node) (k key, found bool) {
	for _, by := range clause {
		at := slices.IndexFunc(query.Nodes("targetList"), func(n *querytree.Node) bool {
			return n.Int("ressortgroupref") == by.Int("tleSortGroupRef") && !n.Has("resjunk")
		})
		if at < 0 || len(j.identity.classes[by]) == 0 {
			return nil, false
		}
		k = append(k, keyColumn{query.Nodes("targetList")[at].Int("resno"), j.identity.classes[by][0]})
	}
	return k, true
}

// isOne reports whether an expression is the number 1, which LIMIT makes a bigint.
func isOne(n *querytree.Node) bool {
	for n != nil && n.Kind == "FUNCEXPR" && len(n.Nodes("args")) == 1 {
		n = n.Nodes("args")[0]
	}
	return n != nil && n.Kind == "CONST" && wordOf(n.Bytes()) == 1
}
