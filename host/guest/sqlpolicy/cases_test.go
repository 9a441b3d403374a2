package sqlpolicy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// written finds the relations that a statement changes, well enough for the cases.
var written = regexp.MustCompile(`(?i)(?:insert into|update|delete from|merge into)\s+([a-z_0-9."]+)`)

// actions are what ON CONFLICT and MERGE do, which names no relation.
var actions = regexp.MustCompile(`(do|then) update`)

// readCases returns the templates of a file of cases whose mark is one of those given. A line
// is mark|parameter types|SQL, the SQL after "writes=relation;" where it is not plain.
func readCases(t *testing.T, name, marks string) []abi.Template {
	t.Helper()
	text, err := os.ReadFile("../../installer/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all []abi.Template
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 3)
		if len(parts) != 3 || !strings.Contains(marks, parts[0]) {
			continue
		}
		c := abi.Template{ID: 3, Name: "it", SQL: parts[2]}
		if parts[1] != "" {
			c.Params = strings.Split(parts[1], ";")
		}
		if rest, found := strings.CutPrefix(c.SQL, "writes="); found {
			var writes string
			writes, c.SQL, _ = strings.Cut(rest, ";")
			c.Writes = strings.Split(writes, ",")
		} else {
			for _, found := range written.FindAllStringSubmatch(actions.ReplaceAllString(c.SQL, ""), -1) {
				if !slices.Contains(c.Writes, found[1]) {
					c.Writes = append(c.Writes, found[1])
				}
			}
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return all
}

func TestHostileSQLIsRefusedWithoutADatabase(t *testing.T) {
	for _, c := range readCases(t, "hostile.sql.txt", "R") {
		if err := (sqlpolicy.Policy{}).Check([]abi.Template{c}); err == nil {
			t.Errorf("%s\nis taken", c.SQL)
		}
	}
}

func TestLegitimateSQLIsLeftToTheDatabase(t *testing.T) {
	for _, c := range readCases(t, "legitimate.sql.txt", "A") {
		if err := (sqlpolicy.Policy{Database: true}).Check([]abi.Template{c}); err != nil {
			t.Errorf("%s\n%v", c.SQL, err)
		}
	}
}
