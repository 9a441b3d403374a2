package main

import (
	"strings"
	"testing"
)

func TestSQLIsWrapped(t *testing.T) {
	long := "update t set " + strings.Repeat("a = 'it''s  long', ", 20) + `"b  c" = 1 where id = $1::text`
	out := indented(long, "    ")
	lines := strings.Split(out, "\n")
	if len(lines) < 4 {
		t.Errorf("it is not wrapped: %s", out)
	}
	for i, line := range lines {
		if len(line) > width || !strings.HasPrefix(line, "    ") {
			t.Errorf("line %d has %d columns: %s", i+1, len(line), line)
		}
		lines[i] = line[4:]
	}
	if got := strings.Join(lines, " "); got != long {
		t.Errorf("it became %s", got)
	}
	for sql, want := range map[string]string{
		"select  1":                   "  select 1",
		"select ' a  b '":             "  select ' a  b '",
		"select 1 -- a  comment\n, 2": "  select 1 -- a  comment\n, 2",
		strings.Repeat("x", 2*width):  "  " + strings.Repeat("x", 2*width),
		"a\n\tb":                      "  a b",
		"select $$ a  b $$":           "  select $$ a  b $$",
	} {
		if got := indented(sql, "  "); got != want {
			t.Errorf("%q became %q", sql, got)
		}
	}
}
