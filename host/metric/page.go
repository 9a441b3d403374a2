package metric

import (
	"fmt"
	"io"
	"strings"
)

// Section is the metrics that a person looks at together.
type Section struct {
	Title string
	Of    []Definition
}

// Write writes sections as tables in Markdown.
func Write(w io.Writer, sections []Section) error {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | what it is | from | what to do |\n|---|---|---|---|\n", s.Title)
		for i := range s.Of {
			d := &s.Of[i]
			fmt.Fprintf(&b, "| `%s`<br>%s, %s%s | %s | %s | %s |\n", d.Name, d.Kind, d.Unit, d.labels(), cell(d.Help), cell(d.From), cell(d.Advice))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// labels names the labels, if there are any.
func (d *Definition) labels() string {
	if len(d.Labels) == 0 {
		return ""
	}
	return ", by `" + strings.Join(d.Labels, "`, `") + "`"
}

// cell returns a text as it may stand in a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
