package sqlpolicy

import (
	"regexp"
	"strings"
)

// deepest is how deep a statement may be nested, by the estimate of nesting. The parser, whose
// stack is small, fails or never ends on twice that.
const deepest = 500

// lexeme is a quoted text or name, a word, a number, or one other character.
var lexeme = regexp.MustCompile(`'[^']*'|"[^"]*"|[\pL_][\pL\pN_$]*|[0-9.]+|\S`)

// hidden is what may hide the end of a text from lexeme: escapes, comments, dollar quotes.
var hidden = regexp.MustCompile(`\\|--|/\*|\$[^0-9]`)

// nesting estimates how deep the tree of a statement is, and rather too high: each word and
// sign may stand below the one before, as in 1 + 1 + 1, but a comma, AND and OR begin anew in
// their bracket. Joins and unions do not, for they hold what comes before them.
func nesting(sql string) int {
	plain := !hidden.MatchString(sql)
	levels, sum, most := []int{0}, 0, 0 // of each open bracket, and of all
	kept := []int{0}                    // of each, what a comma does not end
	for _, word := range lexeme.FindAllString(sql, -1) {
		top := len(levels) - 1
		switch strings.ToLower(word) {
		case "(", "[", "case":
			levels, kept = append(levels, 2), append(kept, 2)
			sum += 2
		case ")", "]", "end":
			if top > 0 && plain {
				sum -= levels[top]
				levels, kept = levels[:top], kept[:top]
			}
		case ",", "and", "or":
			if plain {
				sum -= levels[top] - kept[top]
				levels[top] = kept[top]
			}
		case "union", "except", "intersect", "join":
			levels[top], kept[top] = levels[top]+1, kept[top]+1
			sum++
		default:
			levels[top]++
			sum++
		}
		most = max(most, sum)
	}
	return most
}
