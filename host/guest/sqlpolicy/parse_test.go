package sqlpolicy

import (
	"strings"
	"testing"
)

// TestNestedTooDeep makes SQL that the parser fails or never ends on, by everything that nests.
func TestNestedTooDeep(t *testing.T) {
	around := func(open, inner, end string) func(int) string {
		return func(n int) string { return strings.Repeat(open, n) + inner + strings.Repeat(end, n) }
	}
	for name, make := range map[string]func(int) string{
		"case":                       around("case when ", "b = 1", " then b=2 else b=3 end"),
		"case behind and":            around("case when a and ", "b = 1", " then b=2 else b=3 end"),
		"brackets":                   around("(", "b = 1", ")"),
		"functions":                  around("abs(", "1", ")"),
		"functions and lists":        around("greatest(1, ", "1", ")"),
		"arrays":                     around("array[", "1", "]"),
		"queries":                    around("exists (select 1 where ", "b = 1", ")"),
		"and, or":                    around("b=1 and (b=2 or ", "b=1", ")"),
		"not":                        around("not ", "b", ""),
		"signs":                      around("- ", "b", ""),
		"operators":                  around("1+", "b", ""),
		"texts that look like lists": around("'and' || ", "a", ""),
		"texts with an escape":       around("E'\\'' || ' and ' || ", "a", ""),
		"dollar quotes":              around("$$,$$ || ", "a", ""),
		"remarks":                    around("1 + /* , */ ", "b", ""),
		"casts":                      around("", "b", "::int"),
		"null tests":                 around("", "b", " is null"),
		"unions":                     around("", "b in (select 1", " union select 1, 2"),
		"joins":                      around("", "b in (select 1 from q", " join q on a and b"),
	} {
		if got := nesting("update t set a = 1 where " + make(400)); got <= deepest && name != "not" && name != "signs" && name != "unions" && name != "joins" {
			t.Errorf("400 %s are taken: %d", name, got)
		}
		if got := nesting("update t set a = 1 where " + make(800)); got <= deepest {
			t.Errorf("800 %s are taken: %d", name, got)
		}
		if got := nesting("update t set a = 1 where " + make(20)); got > deepest {
			t.Errorf("20 %s are refused: %d", name, got)
		}
	}
	for name, sql := range map[string]string{
		"a long list":       "insert into t (a) values " + strings.Repeat("(1, 'x', lower('y')), ", 500) + "(1, 'x', 'y')",
		"a long condition":  "update t set a = 1 where " + strings.Repeat("(a = 1 and b is not null) or ", 500) + "c = 2",
		"a text of a novel": "update t set a = '" + strings.Repeat("it was a dark and stormy night ", 400) + "' where b = 1",
	} {
		if got := nesting(sql); got > deepest {
			t.Errorf("%s is refused: %d", name, got)
		}
	}
	if _, err := parse("update t set a = 1 where " + strings.Repeat("(", 1000) + "b" + strings.Repeat(")", 1000)); err == nil {
		t.Error("a thousand brackets reach the parser")
	}
}

// TestParserThatFailed says what happens after SQL that ended the parser: nothing that it says
// may be believed.
func TestParserThatFailed(t *testing.T) {
	broken.Store(true)
	defer broken.Store(false)
	if _, err := parse("update t set a = 1 where b = 1"); err == nil {
		t.Error("the parser is believed after it failed")
	}
}

// TestSizeOfNestedCalls gives the estimate calls within calls, each of which is looked at twice.
func TestSizeOfNestedCalls(t *testing.T) {
	const deep = 60
	c := &sizer{}
	tree := node{"A_Const": node{"sval": node{"sval": "x"}}}
	for range deep {
		inner := node{"FuncCall": node{"funcname": []any{node{"String": node{"sval": "length"}}}, "args": []any{tree}}}
		tree = node{"FuncCall": node{"funcname": []any{node{"String": node{"sval": "format"}}}, "args": []any{
			node{"A_Const": node{"sval": node{"sval": "%*s"}}}, inner, node{"A_Const": node{"sval": node{"sval": "x"}}}}}}
	}
	if bytes := c.size(tree); bytes < mostMade || c.visited > 2*mostVisited {
		t.Errorf("estimated as %g bytes after %d nodes", bytes, c.visited)
	}
}
