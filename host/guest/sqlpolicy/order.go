package sqlpolicy

import (
	"maps"
	"slices"
)

// window is what is known of a window of a query.
type window struct {
	same   []any // what is the same for all rows of one of its parts
	given  bool  // it has an order
	orders bool  // and that may differ between rows of one part
	counts bool  // its frame begins or ends at a number of rows
}

// order refuses aggregates and window functions whose result depends on an order that nobody
// gave, or on one that is the same for all rows.
func (c *checker) order(n node, name string) {
	if over, isWindow := n["over"].(node); isWindow {
		w := c.window(over)
		if ordered[name] || orderedWindows[name] || w.counts {
			c.ordered(name, name+"() OVER (… ORDER BY …)", w.given, w.orders)
		}
		return
	}
	if ordered[name] && n["agg_distinct"] != true { // DISTINCT sorts: see ../../RATIONALE.md
		items, _ := n["agg_order"].([]any)
		c.ordered(name, name+"(… ORDER BY …)", varies(items, nil), varies(items, c.grouped))
	}
}

// ordered refuses what depends on an order if none is given, or one that does not decide.
func (c *checker) ordered(what, hint string, given, decides bool) {
	switch {
	case !given:
		c.find(c.at, hint, "%s without an order differs from run to run", what)
	case !decides:
		c.find(c.at, "order by a column that tells those rows apart", "%s by an order in which all of its rows are equal differs from run to run", what)
	}
}

// The bits of frameOptions in PostgreSQL's parsenodes.h: the frame is counted in rows, and it is
// all of a part.
const (
	frameRows = 0x4
	frameAll  = 0x20 | 0x100
)

// window returns what is known of a window, which may be made of one that has a name.
func (c *checker) window(n node) window {
	w := window{same: c.same}
	for _, name := range []string{textOf(n["name"]), textOf(n["refname"])} {
		if base, found := c.windows[name]; found {
			w = base
		}
	}
	parts, _ := n["partitionClause"].([]any)
	items, _ := n["orderClause"].([]any)
	options, _ := number(n["frameOptions"])
	w.same = slices.Concat(w.same, parts)
	w.given = w.given || varies(items, nil)
	w.orders = w.orders || varies(items, w.same)
	w.counts = w.counts || options&frameRows != 0 && options&frameAll != frameAll
	return w
}

// selection refuses a part of the rows that depends on an order that nobody gave, or on one that
// is the same for all rows. Rows that are all the same may be taken in any.
func (c *checker) selection(n node) {
	c.same = sameInRows(n)
	c.grouped = slices.Concat(c.same, resolved(n, n["groupClause"]))
	c.sorted(n)
	list, _ := n["windowClause"].([]any)
	c.windows = map[string]window{} // a query sees its own
	for _, item := range list {
		wrapped, _ := item.(node)
		if definition, found := wrapped["WindowDef"].(node); found {
			name := textOf(definition["name"])
			definition = maps.Clone(definition)
			delete(definition, "name") // it is not made of itself
			c.windows[name] = c.window(definition)
		}
	}
}

// sorted refuses LIMIT, OFFSET and DISTINCT ON of rows that are in no order.
func (c *checker) sorted(n node) {
	what, same := "", c.same
	if distinct, _ := n["distinctClause"].([]any); len(distinct) > 0 && !isEmpty(distinct[0]) {
		what, same = "DISTINCT ON", slices.Concat(same, resolved(n, distinct))
	} else if (n["limitCount"] != nil || n["limitOffset"] != nil) && textOf(n["limitOption"]) != "LIMIT_OPTION_WITH_TIES" {
		what = "LIMIT or OFFSET"
	}
	if what != "" && !allSelected(n, same) {
		items := resolved(n, n["sortClause"])
		c.ordered(what, "add ORDER BY", varies(items, nil), varies(items, same))
	}
}

// arrayOfRows refuses ARRAY(SELECT …) without an order.
func (c *checker) arrayOfRows(n node) {
	query, _ := n["subselect"].(node)
	s, _ := query["SelectStmt"].(node)
	if same := sameInRows(s); textOf(n["subLinkType"]) == "ARRAY_SUBLINK" && !allSelected(s, same) {
		items := resolved(s, s["sortClause"])
		c.ordered("ARRAY of a query", "ARRAY(SELECT … ORDER BY …)", varies(items, nil), varies(items, same))
	}
}

// isEmpty reports whether an item of a list is left out, as that of a plain DISTINCT is.
func isEmpty(item any) bool {
	n, ok := item.(node)
	return item == nil || ok && len(n) == 0
}

// varies reports whether an expression may differ between rows for which some expressions are the
// same: it looks at a column in none of these.
func varies(v any, same []any) bool {
	switch v := v.(type) {
	case node:
		if slices.ContainsFunc(same, func(s any) bool { return alike(v, s) }) {
			return false
		}
		for key, inner := range v { // whether one does is the same in any order
			if key == "ColumnRef" || varies(inner, same) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return varies(inner, same) })
	}
	return false
}

// alike reports whether two expressions are written alike; a column may be written with its table
// or without.
func alike(a, b any) bool {
	switch a := a.(type) {
	case node:
		b, ok := b.(node)
		if !ok {
			return false
		}
		if column, found := a["ColumnRef"].(node); found {
			other, _ := b["ColumnRef"].(node)
			x, y := names(column["fields"]), names(other["fields"])
			n := min(len(x), len(y))
			return n > 0 && slices.Equal(x[len(x)-n:], y[len(y)-n:])
		}
		return slices.EqualFunc(fieldsOf(a), fieldsOf(b), func(x, y string) bool { return x == y && alike(a[x], b[y]) })
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, alike)
	}
	return a == b
}

// fieldsOf returns the names of a node's fields but its places, in order.
func fieldsOf(n node) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(n)), func(name string) bool { return name == "location" })
}

// resolved returns the expressions of ORDER BY, GROUP BY or DISTINCT ON. A number there is the
// position of a column that is selected, and a name may be its name.
func resolved(query node, list any) []any {
	items, _ := list.([]any)
	all := make([]any, 0, len(items))
	for _, item := range items {
		wrapped, _ := item.(node)
		if sort, found := wrapped["SortBy"].(node); found {
			item = sort["node"]
			wrapped = anyNode(item)
		}
		constant, isConstant := wrapped["A_Const"].(node)
		column, _ := wrapped["ColumnRef"].(node)
		if position, found := number(anyNode(constant["ival"])["ival"]); isConstant && found {
			item = selectedAt(query, position)
		} else if path := names(column["fields"]); len(path) == 1 {
			item = selectedAs(query, path[0], item)
		}
		all = append(all, item)
	}
	return all
}

func anyNode(v any) node {
	n, _ := v.(node)
	return n
}

// unknownColumn stands for what may differ from row to row.
var unknownColumn = node{"ColumnRef": node{"fields": []any{}}}

// selectedAt returns what is selected at a position. What a function gives may be several rows.
func selectedAt(query node, position int) any {
	list, _ := query["targetList"].([]any)
	if position < 1 || position > len(list) {
		return unknownColumn // of a union, or of VALUES
	}
	for _, target := range list[:position] {
		if isStar(target) {
			return unknownColumn
		}
	}
	wrapped, _ := list[position-1].(node)
	value := anyNode(wrapped["ResTarget"])["val"]
	if callsFunction(value) {
		return unknownColumn
	}
	return value
}

// selectedAs returns what is selected by a name, or the expression that is the name.
func selectedAs(query node, name string, otherwise any) any {
	list, _ := query["targetList"].([]any)
	for i, target := range list {
		wrapped, _ := target.(node)
		if textOf(anyNode(wrapped["ResTarget"])["name"]) == name && !isStar(target) {
			return selectedAt(node{"targetList": list[i : i+1]}, 1)
		}
	}
	return otherwise
}

// allSelected reports whether everything that a query selects is made of what is the same for all
// its rows.
func allSelected(query node, same []any) bool {
	list, _ := query["targetList"].([]any)
	for _, target := range list {
		wrapped, _ := target.(node)
		value := anyNode(wrapped["ResTarget"])["val"]
		if varies(value, same) || callsFunction(value) {
			return false
		}
	}
	return len(list) > 0
}

func isStar(target any) bool {
	wrapped, _ := target.(node)
	value, _ := anyNode(wrapped["ResTarget"])["val"].(node)
	fields, _ := anyNode(value["ColumnRef"])["fields"].([]any)
	return len(fields) > 0 && anyNode(fields[len(fields)-1])["A_Star"] != nil
}

// callsFunction reports whether a function or a query stands anywhere in an expression.
func callsFunction(v any) bool {
	switch v := v.(type) {
	case node:
		for key, inner := range v { // whether one does is the same in any order
			if key == "FuncCall" || key == "SubLink" || callsFunction(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, callsFunction)
	}
	return false
}

// sameInRows returns the columns that a query's condition makes the same in all its rows: they
// equal something that does not depend on the row.
func sameInRows(query node) []any {
	from := map[string]bool{}
	conditions := []any{query["whereClause"]}
	eachRelation(query["fromClause"], func(name string, relation node) {
		if join, found := relation["JoinExpr"].(node); found && textOf(join["jointype"]) == "JOIN_INNER" {
			conditions = append(conditions, join["quals"])
		}
		from[name] = true
	})
	var same []any
	for range 2 { // a = b and b = 1
		for _, condition := range conjuncts(conditions) {
			same = append(same, equated(condition, from, same)...)
		}
	}
	return same
}

// equated returns the columns that one condition makes the same in all rows.
func equated(condition any, from map[string]bool, same []any) (found []any) {
	wrapped, _ := condition.(node)
	if test, is := wrapped["NullTest"].(node); is && textOf(test["nulltesttype"]) == "IS_NULL" {
		return []any{test["arg"]}
	}
	e, _ := wrapped["A_Expr"].(node)
	if op := names(e["name"]); textOf(e["kind"]) != "AEXPR_OP" || len(op) == 0 || op[len(op)-1] != "=" {
		return nil
	}
	lefts, rights := partsOf(e["lexpr"]), partsOf(e["rexpr"])
	for i := range min(len(lefts), len(rights)) {
		for _, sides := range [][2]any{{lefts[i], rights[i]}, {rights[i], lefts[i]}} {
			if anyNode(sides[0])["ColumnRef"] != nil && !ofRow(sides[1], from, same) {
				found = append(found, sides[0])
			}
		}
	}
	return found
}

// partsOf returns the parts of a row, or the expression itself.
func partsOf(v any) []any {
	if row, found := anyNode(v)["RowExpr"].(node); found {
		parts, _ := row["args"].([]any)
		return parts
	}
	return []any{v}
}

// ofRow reports whether an expression may differ between the rows of the relations of some names,
// for which other expressions are the same. A column without its table may be theirs.
func ofRow(v any, from map[string]bool, same []any) bool {
	switch v := v.(type) {
	case node:
		if slices.ContainsFunc(same, func(s any) bool { return alike(v, s) }) {
			return false
		}
		if column, found := v["ColumnRef"].(node); found {
			path := names(column["fields"])
			return len(path) < 2 || from[path[len(path)-2]]
		}
		for _, inner := range v { // whether one may is the same in any order
			if ofRow(inner, from, same) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return ofRow(inner, from, same) })
	}
	return false
}

// eachRelation visits what stands in a FROM clause, by the name of its columns' table; a join that has
// no name is visited by "".
func eachRelation(from any, visit func(name string, relation node)) {
	switch v := from.(type) {
	case []any:
		for _, item := range v {
			eachRelation(item, visit)
		}
	case node:
		for kind, body := range v {
			n, _ := body.(node)
			if alias := textOf(anyNode(n["alias"])["aliasname"]); alias != "" || kind == "JoinExpr" {
				visit(alias, v)
			} else if kind == "RangeVar" {
				visit(textOf(n["relname"]), v)
			}
			if kind == "JoinExpr" {
				eachRelation(n["larg"], visit)
				eachRelation(n["rarg"], visit)
			}
		}
	}
}
