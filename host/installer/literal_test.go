package installer

import (
	"slices"
	"testing"
)

// TestLiterals finds texts by the rules of PostgreSQL's own scanner.
func TestLiterals(t *testing.T) {
	for sql, want := range map[string][]string{
		`'a' , "b" , "c""'d'"`:                   {`'a'`},
		`'it''s' || e'it\'s' || E'\\'`:           {`'it''s'`, `e'it\'s'`, `E'\\'`},
		"'to'\n 'day'":                           {"'to'\n 'day'"},
		"'to' -- 'x'\n -- y\n 'day', 'z'":        {"'to' -- 'x'\n -- y\n 'day'", "'z'"},
		"'to' 'day'":                             {"'to'", "'day'"},
		"e'a\\''\n'b\\'' 'c'":                    {"e'a\\''\n'b\\''", "'c'"},
		`U&'!0074' uescape '!' 'x'`:              {`U&'!0074' uescape '!'`, `'x'`},
		`u&"\0061" uescape '!'`:                  {`'!'`},
		`$$a'b$$ $x$ $$ $x$ a$$ $1 '2'`:          {`a'b`, ` $$ `, `'2'`},
		`date'x' name 'y' n'z' b'1' x'f'`:        {`'x'`, `'y'`, `n'z'`, `b'1'`, `x'f'`},
		"-- 'a'\n/* 'b' /* 'c' */ 'd' */ 'e' --": {`'e'`},
		`a$b'c' $`:                               {`'c'`},
	} {
		var got []string
		for _, l := range literals(sql) {
			got = append(got, l.text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}
