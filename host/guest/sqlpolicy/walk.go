package sqlpolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// node is one node of the tree: its fields.
type node = map[string]any

// tree checks a parse tree: one statement, and what belongs to it.
func (c *checker) tree(text []byte) {
	var tree struct {
		Stmts []struct {
			Stmt     node `json:"stmt"`
			Location int  `json:"stmt_location"`
		} `json:"stmts"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		c.find(-1, "", "its parse tree cannot be read: %s", err)
		return
	}
	if len(tree.Stmts) != 1 {
		c.find(-1, "one template, one statement", "%d statements", len(tree.Stmts))
		return
	}
	c.at = tree.Stmts[0].Location
	for kind, body := range tree.Stmts[0].Stmt {
		if statements[kind] == "" {
			c.refuse(kind, "%s: a template is INSERT, UPDATE, DELETE or MERGE", statementName(kind))
			return
		}
		c.visit(kind, body)
	}
	if len(c.findings) == 0 { // else these may only follow from what was found
		c.whole()
	}
}

// statementName makes words of a node's name: CreateTableAsStmt is "create table as".
func statementName(kind string) string {
	var words strings.Builder
	for i, r := range strings.TrimSuffix(kind, "Stmt") {
		if i > 0 && r >= 'A' && r <= 'Z' {
			words.WriteByte(' ')
		}
		words.WriteRune(r)
	}
	return strings.ToLower(words.String())
}

// refuse notes that a node, or node.field, is not allowed.
func (c *checker) refuse(key, format string, args ...any) {
	c.find(c.at, hints[key], format, args...)
}

// each visits a field's node or nodes.
func (c *checker) each(value any, kind string) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			c.each(v, kind)
		}
	case node:
		if kind != "" {
			c.visit(kind, value)
			return
		}
		if len(value) == 0 { // a place in a list that is left out
			return
		}
		for k, body := range value {
			c.visit(k, body)
		}
	default:
		c.find(c.at, "", "a node that is no node: %v", value)
	}
}

// visit checks a node and all below it.
func (c *checker) visit(kind string, body any) {
	n, ok := body.(node)
	if !ok {
		c.find(c.at, "", "a node %s that is no node", kind)
		return
	}
	before := *c
	defer func() {
		c.at, c.scope, c.windows, c.same, c.grouped = before.at, before.scope, before.windows, before.same, before.grouped
	}()
	if at, found := number(n["location"]); found && at >= 0 {
		c.at = at
	}
	fields, allowed := grammar[kind]
	if !allowed {
		c.refuse(kind, "%s is not allowed", kind)
		return
	}
	if with, found := n["withClause"].(node); found {
		c.with(with)
	}
	if !c.look(kind, n) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n)) {
		f, found := fields[name]
		switch {
		case !found:
			c.refuse(kind+"."+name, "%s is not allowed in %s", strings.TrimSuffix(name, "Clause"), statementName(kind))
		case !f.value && name != "withClause":
			c.each(n[name], f.kind)
		}
	}
}

// with checks common table expressions in their order: each sees those before it, and the
// statement sees all.
func (c *checker) with(with node) {
	for name := range with {
		if _, found := grammar["WithClause"][name]; !found {
			c.refuse("WithClause."+name, "WITH %s is not allowed", name)
		}
	}
	list, _ := with["ctes"].([]any)
	for _, item := range list {
		wrapped, _ := item.(node)
		cte, ok := wrapped["CommonTableExpr"].(node)
		if !ok {
			c.find(c.at, "", "a WITH that cannot be read")
			continue
		}
		if query, _ := cte["ctequery"].(node); query["SelectStmt"] == nil && !dataModifying(query) {
			c.find(c.at, "", "a WITH of something else than SELECT, INSERT, UPDATE, DELETE or MERGE")
			continue
		}
		inner := c.inner
		c.inner = true
		c.visit("CommonTableExpr", cte)
		c.inner = inner
		c.scope = append(slices.Clip(c.scope), textOf(cte["ctename"]))
	}
}

func dataModifying(query node) bool {
	for kind := range query {
		return statements[kind] != ""
	}
	return false
}

func number(v any) (int, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return int(i), err == nil
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

// names returns the strings of a list of String nodes.
func names(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, item := range list {
		wrapped, _ := item.(node)
		if s, ok := wrapped["String"].(node); ok {
			all = append(all, textOf(s["sval"]))
		} else {
			all = append(all, fmt.Sprint(slices.Collect(maps.Keys(wrapped))))
		}
	}
	return all
}
