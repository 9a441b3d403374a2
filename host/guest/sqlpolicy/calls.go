package sqlpolicy

import (
	"maps"
	"slices"
	"strings"
)

const hintFunction = "a template must do the same whenever it runs: take the value from the statemap, or add the function to guests.sql.functions"

// function checks a call by PostgreSQL's own functions and the policy. Which function a name
// and its arguments mean, only a database knows; what no function of a name may be is refused
// here.
func (c *checker) function(n node) {
	parts := names(n["funcname"])
	name := strings.Join(parts, ".")
	short := strings.TrimPrefix(name, "pg_catalog.")
	if slices.Contains(c.policy.Functions, name) || slices.Contains(c.policy.Functions, short) {
		return
	}
	args, _ := n["args"].([]any)
	count := len(args)
	if within, _ := n["agg_order"].([]any); n["agg_within_group"] == true {
		count += len(within)
	}
	known, same := callable(short, count)
	own := len(parts) > 1 && parts[0] != "pg_catalog"
	switch {
	case own && !c.policy.Database:
		c.find(c.at, "if it is immutable, add it to guests.sql.functions", "function %s is not among those allowed", name)
	case own:
	case known && !same, !known && !c.policy.Database:
		c.find(c.at, hintFunction, "function %s is not among those allowed", name)
	}
	c.order(n, short)
}

// order refuses aggregates and window functions whose result depends on an order that nobody
// gave.
func (c *checker) order(n node, name string) {
	window, isWindow := n["over"].(node)
	switch {
	case isWindow && (ordered[name] || orderedWindows[name]) && !c.inOrder(window):
		c.find(c.at, name+"() OVER (… ORDER BY …)", "%s without an order differs from run to run", name)
	case !isWindow && ordered[name] && !orders(n["agg_order"], false):
		c.find(c.at, name+"(… ORDER BY …)", "%s without an order differs from run to run", name)
	}
}

// orders reports whether the items of an ORDER BY give an order: one of them looks at a column. A
// number is the position of one in the order of a query, and a constant everywhere else.
func orders(list any, positions bool) bool {
	items, _ := list.([]any)
	for _, item := range items {
		wrapped, _ := item.(node)
		sort, _ := wrapped["SortBy"].(node)
		by, _ := sort["node"].(node)
		constant, isConstant := by["A_Const"].(node)
		if looksAtColumn(by) || (positions && isConstant && constant["ival"] != nil) {
			return true
		}
	}
	return false
}

// looksAtColumn reports whether a column stands anywhere in an expression.
func looksAtColumn(v any) bool {
	switch v := v.(type) {
	case node:
		for key, inner := range v { // whether one does is the same in any order
			if key == "ColumnRef" || looksAtColumn(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, looksAtColumn)
	}
	return false
}

// inOrder reports whether a window has an order, or is made of one that has.
func (c *checker) inOrder(window node) bool {
	if orders(window["orderClause"], false) {
		return true
	}
	for _, name := range []string{textOf(window["name"]), textOf(window["refname"])} {
		if name != "" && c.windows[name] {
			return true
		}
	}
	return false
}

// selection refuses a part of the rows that depends on an order that nobody gave.
func (c *checker) selection(n node) {
	if !orders(n["sortClause"], true) {
		distinct, _ := n["distinctClause"].([]any)
		switch {
		case n["limitCount"] != nil || n["limitOffset"] != nil:
			c.find(c.at, "add ORDER BY", "LIMIT or OFFSET without an order differs from run to run")
		case len(distinct) > 0 && !isEmpty(distinct[0]):
			c.find(c.at, "add ORDER BY", "DISTINCT ON without an order differs from run to run")
		}
	}
	list, _ := n["windowClause"].([]any)
	if len(list) > 0 {
		c.windows = maps.Clone(c.windows) // those of a query outside have theirs
	}
	for _, item := range list {
		wrapped, _ := item.(node)
		if window, found := wrapped["WindowDef"].(node); found {
			c.windows[textOf(window["name"])] = c.inOrder(node{"orderClause": window["orderClause"], "refname": window["refname"]})
		}
	}
}

// isEmpty reports whether an item of a list is left out, as that of a plain DISTINCT is.
func isEmpty(item any) bool {
	n, ok := item.(node)
	return item == nil || ok && len(n) == 0
}

// arrayOfRows refuses ARRAY(SELECT …) without an order.
func (c *checker) arrayOfRows(n node) {
	query, _ := n["subselect"].(node)
	if s, _ := query["SelectStmt"].(node); textOf(n["subLinkType"]) == "ARRAY_SUBLINK" && !orders(s["sortClause"], true) {
		c.find(c.at, "ARRAY(SELECT … ORDER BY …)", "ARRAY of a query without an order differs from run to run")
	}
}

// isCall reports whether a name behind a dot is a function of PostgreSQL's own that no
// template may call: (x).f is f(x) where f is no column.
func isCall(name string) bool {
	_, same := callable(name, 1)
	return !same && slices.Contains(functions()[name], "!1")
}

// attribute refuses a dot behind what has no columns, for there it calls a function.
func (c *checker) attribute(n node) {
	fields, _ := n["indirection"].([]any)
	arg, _ := n["arg"].(node)
	for i, item := range fields {
		wrapped, _ := item.(node)
		name, found := wrapped["String"].(node)
		if !found {
			continue
		}
		switch {
		case isCall(textOf(name["sval"])):
			c.find(c.at, hintFunction, "(…).%s would call a function that differs each time", textOf(name["sval"]))
		case i == 0 && c.scalar(arg):
			c.find(c.at, "write "+textOf(name["sval"])+"(…) or a cast", "(…).%s is no column of anything, but a call of a function", textOf(name["sval"]))
		}
	}
}

// scalar reports whether an expression cannot be a row.
func (c *checker) scalar(arg node) bool {
	for kind, body := range arg {
		switch kind {
		case "A_Const", "ParamRef", "A_Expr", "BoolExpr", "NullTest", "BooleanTest", "A_ArrayExpr":
			return true
		case "TypeCast":
			n, _ := body.(node)
			target, _ := n["typeName"].(node)
			parts := names(target["names"])
			return len(parts) > 0 && (types[parts[len(parts)-1]] || systemTypes[parts[len(parts)-1]])
		}
	}
	return false
}
