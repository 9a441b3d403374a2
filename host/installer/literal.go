package installer

import (
	"regexp"
	"strings"
)

// literal is where a text constant stands in SQL, with its quotes and what it goes on with in the
// next lines.
type literal struct {
	from, to int
	text     string // as it is written
}

// token is one of what SQL is made of, as far as texts are concerned: a remark, a quoted name, a text
// in each of its spellings, or a word, which may end with what looks like the beginning of a text. It
// follows scan.l of PostgreSQL.
var (
	token = regexp.MustCompile(`(?is)^(?:--[^\n]*|/\*|(?:u&)?"(?:[^"]|"")*"|e'(?:[^'\\]|\\.|'')*'|(?:u&|n|b|x)?'(?:[^']|'')*'|[\pL_][\pL\pN_$]*|\$(?:[\pL_][\pL\pN_]*)?\$|\$?[0-9]+|.)`)
	// goesOn is what may stand between two parts of one text.
	goesOn = regexp.MustCompile(`^(?:[ \t\r\f\v]|--[^\n]*)*\n(?:\s|--[^\n]*\n)*'`)
	// escapeOf is what may follow a text in the spelling U&'…'.
	escapeOf = regexp.MustCompile(`(?i)^(?:\s|--[^\n]*\n)*uescape(?:\s|--[^\n]*\n)*'[^']*'`)
)

// literals returns the text constants of SQL that the server took.
func literals(sql string) []literal {
	var all []literal
	for at := 0; at < len(sql); {
		word := token.FindString(sql[at:])
		end := at + len(word)
		switch {
		case strings.HasPrefix(word, "--"):
		case word == "/*":
			end = endOfRemark(sql, end)
		case len(word) > 1 && word[0] == '$' && word[len(word)-1] == '$':
			if rest := strings.Index(sql[end:], word); rest >= 0 {
				all = append(all, literal{at, end + rest + len(word), sql[end : end+rest]})
				end += rest + len(word)
			}
		case len(word) > 1 && word[len(word)-1] == '\'':
			end = endOfText(sql, at, end)
			all = append(all, literal{at, end, sql[at:end]})
		}
		at = end
	}
	return all
}

// endOfRemark returns where a remark ends, given the end of its opening; remarks nest.
func endOfRemark(sql string, at int) int {
	for depth := 1; at < len(sql) && depth > 0; {
		switch {
		case strings.HasPrefix(sql[at:], "/*"):
			depth, at = depth+1, at+2
		case strings.HasPrefix(sql[at:], "*/"):
			depth, at = depth-1, at+2
		default:
			at++
		}
	}
	return at
}

// endOfText returns where a text ends, given the end of its first part: parts in the next lines belong
// to it.
func endOfText(sql string, from, end int) int {
	escapes := sql[from]|0x20 == 'e'
	for {
		between := goesOn.FindString(sql[end:])
		if between == "" {
			break
		}
		part := sql[end+len(between)-1:]
		if escapes {
			part = "e" + part
		}
		more := len(token.FindString(part))
		if escapes {
			more--
		}
		end += len(between) - 1 + more
	}
	if strings.HasPrefix(strings.ToLower(sql[from:]), "u&") {
		end += len(escapeOf.FindString(sql[end:]))
	}
	return end
}
