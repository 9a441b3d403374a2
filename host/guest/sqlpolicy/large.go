package sqlpolicy

import (
	"encoding/json"
	"slices"
	"strings"
)

// Large returns the functions of a template whose result can be much larger than their
// arguments, in order, each once: what they may take is bounded by the database's
// statement_timeout alone, so a person should know of them. It returns none for a template
// that cannot be parsed.
func Large(sql string) []string {
	Warm()
	text, err := parse(sql)
	if err != nil {
		return nil
	}
	var tree any
	if json.Unmarshal([]byte(text), &tree) != nil {
		return nil
	}
	var found []string
	calls(tree, func(name string) {
		if large[name] {
			found = append(found, name)
		}
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// calls visits the name of each function that is called in a tree, without its schema.
func calls(v any, visit func(string)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			calls(item, visit)
		}
	case node:
		if call, found := v["FuncCall"].(node); found {
			visit(strings.TrimPrefix(strings.Join(names(call["funcname"]), "."), "pg_catalog."))
		}
		for _, below := range v {
			calls(below, visit)
		}
	}
}
