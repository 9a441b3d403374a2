package installer

import (
	"context"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// farDay is a text of a day that is never near the clock.
const farDay = "'2001-01-01'"

// mostRead is how many texts of a template are read again one by one.
const mostRead = 16

// saysPresent refuses a template of which a constant is a time near the clock because its text says
// now, today or the like. One that is written in digits is a template like any other, so the texts
// with such a word are read once more as another day: if a time is another one then, the word was it.
func (j *judge) saysPresent(ctx context.Context, tx pgx.Tx) error {
	words := wordsForPresent(j.template.SQL)
	if len(j.near) == 0 || len(words) == 0 {
		return nil
	}
	changed, read, err := j.readAs(ctx, tx, words)
	if err != nil {
		return err
	}
	if !read { // one of the texts is no time at all
		if len(words) > mostRead {
			changed = j.near[0]
		}
		for i := 0; i < len(words) && changed == nil; i++ {
			if changed, _, err = j.readAs(ctx, tx, words[i:i+1]); err != nil {
				return err
			}
		}
	}
	if changed == nil {
		return nil
	}
	t, err := j.cat.dataType(ctx, changed.OID("consttype"))
	if err != nil {
		return err
	}
	j.refuse(changed, "give it as a parameter, or write it in digits", "a constant of type %s within two days of the clock, whose text says now, today or the like", t.Name)
	return nil
}

// readAs reads the template with another day in the place of some of its texts. It returns the first
// constant that is no longer near the clock, or nil; read is false if the server refuses what was made
// of the template.
func (j *judge) readAs(ctx context.Context, tx pgx.Tx, words []literal) (changed *querytree.Node, read bool, err error) {
	of, sql := j.template, j.template.SQL
	for i := len(words) - 1; i >= 0; i-- {
		sql = sql[:words[i].from] + farDay + sql[words[i].to:]
	}
	other := Template{ID: of.ID, Name: of.Name, SQL: sql, Params: of.Params, Rows: of.Rows}
	body, err := readBody(ctx, tx, &other)
	if err != nil {
		if refusal(&other, err) != nil {
			err = nil
		}
		return nil, false, err
	}
	again := &judge{allowed: j.allowed, cat: j.cat, template: &other, now: j.now, visited: map[string]bool{}}
	err = j.cat.asking(ctx, tx, func() error { return again.tree(ctx, body) })
	if len(again.near) < len(j.near) { // they stand in the same order
		for i, n := range j.near {
			if i == len(again.near) || n.OID("consttype") != again.near[i].OID("consttype") {
				return n, true, err
			}
		}
	}
	return nil, true, err
}

// joint is what stands between two parts of a text.
var joint = regexp.MustCompile(`'` + goesOn.String()[len("^"):])

// wordsForPresent returns the texts of SQL that may be words for the present. One with escapes may
// have any letters.
func wordsForPresent(sql string) (all []literal) {
	for _, l := range literals(sql) {
		text := strings.ToLower(joint.ReplaceAllString(l.text, ""))
		may := strings.HasPrefix(text, "e'") && strings.Contains(text, `\`) || strings.HasPrefix(text, "u&'")
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < 'a' || r > 'z' }) {
			may = may || word == "now" || word == "today" || word == "tomorrow" || word == "yesterday"
		}
		if may {
			all = append(all, l)
		}
	}
	return all
}
