package installer

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// entryGroup is the entry of a query's groups, from PostgreSQL 18 on.
const entryGroup = 9

// The kinds of SUBLINK whose rows are only compared, or only counted.
const (
	subLinkExists     = 0
	subLinkAll        = 1
	subLinkAny        = 2
	subLinkRowCompare = 3
)

// takesOne are PostgreSQL's own aggregates that give one of the values that they are given.
var takesOne = words("min max any_value mode percentile_disc percentile_cont")

// picks finds where a statement sees which of several equal values PostgreSQL took: the largest of
// 1.0 and 1.00 is one of them, and so is what stands for their group, or is left of them by DISTINCT
// or UNION. What only compares the value, or brings it to a fixed number of digits, sees no difference.
type picks struct {
	id    *identity
	names func(oid) string // of aggregates
	asked map[pick]bool    // columns that are being looked at
}

type pick struct {
	query  *querytree.Node
	number int
}

// level is a query around an expression.
type level struct {
	query *querytree.Node
	rows  bool // the expression is of single rows, as in WHERE and in an aggregate, not of groups
}

// picked refuses what shows one of several equal values.
func (j *judge) picked(nodes []*querytree.Node) {
	p := picks{j.identity, func(number oid) string {
		if f := j.cat.functions[number]; f != nil && f.builtIn() {
			return f.Name
		}
		return ""
	}, map[pick]bool{}}
	for _, n := range nodes {
		if found := p.shown(n, nil, false); found != nil {
			j.refuse(found, "round it to a number of digits, as in round(x, 2), or declare the column with a scale, as numeric(20, 2)",
				"it shows one of several values that are equal and not the same, as 1.0 and 1.00, and which of them differs from run to run")
		}
	}
}

// shown returns what is taken among equal values and seen in an expression or query; nil if nothing
// is. The outcome of a hidden expression is the same whichever value it has.
func (p *picks) shown(n *querytree.Node, within []level, hidden bool) *querytree.Node {
	switch n.Kind {
	case "QUERY":
		return p.within(n, within)
	case "VAR":
		if hidden {
			return nil
		}
		return p.column(n, within)
	case "AGGREF", "WINDOWFUNC":
		return p.aggregate(n, within, hidden)
	case "SUBLINK":
		return p.subLink(n, within, hidden)
	case "CASE", "CASEEXPR", "CASEWHEN", "WHEN":
		return p.first(
			p.anyOf(append(n.Nodes("arg"), n.Nodes("expr")...), within, false),
			p.anyOf(slices.Concat(n.Nodes("args"), n.Nodes("result"), n.Nodes("defresult")), within, hidden))
	case "FUNCEXPR":
		if args := n.Nodes("args"); p.id.hides[n] {
			return p.first(p.shown(args[0], within, true), p.anyOf(args[1:], within, false))
		}
		hidden = false
	case "TARGETENTRY", "RELABELTYPE", "COALESCE", "COALESCEEXPR", "MINMAX", "MINMAXEXPR", "COERCETODOMAIN", "ARRAY", "ARRAYEXPR":
	case "NULLTEST":
		hidden = true
	default:
		hidden = p.id.hides[n]
	}
	return p.anyOf(n.Children(), within, hidden)
}

func (p *picks) anyOf(nodes []*querytree.Node, within []level, hidden bool) *querytree.Node {
	for _, n := range nodes {
		if found := p.shown(n, within, hidden); found != nil {
			return found
		}
	}
	return nil
}

func (p *picks) first(found ...*querytree.Node) *querytree.Node {
	for _, n := range found {
		if n != nil {
			return n
		}
	}
	return nil
}

// within looks at what a query asks and writes. What it selects is looked at where it is used.
func (p *picks) within(q *querytree.Node, outer []level) *querytree.Node {
	ofRows, ofGroups := append(slices.Clip(outer), level{q, true}), append(slices.Clip(outer), level{q, false})
	for _, entry := range slices.Concat(q.Nodes("rtable"), q.Nodes("cteList")) {
		if entry.Int("rtekind") == entryJoin || entry.Int("rtekind") == entryGroup {
			continue // its columns are those of others
		}
		if found := p.anyOf(entry.Children(), ofRows, false); found != nil {
			return found
		}
	}
	if found := p.anyOf(slices.Concat(q.Nodes("jointree"), q.Nodes("mergeJoinCondition"), q.Nodes("mergeActionList"), q.Nodes("onConflict")), ofRows, false); found != nil {
		return found
	}
	if found := p.anyOf(slices.Concat(q.Nodes("havingQual"), q.Nodes("limitCount"), q.Nodes("limitOffset")), ofGroups, false); found != nil {
		return found
	}
	return p.anyOf(q.Nodes("targetList"), ofGroups, q.Int("commandType") == commandSelect)
}

// column looks at a column of a query's FROM clause, or of its groups.
func (p *picks) column(n *querytree.Node, within []level) *querytree.Node {
	at := len(within) - 1 - n.Int("varlevelsup")
	if at < 0 {
		return nil
	}
	q := within[at].query
	entries, number := q.Nodes("rtable"), n.Int("varattno")
	if n.Int("varno") < 1 || n.Int("varno") > len(entries) {
		return nil
	}
	if !within[at].rows && p.stands(q, n) {
		return n
	}
	entry := entries[n.Int("varno")-1]
	around := append(slices.Clip(within[:at]), level{q, true})
	switch entry.Int("rtekind") {
	case entryJoin, entryGroup:
		for i, column := range slices.Concat(entry.Nodes("joinaliasvars"), entry.Nodes("groupexprs")) {
			if number == wholeRow || number == i+1 {
				if found := p.shown(column, around, false); found != nil {
					return found
				}
			}
		}
	case entrySubquery:
		return p.selected(entry.Node("subquery"), around, number)
	case entryCTE:
		if up := at - entry.Int("ctelevelsup"); up >= 0 {
			for _, cte := range within[up].query.Nodes("cteList") {
				if cte.Text("ctename") == entry.Text("ctename") {
					return p.selected(cte.Node("ctequery"), append(slices.Clip(within[:up]), level{within[up].query, true}), number)
				}
			}
		}
	}
	return nil
}

// stands reports whether a column is one by which a query groups, so that it stands for all the
// group's that are equal. By a key of its table a group is of one row.
func (p *picks) stands(q *querytree.Node, n *querytree.Node) bool {
	entry := q.Nodes("rtable")[n.Int("varno")-1]
	if exprs := entry.Nodes("groupexprs"); entry.Int("rtekind") == entryGroup {
		i := n.Int("varattno") - 1
		return i >= 0 && i < len(exprs) && p.id.blurred[exprs[i]] && !p.keyed(q, "groupClause", exprs[i])
	}
	for _, by := range clauseOf(q, "groupClause") {
		if p.id.blurred[by] && mentions(by, n) && !p.keyed(q, "groupClause", by) {
			return true
		}
	}
	return false
}

// mentions reports whether an expression has a column of its own query in it.
func mentions(n, column *querytree.Node) bool {
	if n.Kind == "VAR" {
		return n.Int("varlevelsup") == 0 && n.Int("varno") == column.Int("varno") && n.Int("varattno") == column.Int("varattno")
	}
	return slices.ContainsFunc(n.Children(), func(below *querytree.Node) bool { return mentions(below, column) })
}

// clauseOf returns the expressions of a clause that names entries of the target list.
func clauseOf(q *querytree.Node, clause string) []*querytree.Node {
	var all []*querytree.Node
	for _, by := range q.Nodes(clause) {
		for _, target := range q.Nodes("targetList") {
			if target.Int("ressortgroupref") == by.Int("tleSortGroupRef") {
				all = append(all, ungrouped(q, target.Node("expr")))
			}
		}
	}
	return all
}

// ungrouped returns what a column of a query's groups is made of.
func ungrouped(q, n *querytree.Node) *querytree.Node {
	entries := q.Nodes("rtable")
	if n.Kind != "VAR" || n.Int("varlevelsup") != 0 || n.Int("varno") < 1 || n.Int("varno") > len(entries) {
		return n
	}
	if exprs, i := entries[n.Int("varno")-1].Nodes("groupexprs"), n.Int("varattno")-1; i >= 0 && i < len(exprs) {
		return exprs[i]
	}
	return n
}

// keyed reports whether a clause has all columns of a unique key of the table that a column is from.
func (p *picks) keyed(q *querytree.Node, clause string, column *querytree.Node) bool {
	if column.Kind != "VAR" || column.Int("varlevelsup") != 0 {
		return false
	}
	var has []int
	for _, by := range clauseOf(q, clause) {
		if by.Kind == "VAR" && by.Int("varlevelsup") == 0 && by.Int("varno") == column.Int("varno") {
			has = append(has, by.Int("varattno"))
		}
	}
	return slices.ContainsFunc(p.id.keys[q.Nodes("rtable")[column.Int("varno")-1]], func(k key) bool {
		return !slices.ContainsFunc(k, func(c keyColumn) bool { return !slices.Contains(has, c.number) })
	})
}

// selected looks at a column that a query gives, or at all for the whole row.
func (p *picks) selected(q *querytree.Node, outer []level, number int) *querytree.Node {
	if q == nil || p.asked[pick{q, number}] {
		return nil
	}
	p.asked[pick{q, number}] = true
	defer delete(p.asked, pick{q, number})
	list := q.Nodes("targetList")
	if q.Int("commandType") != commandSelect {
		list = q.Nodes("returningList")
	}
	for _, target := range list {
		value := target.Node("expr")
		if value == nil || target.Has("resjunk") || number != wholeRow && number != target.Int("resno") {
			continue
		}
		if merged(p.id, q.Node("setOperations"), target.Int("resno")) || p.id.blurred[value] && q.Has("distinctClause") && !q.Has("hasDistinctOn") && !p.keyed(q, "distinctClause", ungrouped(q, value)) {
			return value
		}
		if q.Has("limitCount") && p.tied(q, target) {
			return value
		}
		if found := p.shown(value, append(slices.Clip(outer), level{q, false}), false); found != nil {
			return found
		}
	}
	return nil
}

// tied reports whether a query orders its rows by an expression alone whose equal values may differ: which of
// them is the first is open.
func (p *picks) tied(q, target *querytree.Node) bool {
	sort := q.Nodes("sortClause")
	value := target.Node("expr")
	return len(sort) == 1 && target.Int("ressortgroupref") != 0 && sort[0].Int("tleSortGroupRef") == target.Int("ressortgroupref") &&
		p.id.blurred[value] && !p.keyed(q, "sortClause", ungrouped(q, value))
}

// merged reports whether a column of a set operation is one of several equal ones.
func merged(id *identity, operation *querytree.Node, number int) bool {
	const union = 1
	if operation == nil || operation.Kind != "SETOPERATIONSTMT" {
		return false
	}
	if columns := id.columns[operation]; number >= 1 && number <= len(columns) && columns[number-1] && !(operation.Int("op") == union && operation.Has("all")) {
		return true
	}
	return merged(id, operation.Node("larg"), number) || merged(id, operation.Node("rarg"), number)
}

// aggregate looks at an aggregate, or at a window function.
func (p *picks) aggregate(n *querytree.Node, within []level, hidden bool) *querytree.Node {
	name, args := p.names(n.OID("aggfnoid")), n.Nodes("args")
	if n.Kind == "WINDOWFUNC" {
		name = p.names(n.OID("winfnoid"))
	}
	inside := slices.Clone(within)
	if at := len(inside) - 1 - n.Int("agglevelsup"); n.Kind == "AGGREF" && at >= 0 {
		inside[at].rows = true
	}
	if !hidden && name != "count" && len(args) > 0 && p.id.blurred[args[0]] && (takesOne[name] || n.Has("aggdistinct")) {
		return n
	}
	if !hidden && len(n.Nodes("aggorder")) == 1 && p.ownOrder(n, args) {
		return n
	}
	return p.first(
		p.anyOf(args, inside, name == "count" || hidden && takesOne[name]),
		p.anyOf(slices.Concat(n.Nodes("aggdirectargs"), n.Nodes("aggfilter")), inside, false))
}

// ownOrder reports whether an aggregate takes values in the order of what they are made of alone, whose equal
// values may differ: 1.0 and 1.00 may come in either order.
func (p *picks) ownOrder(n *querytree.Node, args []*querytree.Node) bool {
	by := n.Nodes("aggorder")[0].Int("tleSortGroupRef")
	at := slices.IndexFunc(args, func(a *querytree.Node) bool { return a.Int("ressortgroupref") == by })
	if at < 0 || !p.id.blurred[args[at]] || len(args) == 0 {
		return false
	}
	return !otherColumns(args[0].Node("expr"), args[at].Node("expr"))
}

// otherColumns reports whether an expression has a column that another one has not.
func otherColumns(n, other *querytree.Node) bool {
	if n.Kind == "VAR" {
		return !mentions(other, n)
	}
	return slices.ContainsFunc(n.Children(), func(below *querytree.Node) bool { return otherColumns(below, other) })
}

// subLink looks at a query in an expression.
func (p *picks) subLink(n *querytree.Node, within []level, hidden bool) *querytree.Node {
	query := n.Node("subselect")
	test := n.Node("testexpr")
	switch n.Int("subLinkType") {
	case subLinkExists:
		hidden = true
	case subLinkAll, subLinkAny, subLinkRowCompare:
		hidden = test != nil && p.id.hides[test]
	}
	if test != nil {
		if found := p.shown(test, within, false); found != nil {
			return found
		}
	}
	if found := p.within(query, within); found != nil || hidden {
		return found
	}
	return p.selected(query, within, wholeRow)
}
