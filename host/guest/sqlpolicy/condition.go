package sqlpolicy

import (
	"encoding/json"
	"maps"
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

// condition reads a condition on the rows of a target.
type condition struct {
	target   string         // the name by which its columns are known
	atoms    map[string]int // by canonical text
	free     []bool         // the atom says nothing about the target's row
	subjects map[string]int // of comparisons, by canonical text
	limits   [][]string     // of each subject, what it is compared with
}

func newCondition(target node) *condition {
	name := textOf(target["relname"])
	if alias, found := target["alias"].(node); found {
		name = textOf(alias["aliasname"])
	}
	return &condition{target: name, atoms: map[string]int{}, subjects: map[string]int{}}
}

// The most assignments of truth that are tried of what says nothing about the row, and for
// each of them of what does. A condition that is never seen false is taken to be always true.
const (
	mostFree  = 1 << 6
	mostTried = 1 << 11
)

// binds reports whether the parts of a condition, all of which must hold, spare a row whatever
// the parameters are.
func (c *condition) binds(wheres ...any) bool {
	all := make([]formula, 0, len(wheres))
	for _, where := range wheres {
		all = append(all, c.formula(where))
	}
	f := and(all...)
	if !slices.Contains(c.free, false) && len(c.subjects) == 0 {
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

// own reports whether something below mentions a column that may be the target's.
func (c *condition) own(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, c.own)
	case node:
		if column, found := v["ColumnRef"].(node); found {
			parts := names(column["fields"])
			return len(parts) == 1 || slices.Contains(parts[:len(parts)-1], c.target)
		}
		for _, below := range v {
			if c.own(below) {
				return true
			}
		}
	}
	return false
}

// leaf returns the atom of what is looked at no further.
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
	if !c.own(left) && !c.own(right) {
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

// isLimit reports whether a canonical text is that of a constant, which begins with a digit, a
// sign or a quote; those of expressions begin with a letter or a bracket.
func isLimit(text string) bool {
	return text != "" && strings.ContainsRune("0123456789-'", rune(text[0]))
}

// canonical returns a text that is the same for expressions that are the same whatever the row
// is: without casts, places, and steps that change nothing.
func (c *condition) canonical(v any) string {
	switch v := v.(type) {
	case []any:
		all := make([]string, len(v))
		for i := range v {
			all[i] = c.canonical(v[i])
		}
		return "[" + strings.Join(all, " ") + "]"
	case node:
		if len(v) == 1 {
			for kind, body := range v {
				if n, ok := body.(node); ok {
					return c.canonicalNode(kind, n)
				}
			}
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name != "location" && !strings.HasSuffix(name, "_location") {
				all = append(all, name+":"+c.canonical(v[name]))
			}
		}
		return "{" + strings.Join(all, " ") + "}"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}

func (c *condition) canonicalNode(kind string, n node) string {
	switch kind {
	case "TypeCast":
		return c.canonical(n["arg"])
	case "A_Const":
		return constantText(n)
	case "ColumnRef":
		parts := names(n["fields"])
		if len(parts) > 1 && slices.Contains(parts[:len(parts)-1], c.target) {
			parts = parts[len(parts)-1:]
		}
		return "column " + strings.Join(parts, ".")
	case "A_Indirection":
		if arg := c.canonical(n["arg"]); arg == "column "+c.target {
			return "column " + strings.Join(names(n["indirection"]), ".")
		}
	case "CoalesceExpr", "MinMaxExpr":
		if args, _ := n["args"].([]any); len(args) > 0 && allSame(c, args) {
			return c.canonical(args[0])
		}
	case "SubLink":
		if value, plain := plainSelect(n); plain {
			return c.canonical(value)
		}
	case "A_Expr":
		return c.canonicalOperator(n)
	}
	return kind + c.canonical(anyOf(n))
}

// anyOf hides that a node's fields are a node, whose one field might be taken for a kind.
func anyOf(n node) []any {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if name != "location" && !strings.HasSuffix(name, "_location") {
			all = append(all, name, n[name])
		}
	}
	return all
}

func allSame(c *condition, args []any) bool {
	first := c.canonical(args[0])
	return !slices.ContainsFunc(args, func(a any) bool { return c.canonical(a) != first })
}

// canonicalOperator leaves out what changes nothing: x + 0, x * 1, x || ”, +x.
func (c *condition) canonicalOperator(n node) string {
	op := strings.Join(names(n["name"]), ".")
	l, r := "", c.canonical(n["rexpr"])
	if n["lexpr"] != nil {
		l = c.canonical(n["lexpr"])
	}
	switch {
	case textOf(n["kind"]) != "AEXPR_OP":
	case l == "" && op == "+", l == "0" && op == "+", l == "1" && op == "*", l == "''" && op == "||":
		return r
	case r == "0" && (op == "+" || op == "-"), r == "1" && (op == "*" || op == "/"), r == "''" && op == "||":
		return l
	case l == r && op == "-", (l == "0" || r == "0") && op == "*":
		return "0"
	case l != "" && r < l && (op == "+" || op == "*"):
		l, r = r, l
	}
	return "(" + l + " " + textOf(n["kind"]) + op + " " + r + ")"
}

// constantText returns a number as it is, another constant in quotes.
func constantText(n node) string {
	if i, found := n["ival"].(node); found {
		value, _ := number(i["ival"])
		return strconv.Itoa(value)
	}
	if f, found := n["fval"].(node); found {
		return textOf(f["fval"])
	}
	if b, found := n["boolval"].(node); found {
		return "'" + strconv.FormatBool(b["boolval"] == true) + "'"
	}
	if s, found := n["sval"].(node); found {
		return "'" + textOf(s["sval"]) + "'"
	}
	text, err := json.Marshal(n["bsval"])
	if err != nil || n["isnull"] == true {
		return "null"
	}
	return "'" + string(text) + "'"
}

// plainSelect returns x of (SELECT x), a query of one value without a relation or condition.
func plainSelect(link node) (value any, plain bool) {
	query, _ := link["subselect"].(node)
	s, _ := query["SelectStmt"].(node)
	for name := range s {
		if name != "targetList" && name != "limitOption" && name != "op" {
			return nil, false
		}
	}
	list, _ := s["targetList"].([]any)
	if len(list) != 1 || textOf(link["subLinkType"]) != "EXPR_SUBLINK" && textOf(link["subLinkType"]) != "ANY_SUBLINK" {
		return nil, false
	}
	wrapped, _ := list[0].(node)
	target, _ := wrapped["ResTarget"].(node)
	return target["val"], target["val"] != nil
}
