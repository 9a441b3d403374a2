package sqlpolicy

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

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
		if len(parts) > 1 && c.qualified(parts) {
			parts = parts[len(parts)-1:]
		}
		return "column " + strings.Join(parts, ".")
	case "A_Indirection":
		if name, found := strings.CutPrefix(c.canonical(n["arg"]), "column "); found && c.names[name] {
			return "column " + strings.Join(names(n["indirection"]), ".")
		}
	case "CoalesceExpr", "MinMaxExpr": // either passes nulls over
		args, _ := n["args"].([]any)
		args = slices.DeleteFunc(slices.Clone(args), func(a any) bool { return c.canonical(a) == "null" })
		if len(args) == 0 {
			return "null"
		}
		if allSame(c, args) {
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
	switch textOf(n["kind"]) {
	case "AEXPR_NULLIF":
		if l == r {
			return "null"
		}
	case "AEXPR_OP":
		if result, known := identity(l, op, r); known {
			return result
		}
		if l != "" && r < l && (op == "+" || op == "*") {
			l, r = r, l
		}
	}
	return "(" + l + " " + textOf(n["kind"]) + op + " " + r + ")"
}

// identity returns what an operator makes of two canonical texts where arithmetic knows it of
// any values; l is empty for a sign.
func identity(l, op, r string) (result string, known bool) {
	switch op + " " + r { // x op constant
	case "+ 0", "- 0", "* 1", "/ 1", "|| ''", "^ 1", "<< 0", ">> 0", "| 0", "# 0":
		return l, l != ""
	case "* 0", "% 1", "& 0":
		return "0", l != ""
	case "^ 0":
		return "1", l != ""
	}
	switch l + " " + op { // constant op x
	case " +", "0 +", "1 *", "'' ||", "0 |", "0 #":
		return r, true
	case "0 *", "0 &", "0 %", "0 /":
		return "0", true
	}
	if l == r {
		switch op {
		case "-", "%", "#":
			return "0", true
		case "/":
			return "1", true
		case "&", "|":
			return l, true
		}
	}
	return fold(l, op, r)
}

// fold computes with small integers.
func fold(l, op, r string) (result string, known bool) {
	const most = 1 << 30
	x, errX := strconv.Atoi(l)
	y, errY := strconv.Atoi(r)
	if errX != nil || errY != nil || max(x, -x, y, -y) > most {
		return "", false
	}
	switch {
	case op == "+":
		x += y
	case op == "-":
		x -= y
	case op == "*":
		x *= y
	case op == "/" && y != 0:
		x /= y
	case op == "%" && y != 0:
		x %= y
	default:
		return "", false
	}
	return strconv.Itoa(x), true
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
