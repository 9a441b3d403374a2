package sqlpolicy

import (
	"maps"
	"slices"
	"strings"
)

// look applies the rules of one kind of node. It returns false if nothing below is to be
// looked at.
func (c *checker) look(kind string, n node) bool {
	switch kind {
	case "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt":
		return c.statement(kind, n)
	case "MergeWhenClause":
		c.mergeWhen(n)
	case "SelectStmt":
		c.selection(n)
	case "ColumnDef":
		c.columnDef(n)
	case "A_Indirection":
		c.attribute(n)
	case "RangeVar":
		c.relation(n, false)
	case "FuncCall":
		c.function(n)
	case "TypeName":
		c.typeName(n)
	case "TypeCast":
		c.cast(n)
		c.pads(n)
	case "A_Expr":
		c.operator(n["name"])
	case "SubLink":
		c.operator(n["operName"])
		c.arrayOfRows(n)
	case "SortBy":
		if n["useOp"] != nil {
			c.operator(n["useOp"])
		}
	case "CollateClause":
		c.collation(n)
	case "A_Const":
		c.constant(n)
	case "ColumnRef":
		c.column(names(n["fields"]))
	case "ResTarget":
		c.guarded = c.guarded || textOf(n["name"]) == c.template.Guard
	case "ParamRef":
		c.param(n)
	}
	return true
}

const hintUnbounded = "add a condition, or set guests.sql.unbounded"

// statement checks what is changed, and that not everything is.
func (c *checker) statement(kind string, n node) bool {
	target, ok := n["relation"].(node)
	if !ok {
		c.find(c.at, "", "a statement without a relation")
		return false
	}
	c.relation(target, true)
	if !c.policy.Unbounded {
		if (kind == "UpdateStmt" || kind == "DeleteStmt") && !c.binds(n, target, []any{n["fromClause"], n["usingClause"]}, n["whereClause"]) {
			what := "%s without a condition changes every row"
			if n["whereClause"] != nil {
				what = "%s without a condition that any of its rows can fail changes every row"
			}
			c.find(c.at, hintUnbounded, what, statements[kind])
		}
		c.merged(n, target)
	}
	// The relation was looked at as a target: it must not be looked at as a source too.
	rest := maps.Clone(n)
	delete(rest, "relation")
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		f, found := grammar[kind][name]
		switch {
		case !found, name == "returningList" && !c.inner:
			c.refuse(kind+"."+name, "%s is not allowed in %s", strings.TrimSuffix(name, "Clause"), statements[kind])
		case !f.value && name != "withClause":
			c.each(rest[name], f.kind)
		}
	}
	if alias, found := target["alias"]; found {
		c.each(alias, "Alias")
	}
	return false
}

func (c *checker) mergeWhen(n node) {
	if command := textOf(n["commandType"]); command != "CMD_INSERT" && command != "CMD_UPDATE" && command != "CMD_DELETE" && command != "CMD_NOTHING" {
		c.find(c.at, "", "MERGE with %s", command)
	}
}

// merged checks that no WHEN of a MERGE changes rows whatever they are.
func (c *checker) merged(n, target node) {
	whens, _ := n["mergeWhenClauses"].([]any)
	for _, item := range whens {
		wrapped, _ := item.(node)
		when, _ := wrapped["MergeWhenClause"].(node)
		command, kind := textOf(when["commandType"]), textOf(when["matchKind"])
		if command != "CMD_UPDATE" && command != "CMD_DELETE" {
			continue
		}
		switch {
		case kind == "MERGE_WHEN_MATCHED" && !c.binds(n, target, n["sourceRelation"], n["joinCondition"], when["condition"]):
			c.find(c.at, hintUnbounded, "MERGE without a condition on the rows of its target changes every row")
		case kind == "MERGE_WHEN_NOT_MATCHED_BY_SOURCE" && !c.binds(n, target, nil, when["condition"]):
			c.find(c.at, hintUnbounded, "WHEN NOT MATCHED BY SOURCE without a condition changes every other row")
		}
	}
}

// relation checks a table that is read or written.
func (c *checker) relation(n node, write bool) {
	if at, found := number(n["location"]); found && at >= 0 {
		before := c.at
		c.at = at
		defer func() { c.at = before }()
	}
	schema, name := textOf(n["schemaname"]), textOf(n["relname"])
	if n["catalogname"] != nil {
		c.refuse("RangeVar.catalogname", "another database, %s, is not allowed", textOf(n["catalogname"]))
	}
	if schema == "" && !write && slices.Contains(c.scope, name) {
		return // a common table expression
	}
	if schema == "" {
		schema = c.policy.Schema
	}
	full := schema + "." + name
	switch {
	case slices.Contains(systemSchemas, schema) || strings.HasPrefix(schema, "pg_"):
		c.find(c.at, "a guest has the cohort's own tables", "relation %s is not for guests", full)
	case name == hostRelation:
		c.find(c.at, "the host keeps it", "relation %s is not for guests", full)
	case strings.HasPrefix(name, "pg_") && n["schemaname"] == nil:
		c.find(c.at, "a guest has the cohort's own tables", "relation %s would be one of the system's", name)
	case len(c.policy.Relations) > 0 && !slices.Contains(c.policy.Relations, full) && !slices.Contains(c.policy.Relations, schema+".*"):
		c.find(c.at, "add it to guests.sql.relations", "relation %s is not among those allowed", full)
	}
	if write {
		c.written[full] = true
	}
}

func (c *checker) operator(list any) {
	if parts := names(list); len(parts) > 1 && parts[0] != "pg_catalog" {
		c.find(c.at, "an operator is a function; write the built-in one", "operator %s is not among those allowed", strings.Join(parts, "."))
	}
}

func (c *checker) collation(n node) {
	if name := strings.TrimPrefix(strings.Join(names(n["collname"]), "."), "pg_catalog."); name != "C" && name != "POSIX" {
		c.find(c.at, `COLLATE "C"`, "collation %s may differ from machine to machine", name)
	}
}

// column refuses columns of the system, which differ from database to database.
func (c *checker) column(parts []string) {
	if len(parts) == 0 {
		return
	}
	last := parts[len(parts)-1]
	if len(parts) > 1 && isCall(last) {
		c.find(c.at, "what follows a dot may be a function to PostgreSQL; name the column otherwise", "%s would call a function that differs each time", strings.Join(parts, "."))
	}
	if slices.Contains([]string{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}, last) {
		c.find(c.at, "use a column of the table's own", "column %s is the system's", last)
	}
	c.guarded = c.guarded || last == c.template.Guard
}

func (c *checker) param(n node) {
	i, ok := number(n["number"])
	if !ok || i < 1 || i > len(c.template.Params) {
		c.find(c.at, "params has a type for each parameter", "parameter $%d, the manifest declares %d", i, len(c.template.Params))
		return
	}
	c.used[i] = true
}

// whole checks what is known once the statement was walked: unused parameters, writes, the guard.
func (c *checker) whole() {
	for i := range c.template.Params {
		if !c.used[i+1] {
			c.find(-1, "leave it out of params, or use it", "parameter $%d is declared and not used", i+1)
		}
	}
	declared := map[string]bool{}
	for _, name := range c.template.Writes {
		if !strings.Contains(name, ".") {
			name = c.policy.Schema + "." + name
		}
		declared[name] = true
		if !c.written[name] {
			c.find(-1, "writes names what the statement changes, no more", "it says that it writes %s and does not", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.written)) {
		if !declared[name] {
			c.find(-1, "add it to writes", "it writes %s and does not say so", name)
		}
	}
	if c.template.Guard != "" && !c.guarded {
		c.find(-1, "compare the column with the version, or leave guard out", "its guard, column %s, is not in the statement", c.template.Guard)
	}
}
