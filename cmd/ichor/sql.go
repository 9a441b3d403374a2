package main

import "strings"

// width is how many columns a line of SQL should have at most.
const width = 100

// indented writes SQL for a terminal: lines of at most width columns, each with the prefix. It
// breaks at spaces alone, and at none within quotes, so that the text means the same.
func indented(sql, prefix string) string {
	var (
		lines []string
		line  strings.Builder
	)
	for _, word := range words(sql) {
		if line.Len() > 0 && len(prefix)+line.Len()+1+len(word) > width {
			lines = append(lines, line.String())
			line.Reset()
		}
		if line.Len() > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(word)
	}
	lines = append(lines, line.String())
	return prefix + strings.Join(lines, "\n"+prefix)
}

// words splits SQL at white space outside of quotes. SQL with what else may hold spaces that
// mean something, comments and texts between dollars, is one word.
func words(sql string) (all []string) {
	if strings.Contains(sql, "--") || strings.Contains(sql, "$$") {
		return []string{sql}
	}
	begin, quote := -1, byte(0)
	for i := range len(sql) {
		c := sql[i]
		space := quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		}
		if space && begin >= 0 {
			all, begin = append(all, sql[begin:i]), -1
		} else if !space && begin < 0 {
			begin = i
		}
	}
	if begin >= 0 {
		all = append(all, sql[begin:])
	}
	return all
}
