package sqlpolicy

import (
	"maps"
	"slices"
)

// subLink makes a formula of a query in a condition: of EXISTS what its query's condition is, if
// it has no relation, and an atom else, for what it selects is nobody's business.
func (c *condition) subLink(n node) (formula, bool) {
	query, _ := n["subselect"].(node)
	s, _ := query["SelectStmt"].(node)
	switch textOf(n["subLinkType"]) {
	case "EXISTS_SUBLINK":
		if s["fromClause"] == nil && s["op"] == "SETOP_NONE" && s["havingClause"] == nil && s["limitCount"] == nil {
			return c.formula(s["whereClause"]), true
		}
		about := []any{s["fromClause"], s["whereClause"], s["havingClause"], s["larg"], s["rarg"]}
		leaf := c.leaf("exists "+c.canonical(about), about)
		if f, known := c.ofItself(s, nil, ""); known {
			return or(f, leaf), true
		}
		return leaf, true
	case "ANY_SUBLINK":
		op := "="
		if list := names(n["operName"]); len(list) > 0 {
			op = list[len(list)-1]
		}
		if value, plain := plainSelect(n); plain {
			return c.comparison(op, n["testexpr"], value)
		}
		return c.amongOwn(n, n["testexpr"], op)
	case "EXPR_SUBLINK":
		if value, plain := plainSelect(n); plain {
			return c.formula(value), true
		}
	}
	return formula{}, false
}

// amongOwn makes a formula of the comparison of an expression with what a query selects from the
// target's own table.
func (c *condition) amongOwn(link node, left any, op string) (formula, bool) {
	query, _ := link["subselect"].(node)
	s, _ := query["SelectStmt"].(node)
	f, known := c.ofItself(s, left, op)
	if !known {
		return formula{}, false
	}
	about := []any{left, link["subselect"]}
	return or(f, c.leaf("among "+op+c.canonical(about), about)), true
}

// ofItself makes a formula of what a query of the target's own table says of a row that is taken
// for its own partner, and how that compares with left, if it is given: where this holds there is
// a row for each, as in id IN (SELECT id FROM it).
func (c *condition) ofItself(s node, left any, op string) (f formula, known bool) {
	var itself, others []string
	conditions := []any{s["whereClause"]}
	eachRelation(s["fromClause"], func(name string, relation node) {
		join, isJoin := relation["JoinExpr"].(node)
		switch {
		case isJoin:
			conditions = append(conditions, join["quals"])
		case c.isTarget(relation):
			itself = append(itself, name)
		default:
			others = append(others, name)
		}
	})
	if len(itself) == 0 || len(others) > 0 && !qualified([]any{conditions, s["targetList"]}) || s["op"] != "SETOP_NONE" {
		return formula{}, false
	}
	for _, part := range []string{"groupClause", "havingClause", "limitOffset", "withClause"} {
		if s[part] != nil {
			return formula{}, false
		}
	}
	if limit := anyNode(anyNode(s["limitCount"])["A_Const"]); s["limitCount"] != nil && anyNode(limit["ival"])["ival"] == nil {
		return formula{}, false // none, or a number that is not known
	}
	before := c.names
	defer func() { c.names = before }()
	c.names = maps.Clone(before)
	for _, name := range itself {
		c.names[name] = true
	}
	var parts []formula
	for _, name := range others { // it has rows, or not
		parts = append(parts, c.leaf("rows of "+name, nil))
	}
	for _, condition := range conditions {
		parts = append(parts, c.formula(condition))
	}
	if left != nil {
		same, known := c.comparedRows(op, left, s["targetList"])
		if !known {
			return formula{}, false
		}
		parts = append(parts, same)
	}
	return and(parts...), true
}

// comparedRows compares an expression, or the parts of a row, with what is selected.
func (c *condition) comparedRows(op string, left, targets any) (formula, bool) {
	lefts := partsOf(left)
	list, _ := targets.([]any)
	if len(list) != len(lefts) {
		return formula{}, false
	}
	parts := make([]formula, len(list))
	for i := range list {
		var known bool
		value := anyNode(anyNode(list[i])["ResTarget"])["val"]
		if call, found := anyNode(value)["FuncCall"].(node); found && builtIn(call) == "count" {
			if call["agg_filter"] != nil || !atLeastOne(op, c.canonical(lefts[i])) {
				return formula{}, false
			}
			parts[i] = always // a row that is its own partner is counted
			continue
		}
		if parts[i], known = c.comparison(op, lefts[i], value); !known {
			return formula{}, false
		}
	}
	return and(parts...), true
}

// atLeastOne reports whether a count that is compared with a number is one or more by that, on
// whichever side it stands.
func atLeastOne(op, number string) bool {
	switch op + number {
	case ">0", "<0", "<>0", ">=1", "<=1":
		return true
	}
	return false
}

// qualified reports whether every column in an expression is written with its table.
func qualified(v any) bool {
	switch v := v.(type) {
	case node:
		if column, found := v["ColumnRef"].(node); found {
			return len(names(column["fields"])) > 1
		}
		for _, inner := range v { // whether all are is the same in any order
			if !qualified(inner) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(inner any) bool { return !qualified(inner) })
	}
	return true
}
