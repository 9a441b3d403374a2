package sqlpolicy

import (
	"slices"
	"strconv"
	"strings"
)

// A formula is the skeleton of a condition: AND, OR and NOT over atoms, each of which says
// something about a row, or about none. It is what tells "b = 1" from "b = b": a condition
// that no row of the target can make false changes every row.
type formula struct {
	op    byte // '&', '|', '!', '?' if-then-else, 't' true, 'f' false, 'a' atom, '<' comparison
	parts []formula

	atom int // of an atom: which
	// Of a comparison of a subject with a limit: for which places of the subject it is true.
	subject             int
	limit               string
	below, equal, above bool
}

var (
	always = formula{op: 't'}
	never  = formula{op: 'f'}
)

func and(parts ...formula) formula { return formula{op: '&', parts: parts} }
func or(parts ...formula) formula  { return formula{op: '|', parts: parts} }
func not(part formula) formula     { return formula{op: '!', parts: []formula{part}} }

// condition reads a condition on the rows of a target. Its other names are those of the same
// table: a join of the table with itself may take every row for its own partner.
type condition struct {
	schema   string          // of relations that are named without one
	target   node            // the RangeVar
	names    map[string]bool // by which its columns are known
	with     map[string]bool // whether a common table expression is the target's table once more
	atoms    map[string]int  // by canonical text
	free     []bool          // the atom says nothing about the target's row
	subjects map[string]int  // of comparisons, by canonical text
	limits   [][]string      // of each subject, what it is compared with
}

// newCondition returns the reader of a condition of a statement on a target, beside which from is read.
func newCondition(schema string, statement, target node, from any) *condition {
	c := &condition{schema: schema, target: target, names: map[string]bool{}, with: map[string]bool{}, atoms: map[string]int{}, subjects: map[string]int{}}
	list, _ := anyNode(statement["withClause"])["ctes"].([]any)
	for _, item := range list { // each sees those before it
		cte := anyNode(anyNode(item)["CommonTableExpr"])
		c.with[textOf(cte["ctename"])] = cte["aliascolnames"] == nil && c.isCopy(anyNode(cte["ctequery"]))
	}
	name := textOf(target["relname"])
	if alias, found := target["alias"].(node); found {
		name = textOf(alias["aliasname"])
	}
	c.names[name] = true
	eachRelation(from, func(name string, relation node) {
		if c.isTarget(relation) {
			c.names[name] = true
		}
	})
	return c
}

// isTarget reports whether an item of a FROM clause is the target's table once more, also by way of a
// query that selects its columns as they are.
func (c *condition) isTarget(relation node) bool {
	for _, body := range relation { // one
		if alias, _ := anyNode(body)["alias"].(node); alias["colnames"] != nil {
			return false // its columns have other names
		}
	}
	if sub, found := relation["RangeSubselect"].(node); found {
		return c.isCopy(anyNode(sub["subquery"]))
	}
	r, found := relation["RangeVar"].(node)
	if copied, isCTE := c.with[textOf(r["relname"])]; isCTE && r["schemaname"] == nil {
		return copied
	}
	return found && r["relname"] == c.target["relname"] && c.schemaOf(r) == c.schemaOf(c.target)
}

func (c *condition) schemaOf(relation node) string {
	if schema := textOf(relation["schemaname"]); schema != "" {
		return schema
	}
	return c.schema
}

// isCopy reports whether a query selects columns of the target's table, of all its rows.
func (c *condition) isCopy(query node) bool {
	s, _ := query["SelectStmt"].(node)
	for name := range s {
		if name != "targetList" && name != "fromClause" && name != "limitOption" && name != "op" {
			return false
		}
	}
	from, _ := s["fromClause"].([]any)
	list, _ := s["targetList"].([]any)
	return len(from) == 1 && c.isTarget(anyNode(from[0])) && !slices.ContainsFunc(list, func(item any) bool {
		selected := anyNode(anyNode(item)["ResTarget"])
		path := names(anyNode(anyNode(selected["val"])["ColumnRef"])["fields"])
		return len(path) == 0 || selected["name"] != nil && selected["name"] != path[len(path)-1]
	})
}

// The most assignments of truth that are tried of what says nothing about the row, and for
// each of them of what does. A condition that is never seen false is taken to be always true.
const (
	mostFree  = 1 << 6
	mostTried = 1 << 11
)

// binds reports whether the parts of a condition of UPDATE, DELETE or MERGE, all of which must
// hold, spare a row whatever the parameters are: one of them does, or all together.
func (c *checker) binds(statement, target node, from any, wheres ...any) bool {
	parts := conjuncts(wheres)
	alone := func(part any) bool { return newCondition(c.policy.Schema, statement, target, from).binds(part) }
	return len(parts) > 1 && slices.ContainsFunc(parts, alone) || newCondition(c.policy.Schema, statement, target, from).binds(parts...)
}

// conjuncts returns the parts of conditions that all must hold.
func conjuncts(wheres []any) (all []any) {
	for _, where := range wheres {
		wrapped, _ := where.(node)
		if both, is := wrapped["BoolExpr"].(node); is && textOf(both["boolop"]) == "AND_EXPR" {
			list, _ := both["args"].([]any)
			all = append(all, conjuncts(list)...)
		} else {
			all = append(all, where)
		}
	}
	return all
}

func (c *condition) binds(wheres ...any) bool {
	all := make([]formula, 0, len(wheres))
	for _, where := range wheres {
		all = append(all, c.formula(where))
	}
	f := and(all...)
	if !c.own(wheres) {
		return false
	}
	var free []int
	for atom, isFree := range c.free {
		if isFree {
			free = append(free, atom)
		}
	}
	if len(free) > 6 {
		return false
	}
	// Whoever gives the parameters chooses the atoms that are free, then rows are looked for.
	for choice := range min(mostFree, 1<<len(free)) {
		values := make([]bool, len(c.free))
		for i, atom := range free {
			values[atom] = choice>>i&1 == 1
		}
		if !c.falsifiable(&f, values) {
			return false
		}
	}
	return true
}

// falsifiable reports whether a row makes the formula false. It tries rows in which all is the
// same first, then others, in an order that is always the same.
func (c *condition) falsifiable(f *formula, values []bool) bool {
	places := make([]int, len(c.limits))
	for i := range c.limits {
		slices.SortFunc(c.limits[i], compareLimits)
		c.limits[i] = slices.Compact(c.limits[i])
	}
	seed := uint64(1)
	for try := range mostTried {
		for atom := range values {
			if !c.free[atom] {
				seed = seed*6364136223846793005 + 1442695040888963407
				values[atom] = try%2 == 1 && (try < mostTried/4 || seed>>33&1 == 1)
			}
		}
		for i := range places {
			seed = seed*6364136223846793005 + 1442695040888963407
			places[i] = int(seed>>33) % (2*len(c.limits[i]) + 1)
			if try/2 < 2*len(c.limits[i])+1 {
				places[i] = try / 2
			}
		}
		if !c.eval(f, values, places) {
			return true
		}
	}
	return false
}

// eval says whether the formula is true of a row. The place of a subject is 2i+1 where it is
// equal to its limit i, and an even number between two.
func (c *condition) eval(f *formula, values []bool, places []int) bool {
	switch f.op {
	case 't':
		return true
	case 'f':
		return false
	case 'a':
		return values[f.atom]
	case '?':
		if c.eval(&f.parts[0], values, places) {
			return c.eval(&f.parts[1], values, places)
		}
		return c.eval(&f.parts[2], values, places)
	case '!':
		return !c.eval(&f.parts[0], values, places)
	case '&':
		for i := range f.parts {
			if !c.eval(&f.parts[i], values, places) {
				return false
			}
		}
		return true
	case '|':
		for i := range f.parts {
			if c.eval(&f.parts[i], values, places) {
				return true
			}
		}
		return false
	}
	at := 2*slices.Index(c.limits[f.subject], f.limit) + 1
	switch place := places[f.subject]; {
	case place < at:
		return f.below
	case place > at:
		return f.above
	}
	return f.equal
}

// compareLimits orders numbers as numbers, before and beside other texts.
func compareLimits(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	switch {
	case errX == nil && errY == nil && x < y:
		return -1
	case errX == nil && errY == nil && x > y:
		return 1
	case errX == nil && errY != nil:
		return -1
	case errX != nil && errY == nil:
		return 1
	}
	return strings.Compare(a, b)
}

// floored reports whether an expression, whose canonical text is given, is never below a limit: a text
// the empty one, a length or an absolute value zero.
func floored(v any, text, limit string) bool {
	call, _ := anyNode(v)["FuncCall"].(node)
	square := anyNode(anyNode(v)["A_Expr"])
	switch {
	case limit == "''":
		return text != ""
	case compareLimits(limit, "0") > 0 || !isLimit(limit) || limit[0] == '\'':
		return false
	case call != nil:
		return slices.Contains([]string{"abs", "length", "char_length", "character_length", "octet_length", "bit_length", "cardinality"}, builtIn(call))
	}
	op := names(square["name"])
	return len(op) == 1 && op[0] == "*" && alike(square["lexpr"], square["rexpr"])
}

// own reports whether an expression mentions a column that may be the target's.
func (c *condition) own(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, c.own)
	case node:
		if column, found := v["ColumnRef"].(node); found {
			parts := names(column["fields"])
			return len(parts) == 1 || c.qualified(parts)
		}
		for _, below := range v {
			if c.own(below) {
				return true
			}
		}
	}
	return false
}

// qualified reports whether a column's name begins with one of the target's.
func (c *condition) qualified(path []string) bool {
	return slices.ContainsFunc(path[:len(path)-1], func(name string) bool { return c.names[name] })
}

// leaf returns the atom of an expression that is not taken apart.
func (c *condition) leaf(key string, about any) formula {
	atom, known := c.atoms[key]
	if !known {
		atom = len(c.free)
		c.atoms[key] = atom
		c.free = append(c.free, !c.own(about))
	}
	return formula{op: 'a', atom: atom}
}

// compared returns the comparison of two expressions: true where the left one is below, equal
// to, or above the right one.
func (c *condition) compared(left, right any, below, equal, above bool) formula {
	l, r := c.canonical(left), c.canonical(right)
	if l == r {
		if equal {
			return always
		}
		return never
	}
	if floored(left, l, r) && above && (equal || r[0] == '-') || floored(right, r, l) && below && (equal || l[0] == '-') {
		return always
	}
	if f, known := c.comparedParts(left, right, below, equal, above); known {
		return f
	}
	if !c.own(left) && !c.own(right) || c.sameTerms(left, right) {
		return c.leaf(l+" ? "+r+strconv.FormatBool(below)+strconv.FormatBool(equal)+strconv.FormatBool(above), nil)
	}
	if isLimit(l) || !isLimit(r) && r < l { // the subject first
		l, r = r, l
		below, above = above, below
	}
	if !isLimit(r) { // two expressions: their difference is the subject
		l, r = l+" - "+r, "0"
	}
	subject, known := c.subjects[l]
	if !known {
		subject = len(c.limits)
		c.subjects[l] = subject
		c.limits = append(c.limits, nil)
	}
	c.limits[subject] = append(c.limits[subject], r)
	return formula{op: '<', subject: subject, limit: r, below: below, equal: equal, above: above}
}
