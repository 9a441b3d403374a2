package sqlpolicy

import (
	"maps"
	"slices"
	"strings"
)

// comparedParts makes a formula of a comparison with an expression that has several values, of
// which a condition chooses: CASE, or COALESCE of what may be null whatever the row is.
func (c *condition) comparedParts(left, right any, below, equal, above bool) (f formula, known bool) {
	with := func(value any) formula { return c.compared(left, value, below, equal, above) }
	if !c.hasParts(right) {
		left, right = right, left
		with = func(value any) formula { return c.compared(value, left, below, equal, above) }
	}
	switch {
	case !c.hasParts(right) || c.hasParts(left):
		return formula{}, false
	case anyNode(anyNode(right)["CoalesceExpr"]) != nil:
		args, _ := anyNode(anyNode(right)["CoalesceExpr"])["args"].([]any)
		rest := args[1]
		if len(args) > 2 {
			rest = node{"CoalesceExpr": node{"args": args[1:]}}
		}
		return formula{op: '?', parts: []formula{c.null(args[0]), with(rest), with(args[0])}}, true
	}
	return c.chosen(anyNode(anyNode(right)["CaseExpr"]), with), true
}

// hasParts reports whether an expression is a CASE or a COALESCE whose first value is none of the row's.
func (c *condition) hasParts(v any) bool {
	if coalesce, found := anyNode(v)["CoalesceExpr"].(node); found {
		args, _ := coalesce["args"].([]any)
		return len(args) > 1 && !c.own(args[0])
	}
	return anyNode(v)["CaseExpr"] != nil
}

// arithmetic are the operators whose result is made of their arguments and says nothing else.
var arithmetic = set("+ - * / % || ^ & | #")

// terms collects what of the target's row an expression is made of: columns, and what is made of
// columns in a way that nobody looks into, by their canonical texts.
func (c *condition) terms(v any, into map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			c.terms(item, into)
		}
	case node:
		for kind, body := range v {
			n, _ := body.(node)
			switch {
			case kind == "A_Expr" && (textOf(n["kind"]) == "AEXPR_NULLIF" || arithmetic[strings.Join(names(n["name"]), ".")]):
				c.terms(n["lexpr"], into)
				c.terms(n["rexpr"], into)
			case kind == "TypeCast":
				c.terms(n["arg"], into)
			case slices.Contains([]string{"CoalesceExpr", "MinMaxExpr", "RowExpr", "A_ArrayExpr", "CaseExpr", "CaseWhen"}, kind):
				for _, name := range slices.Sorted(maps.Keys(n)) {
					c.terms(n[name], into)
				}
			case c.own(v):
				into[c.canonical(v)] = true
			}
		}
	}
}

// sameTerms reports whether two expressions are made of the same of the target's row, so that a
// comparison of them says more about arithmetic than about the row: id <> id + 1.
func (c *condition) sameTerms(left, right any) bool {
	l, r := map[string]bool{}, map[string]bool{}
	c.terms(left, l)
	c.terms(right, r)
	return len(l) > 0 && maps.Equal(l, r)
}
