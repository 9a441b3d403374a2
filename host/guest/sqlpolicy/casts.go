package sqlpolicy

import (
	"slices"
	"strings"
)

// lastWord ends the hints of what a database may know better.
const lastWord = "; ichor check asks the database, which has the last word"

// typeName checks a type by the lists and the policy. One that is not PostgreSQL's own is the
// database's to judge.
func (c *checker) typeName(n node) {
	parts := names(n["names"])
	name := strings.Join(parts, ".")
	short := strings.TrimPrefix(name, "pg_catalog.")
	switch {
	case types[short] || slices.Contains(c.policy.Types, name) || slices.Contains(c.policy.Types, short):
	case strings.HasPrefix(short, "reg"):
		c.find(c.at, "name the relation in the SQL", "type %s depends on the catalogue", name)
	case !c.policy.Database || systemTypes[short] || strings.HasPrefix(name, "pg_catalog."):
		c.find(c.at, "cast to a plain type of PostgreSQL's, or add it to guests.sql.types"+lastWord, "type %s is not among those allowed", name)
	}
}

// lastName returns a type's name without its schema, and whether it is an array.
func lastName(typeName any) (name string, array bool) {
	n, _ := typeName.(node)
	parts := names(n["names"])
	if len(parts) == 0 {
		return "", false
	}
	return parts[len(parts)-1], n["arrayBounds"] != nil
}

// columnDef refuses columns of functions that read texts as times.
func (c *checker) columnDef(n node) {
	if name, _ := lastName(n["typeName"]); temporal[name] || temporalRanges[name] {
		c.find(c.at, "make it a text, or give times as parameters", "column %s is read from a text that may say 'now'", textOf(n["colname"]))
	}
}

// cast refuses what reads a text as a time: only of a parameter and of a constant is it
// known that the text is not "now".
func (c *checker) cast(n node) {
	name, array := lastName(n["typeName"])
	if !temporal[name] && !temporalRanges[name] {
		return
	}
	arg, _ := n["arg"].(node)
	constant, isConstant := arg["A_Const"].(node)
	switch {
	case isConstant && (array || temporalRanges[name]) && constant["sval"] != nil:
		c.find(c.at, "make it of parts, as in array[$1] or daterange($1, $2)", "a text becomes several times, each of which may say 'now'")
	case isConstant:
		if s, found := constant["sval"].(node); found && special(textOf(s["sval"])) {
			c.find(c.at, "take the time from the statemap", "%q means the time at which the statement runs", textOf(s["sval"]))
		}
	case array || temporalRanges[name]: // of arrays and ranges already, or of texts: the database knows
		if !c.policy.Database && !c.timely(arg) {
			c.find(c.at, "cast parameters and constants alone: a text may say 'now'", "a cast of an expression to %s", name)
		}
	case arg["ParamRef"] != nil:
		c.castParam(arg["ParamRef"], name)
	case !c.policy.Database && !c.timely(arg):
		c.find(c.at, "cast parameters and constants alone: a text may say 'now'", "a cast of an expression to %s", name)
	}
}

func (c *checker) castParam(param any, name string) {
	n, _ := param.(node)
	if i, ok := number(n["number"]); ok && i >= 1 && i <= len(c.template.Params) && !temporalParam(c.template.Params[i-1]) {
		c.find(c.at, "declare the parameter as what it is cast to", "parameter $%d is %s and cast to %s", i, c.template.Params[i-1], name)
	}
}

// timely reports whether an expression is surely a time, and no text that says one.
func (c *checker) timely(arg node) bool {
	for kind, body := range arg {
		n, _ := body.(node)
		switch kind {
		case "TypeCast":
			name, _ := lastName(n["typeName"])
			return temporal[name] || name == "interval" // it is looked at itself
		case "ParamRef":
			i, ok := number(n["number"])
			return ok && i >= 1 && i <= len(c.template.Params) && (temporalParam(c.template.Params[i-1]) || c.template.Params[i-1] == "interval")
		case "FuncCall":
			parts := names(n["funcname"])
			return len(parts) > 0 && yieldsTime[parts[len(parts)-1]]
		case "A_Expr":
			op := strings.Join(names(n["name"]), ".")
			left, _ := n["lexpr"].(node)
			right, _ := n["rexpr"].(node)
			return (op == "+" || op == "-") && (c.timely(left) || c.timely(right))
		}
	}
	return false
}

// constant refuses texts that mean the time at which the statement runs, whatever they are
// read as. A database knows what they are read as.
func (c *checker) constant(n node) {
	if c.policy.Database {
		return
	}
	if s, found := n["sval"].(node); found && special(textOf(s["sval"])) {
		c.find(c.at, "give it as a parameter if it is a text"+lastWord, "%q may mean the time at which the statement runs", textOf(s["sval"]))
	}
}

func temporalParam(name string) bool {
	return name == "date" || name == "time" || name == "timestamp" || name == "timestamptz"
}
