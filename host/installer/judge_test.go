package installer_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
	"github.com/ichor-replicator/ichor/host/installer"
)

// sqlCase is a line of testdata/hostile.sql.txt or testdata/legitimate.sql.txt.
type sqlCase struct {
	mark   string // R: refused without a database, D: by the database, A: allowed
	params []string
	sql    string
}

func readCases(t *testing.T, name string) []sqlCase {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var all []sqlCase
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 3)
		if len(parts) != 3 {
			continue
		}
		c := sqlCase{mark: parts[0], sql: parts[2]}
		if rest, found := strings.CutPrefix(c.sql, "writes="); found {
			_, c.sql, _ = strings.Cut(rest, ";")
		}
		if parts[1] != "" {
			c.params = strings.Split(parts[1], ";")
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return all
}

// newCases makes a database with the tables of the cases.
func newCases(t *testing.T) *base {
	t.Helper()
	schema, err := os.ReadFile("testdata/cases.sql")
	if err != nil {
		t.Fatal(err)
	}
	b := newBase(t)
	b.exec(string(schema))
	return b
}

func (b *base) judging(allowed installer.Allowed) *installer.Installer {
	b.t.Helper()
	in, err := installer.New(installer.Options{URL: b.dsn, Allowed: allowed}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

// judged returns what is wrong with each case, "" if nothing is.
func judged(t *testing.T, in *installer.Installer, cases []sqlCase) []string {
	t.Helper()
	declared := make([]installer.Declared, len(cases))
	for i, c := range cases {
		declared[i] = installer.Declared{ID: uint32(i), Name: "it", SQL: c.sql, Params: c.params}
	}
	says := make([]string, len(cases))
	var each func(error)
	each = func(err error) {
		var e *installer.TemplateError
		if all, joined := err.(interface{ Unwrap() []error }); joined {
			for _, err := range all.Unwrap() {
				each(err)
			}
		} else if errors.As(err, &e) {
			says[e.ID] += e.Error() + "\n"
		} else if err != nil {
			t.Fatal(err)
		}
	}
	each(in.Try(t.Context(), declared))
	return says
}

func TestLegitimateSQLIsTaken(t *testing.T) {
	in, cases := newCases(t).judging(installer.Allowed{}), readCases(t, "legitimate.sql.txt")
	for i, says := range judged(t, in, cases) {
		if says != "" {
			t.Errorf("%s\n%s", cases[i].sql, says)
		}
	}
}

// TestHostileSQLIsRefused gives each case to both checks, as a host does. Those marked D are
// the database's to refuse.
func TestHostileSQLIsRefused(t *testing.T) {
	in, cases := newCases(t).judging(installer.Allowed{}), readCases(t, "hostile.sql.txt")
	for i, says := range judged(t, in, cases) {
		c := cases[i]
		if says == "" && (c.mark == "D" || !refusedByShape(c)) {
			t.Errorf("%s\nis taken", c.sql)
		}
		if testing.Verbose() {
			t.Logf("%s %s\n%s", c.mark, c.sql, says)
		}
	}
}

// refusedByShape reports whether the check that needs no database refuses a case even where it
// leaves all it can to one. That the relations are not those declared does not count.
func refusedByShape(c sqlCase) bool {
	err := sqlpolicy.Policy{Database: true}.Check([]abi.Template{{ID: 1, Name: "it", SQL: c.sql, Params: c.params, Writes: []string{"t"}}})
	var refused *sqlpolicy.Error
	if !errors.As(err, &refused) {
		return false
	}
	for _, f := range refused.Findings {
		if !strings.HasPrefix(f.What, "it writes ") && !strings.HasPrefix(f.What, "it says that it writes ") {
			return true
		}
	}
	return false
}
