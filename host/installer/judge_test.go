package installer_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// sqlCase is a line of testdata/hostile.sql.txt or testdata/legitimate.sql.txt.
type sqlCase struct {
	mark   string // R: refused without a database, D: by the database, A: allowed
	params []string
	sql    string
	writes string // "" is the statement's own table
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
		if len(parts) != 3 || strings.HasPrefix(line, "#") {
			continue
		}
		c := sqlCase{mark: parts[0], sql: parts[2]}
		if rest, found := strings.CutPrefix(c.sql, "writes="); found {
			c.writes, c.sql, _ = strings.Cut(rest, ";")
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

func declare(c sqlCase) []installer.Declared {
	return []installer.Declared{{ID: 7, Name: "it", SQL: c.sql, Params: c.params}}
}

func TestLegitimateSQLIsTaken(t *testing.T) {
	in := newCases(t).judging(installer.Allowed{})
	for _, c := range readCases(t, "legitimate.sql.txt") {
		if err := in.Try(t.Context(), declare(c)); err != nil {
			t.Errorf("%s\n%v", c.sql, err)
		}
	}
}

func TestHostileSQLIsRefusedByTheDatabase(t *testing.T) {
	in := newCases(t).judging(installer.Allowed{})
	for _, c := range readCases(t, "hostile.sql.txt") {
		err := in.Try(t.Context(), declare(c))
		t.Logf("%s %s\n   %v", c.mark, c.sql, err)
		if err == nil && c.mark == "D" {
			t.Errorf("%s\nis taken", c.sql)
		}
	}
}
