package sqlpolicy

import (
	"slices"
	"strings"
)

// formula makes a formula of a condition; none is true.
func (c *condition) formula(where any) formula {
	wrapped, _ := where.(node)
	if wrapped == nil {
		return always
	}
	for kind, body := range wrapped {
		n, _ := body.(node)
		if f, known := c.formulaOf(kind, n); known {
			return f
		}
	}
	return c.leaf(c.canonical(where), where)
}

func (c *condition) formulaOf(kind string, n node) (f formula, known bool) {
	switch kind {
	case "BoolExpr":
		return c.boolean(n), true
	case "A_Const":
		if b, found := n["boolval"].(node); found {
			if b["boolval"] == true {
				return always, true
			}
			return never, true
		}
		return never, n["isnull"] == true
	case "TypeCast": // 'true'::boolean
		arg, _ := n["arg"].(node)
		if text, found := arg["A_Const"].(node); found {
			switch strings.ToLower(strings.Trim(constantText(text), "' ")) {
			case "true", "t", "yes", "y", "on", "1", "tr", "tru", "ye":
				return always, true
			}
			return never, true
		}
		return c.formula(arg), true
	case "NullTest":
		if textOf(n["nulltesttype"]) == "IS_NOT_NULL" {
			return not(c.null(n["arg"])), true
		}
		return c.null(n["arg"]), true
	case "BooleanTest":
		return c.booleanTest(n), true
	case "CaseExpr":
		return c.cases(n), true
	case "CoalesceExpr": // nulls are left out of account
		args, _ := n["args"].([]any)
		if len(args) > 0 {
			return c.formula(args[0]), true
		}
	case "SubLink":
		return c.subLink(n)
	case "A_Expr":
		return c.operator(n)
	}
	return formula{}, false
}

// null makes a formula of whether an expression is null.
func (c *condition) null(arg any) formula {
	text := c.canonical(arg)
	coalesce, _ := anyNode(arg)["CoalesceExpr"].(node)
	args, _ := coalesce["args"].([]any)
	switch {
	case text == "null":
		return always
	case isLimit(text), slices.ContainsFunc(args, func(a any) bool { return isLimit(c.canonical(a)) }):
		return never
	}
	return c.leaf("null "+text, arg)
}

func (c *condition) boolean(n node) formula {
	list, _ := n["args"].([]any)
	parts := make([]formula, len(list))
	for i := range list {
		parts[i] = c.formula(list[i])
	}
	switch textOf(n["boolop"]) {
	case "AND_EXPR":
		return and(parts...)
	case "OR_EXPR":
		return or(parts...)
	}
	return not(and(parts...))
}

func (c *condition) booleanTest(n node) formula {
	kind := strings.TrimPrefix(textOf(n["booltesttype"]), "IS_")
	rest, negative := strings.CutPrefix(kind, "NOT_")
	f := c.formula(n["arg"])
	switch rest {
	case "FALSE":
		f = not(f)
	case "UNKNOWN":
		f = c.null(n["arg"])
	}
	if negative {
		return not(f)
	}
	return f
}

// cases makes of CASE: the first condition that holds decides.
func (c *condition) cases(n node) formula { return c.chosen(n, c.formula) }

// chosen makes a formula of what of makes of the value that a CASE chooses; of nothing it chooses
// null.
func (c *condition) chosen(n node, of func(value any) formula) formula {
	result := never
	if n["defresult"] != nil {
		result = of(n["defresult"])
	}
	list, _ := n["args"].([]any)
	for i := len(list) - 1; i >= 0; i-- {
		wrapped, _ := list[i].(node)
		when, _ := wrapped["CaseWhen"].(node)
		var holds formula
		if n["arg"] != nil {
			holds = c.compared(n["arg"], when["expr"], false, true, false)
		} else {
			holds = c.formula(when["expr"])
		}
		result = formula{op: '?', parts: []formula{holds, of(when["result"]), result}}
	}
	return result
}

// operator makes a formula of a comparison, or reports false for what it does not know.
func (c *condition) operator(n node) (formula, bool) {
	op, left, right := strings.TrimPrefix(strings.Join(names(n["name"]), "."), "pg_catalog."), n["lexpr"], n["rexpr"]
	switch textOf(n["kind"]) {
	case "AEXPR_OP":
		if f, known := c.boolCompare(op, left, right); known {
			return f, true
		}
		return c.comparison(op, left, right)
	case "AEXPR_DISTINCT":
		return not(c.notDistinct(left, right)), true
	case "AEXPR_NOT_DISTINCT":
		return c.notDistinct(left, right), true
	case "AEXPR_IN":
		wrapped, _ := right.(node)
		list, _ := wrapped["List"].(node)
		return c.each(op, left, list["items"], op == "=")
	case "AEXPR_OP_ANY", "AEXPR_OP_ALL":
		wrapped, _ := right.(node)
		if link, found := wrapped["SubLink"].(node); found && textOf(link["subLinkType"]) == "ARRAY_SUBLINK" {
			return c.amongOwn(link, left, op)
		}
		array, found := wrapped["A_ArrayExpr"].(node)
		if !found {
			return formula{}, false
		}
		return c.each(op, left, array["elements"], textOf(n["kind"]) == "AEXPR_OP_ANY")
	case "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN":
		wrapped, _ := right.(node)
		list, _ := wrapped["List"].(node)
		bounds, _ := list["items"].([]any)
		if len(bounds) != 2 {
			return formula{}, false
		}
		f := and(c.compared(left, bounds[0], false, true, true), c.compared(left, bounds[1], true, true, false))
		if textOf(n["kind"]) == "AEXPR_NOT_BETWEEN" {
			f = not(f)
		}
		return f, true
	case "AEXPR_LIKE", "AEXPR_ILIKE":
		if strings.Trim(c.canonical(right), "%'") == "" || c.canonical(left) == c.canonical(right) {
			if strings.HasPrefix(op, "!") {
				return never, true
			}
			return always, true
		}
		return c.aboutNothing(op, left, right)
	case "AEXPR_SIMILAR":
		call, _ := anyNode(right)["FuncCall"].(node)
		if strings.Trim(c.canonical(call["args"]), "[]%'") == "" && op == "~" {
			return always, true
		}
	}
	return formula{}, false
}

// aboutNothing makes an atom that says nothing about the row of a comparison of what is made of the
// same of it, as that j contains j.
func (c *condition) aboutNothing(op string, left, right any) (formula, bool) {
	if left == nil || !c.sameTerms(left, right) {
		return formula{}, false
	}
	return c.leaf("("+c.canonical(left)+" "+op+" "+c.canonical(right)+")", nil), true
}

func (c *condition) notDistinct(left, right any) formula {
	switch {
	case c.canonical(right) == "null":
		return c.null(left)
	case c.canonical(left) == "null":
		return c.null(right)
	}
	return c.compared(left, right, false, true, false)
}

// each makes a formula of comparisons of one expression with several.
func (c *condition) each(op string, left, list any, anyOne bool) (formula, bool) {
	items, _ := list.([]any)
	parts := make([]formula, len(items))
	for i := range items {
		var known bool
		if parts[i], known = c.boolCompare(op, left, items[i]); known {
			continue
		}
		if parts[i], known = c.comparison(op, left, items[i]); !known {
			return formula{}, false
		}
	}
	if anyOne {
		return or(parts...), true
	}
	return and(parts...), true
}

func (c *condition) comparison(op string, left, right any) (formula, bool) {
	for _, sides := range [][2]any{{left, right}, {right, left}} {
		if link, found := anyNode(sides[1])["SubLink"].(node); found && left != nil && textOf(link["subLinkType"]) == "EXPR_SUBLINK" {
			if f, known := c.amongOwn(link, sides[0], op); known {
				return f, true
			}
		}
	}
	for _, known := range []struct {
		op                  string
		below, equal, above bool
	}{
		{"=", false, true, false}, {"<>", true, false, true}, {"<", true, false, false}, {"<=", true, true, false},
		{">", false, false, true}, {">=", false, true, true},
	} {
		if op == known.op && left != nil {
			return c.compared(left, right, known.below, known.equal, known.above), true
		}
	}
	if op == "~" && strings.Trim(c.canonical(right), ".*'^$") == "" {
		return always, true
	}
	return c.aboutNothing(op, left, right)
}

// boolCompare makes a formula of a condition that is compared with true or false.
func (c *condition) boolCompare(op string, left, right any) (formula, bool) {
	if op != "=" && op != "<>" {
		return formula{}, false
	}
	f, known := c.constantTruth(right)
	if !known {
		left, right = right, left
		if f, known = c.constantTruth(right); !known {
			return formula{}, false
		}
	}
	result := c.formula(left)
	if (f.op == 't') != (op == "=") {
		result = not(result)
	}
	return result, true
}

// constantTruth returns true or false if that is what an expression says.
func (c *condition) constantTruth(v any) (formula, bool) {
	wrapped, _ := v.(node)
	n, found := wrapped["A_Const"].(node)
	if !found || n["boolval"] == nil {
		return formula{}, false
	}
	return c.formulaOf("A_Const", n)
}
