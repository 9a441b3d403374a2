package sqlpolicy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/wasilibs/go-pgquery/parser"

	"github.com/ichor-replicator/ichor/abi"
)

// Remarks returns what a template's author should look at once more although it is allowed: a
// statement that changes more when it is installed twice, a parameter without a cast, and one whose cast is to another
// type than that of the manifest. It returns none for a template that cannot be parsed.
func Remarks(t *abi.Template) []string {
	Warm()
	text, err := parser.ParseToJSON(t.SQL)
	if err != nil {
		return nil
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if d.Decode(&tree) != nil {
		return nil
	}
	r := remarker{template: t, cast: make([][]string, len(t.Params)+1), bare: make([]bool, len(t.Params)+1)}
	r.visit(tree)
	for i, declared := range t.Params {
		i++
		text := declared == "text" || declared == "varchar"
		switch to := slices.Compact(r.cast[i]); {
		case r.bare[i] && len(to) == 0:
			r.remark("$%d has no cast: write $%d::%s, else the place where it stands decides what type it is", i, i, declared)
		case text && !r.bare[i] && len(to) == 1 && to[0] != "text" && to[0] != "varchar" && slices.Contains(abi.ParamTypes(), to[0]):
			r.remark("$%d is a %s by params and a %s by its cast: write %s into params, so that a value that is none is found before the database fails at it", i, declared, to[0], to[0])
		}
	}
	return r.remarks
}

// spelled are types as the manifest names them, by the names that the parser gives them.
var spelled = map[string]string{"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision", "bool": "boolean"}

// remarker goes through one template.
type remarker struct {
	template *abi.Template
	remarks  []string
	cast     [][]string // of each parameter, from 1: the types that it is cast to
	bare     []bool     // whether it stands without a cast somewhere
}

func (r *remarker) remark(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.remarks, text) {
		r.remarks = append(r.remarks, text)
	}
}

func (r *remarker) visit(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			r.visit(item)
		}
	case node:
		for _, kind := range slices.Sorted(maps.Keys(v)) { // so that remarks have one order
			r.look(kind, v[kind])
		}
	}
}

func (r *remarker) look(kind string, below any) {
	n, _ := below.(node)
	switch kind {
	case "ParamRef":
		if i, found := r.parameter(n); found {
			r.bare[i] = true
		}
		return
	case "TypeCast":
		if arg, found := n["arg"].(node); found && arg["ParamRef"] != nil {
			parameter, _ := arg["ParamRef"].(node)
			if i, found := r.parameter(parameter); found {
				r.cast[i] = append(r.cast[i], castType(n["typeName"]))
			}
			return
		}
	case "UpdateStmt", "onConflictClause", "MergeWhenClause":
		condition := n["whereClause"]
		if kind == "MergeWhenClause" {
			condition = n["condition"]
		}
		r.counters(n["targetList"], condition)
	case "InsertStmt":
		if n["onConflictClause"] == nil {
			r.remark("an INSERT without ON CONFLICT fails on its key, or adds a second row, when the version was installed before")
		}
	}
	r.visit(below)
}

// parameter returns which parameter of the manifest's a node is.
func (r *remarker) parameter(n node) (i int, found bool) {
	i, found = number(n["number"])
	return i, found && i > 0 && i < len(r.bare)
}

// castType names the type of a cast as the manifest would.
func castType(typeName any) string {
	name, array := lastName(typeName)
	if name = cmp.Or(spelled[name], name); array {
		name += "[]"
	}
	return name
}

// counters remarks on columns that become what depends on themselves, unless the condition
// compares a column with the version.
func (r *remarker) counters(targets, condition any) {
	var counts, moves []string // columns that become what depends on themselves, and the others
	list, _ := targets.([]any)
	for _, item := range list {
		wrapped, _ := item.(node)
		target, _ := wrapped["ResTarget"].(node)
		switch column := textOf(target["name"]); {
		case column == "":
		case mentions(target["val"], column):
			counts = append(counts, column)
		default:
			moves = append(moves, column)
		}
	}
	if r.guarded(condition, moves) {
		return
	}
	if r.template.Guard != "" && targets != nil {
		r.remark("its guard, column %s, is in no condition of the statement, so it guards nothing: compare it with the version, as in %s < $n", r.template.Guard, r.template.Guard)
		return
	}
	for _, column := range counts {
		r.remark("%s depends on what it was, and no guard stops a second install: add a condition as in version < $n, and name its column in guard", column)
	}
}

// guarded reports whether a condition looks at the guard column or, when the manifest names none, compares by order a column
// that the statement moves: after an install another comparison, as of a balance with a sum, may hold as it did before.
func (r *remarker) guarded(condition any, moves []string) bool {
	if r.template.Guard != "" {
		return mentions(condition, r.template.Guard)
	}
	switch v := condition.(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return r.guarded(item, moves) })
	case node:
		if comparison, found := v["A_Expr"].(node); found {
			op := names(comparison["name"])
			if len(op) == 1 && slices.Contains([]string{"<", "<=", ">", ">="}, op[0]) {
				return slices.ContainsFunc(moves, func(column string) bool { return mentions(comparison, column) })
			}
		}
		for _, below := range v {
			if r.guarded(below, moves) {
				return true
			}
		}
	}
	return false
}

// mentions reports whether a column stands in a tree by its name. One of excluded is the row
// that is put in, and not the one that is there.
func mentions(v any, column string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return mentions(item, column) })
	case node:
		if ref, found := v["ColumnRef"].(node); found {
			path := names(ref["fields"])
			return len(path) > 0 && path[len(path)-1] == column && path[0] != "excluded"
		}
		for _, below := range v {
			if mentions(below, column) {
				return true
			}
		}
	}
	return false
}
