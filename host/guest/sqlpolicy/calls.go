package sqlpolicy

import (
	"slices"
	"strings"
)

// What an author can do about a function of PostgreSQL's that differs from call to call, and about one that is not known here.
// Of the first no setting is named: what a statement does would depend on when it runs.
const (
	hintDiffers  = "a template must do the same whenever it runs: take the value from the statemap, or the time of the candidate as a parameter"
	hintFunction = "if it is immutable, add it to guests.sql.functions"
)

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
	case !own && known && !same:
		c.find(c.at, hintDiffers, "function %s is not among those allowed", name)
	case (own || !known) && !c.policy.Database:
		c.find(c.at, hintFunction, "function %s is not among those allowed", name)
	}
	c.order(n, short)
	c.grows(n)
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
			c.find(c.at, hintDiffers, "(…).%s would call a function that differs each time", textOf(name["sval"]))
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
