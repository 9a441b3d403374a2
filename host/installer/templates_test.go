package installer_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
)

func TestTemplatesAreTried(t *testing.T) {
	b := newBase(t)
	in := b.installer(1)
	for _, test := range []struct {
		name, sql string
		params    []string
		says      string // "" if the database takes it
	}{
		{"good", "update account set amount = amount + $2::numeric where id = $1", []string{"integer", "numeric"}, ""},
		{"no parameters", "delete from account where id = 1", nil, ""},
		{"a list", "update account set amount = 0 where id::text = any($1::text[])", []string{"text[]"}, ""},
		{"a wider type", "update account set amount = $2 where id = $1", []string{"bigint", "numeric"}, ""},
		{"a type that is cast", "update account set amount = $2::numeric where id = $1", []string{"integer", "text"}, ""},
		{"a wrong type", "update account set amount = $2 where id = $1", []string{"boolean", "numeric"}, "template 7 it, 1:41: operator does not exist: integer = boolean"},
		{"a parameter too few", "update account set amount = $2 where id = $1", []string{"integer"}, "it has 2 parameters, the manifest declares 1"},
		{"no such table", "update nowhere set a = 1 where b = 2", nil, `template 7 it, 1:8: relation "nowhere" does not exist (SQLSTATE 42P01)`},
		{"no such column", "update account\nset nothing = 1 where id = 2", nil, `template 7 it, 2:5: column "nothing" of relation "account" does not exist`},
		{"no such function", "update account set amount = mine(1) where id = 2", nil, "function mine(integer) does not exist"},
		{"values of a wrong type", "update account set amount = 'x' where id = 2", nil, "invalid input syntax for type numeric"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: test.sql, Params: test.params}})
			checkTrial(t, err, test.says)
		})
	}
	b.want("select count(*), sum(amount) from account", "(9,0)")

	_, all := in.CheckTemplates(t.Context(), []installer.Template{{ID: 1, Name: "one", SQL: "update x set a = 1"}, {ID: 2, Name: "fine", SQL: "delete from account where id = 1"}, {ID: 3, Name: "three", SQL: "update y set a = 1"}})
	if all == nil || !strings.Contains(all.Error(), "template 1 one") || !strings.Contains(all.Error(), "template 3 three") || strings.Contains(all.Error(), "fine") {
		t.Errorf("got %v, want what is wrong with each", all)
	}
}

func checkTrial(t *testing.T, err error, says string) {
	t.Helper()
	var refused *installer.TemplateError
	switch {
	case says == "" && err != nil:
		t.Error(err)
	case says != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), says)):
		t.Errorf("got %v, want %q", err, says)
	}
}

func TestATrialOfADatabaseThatIsAwayBlamesNoTemplate(t *testing.T) {
	in, err := installer.New(installer.Options{URL: "host=127.0.0.1 port=1 user=x dbname=x sslmode=disable"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.CheckTemplates(t.Context(), []installer.Template{{ID: 1, Name: "one", SQL: "update x set a = 1"}})
	var refused *installer.TemplateError
	if errors.As(err, &refused) || !installer.IsTransient(err) {
		t.Errorf("got %v, want a transient error", err)
	}
}

// A short template can resolve to a tree that takes hundreds of megabytes to be judged.
func TestTemplateWhoseTreeIsTooLarge(t *testing.T) {
	b := newBase(t)
	var columns []string
	for i := range 1500 {
		columns = append(columns, fmt.Sprintf("c%d int", i))
	}
	b.exec("create table wide (id int, " + strings.Join(columns, ", ") + ")")
	query := "select * from wide"
	for range 40 {
		query = "select s.* from (" + query + ") s"
	}
	_, err := b.installer(1).CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "delete from account where id in (select id from (" + query + ") q)"}})
	checkTrial(t, err, "more than 2097152")
}

// TestTemplateThatTimesOut gives the server templates that it computes something of for longer than
// statement_timeout while it plans them, always and once.
func TestTemplateThatTimesOut(t *testing.T) {
	b := newBase(t)
	b.exec("create sequence tried")
	b.exec("create function slow(calm bigint) returns int immutable language plpgsql as $$ begin if nextval('tried') <= calm then perform pg_sleep(600); end if; return 1; end $$")
	in, err := installer.New(installer.Options{URL: b.dsn, StatementTimeout: time.Second,
		Allowed: installer.Allowed{Functions: []string{"public.slow"}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	both := func(sql string) []installer.Template {
		return []installer.Template{{ID: 6, Name: "fine", SQL: "delete from account where id = 1"}, {ID: 7, Name: "it", SQL: sql}}
	}
	_, err = in.CheckTemplates(t.Context(), both("update account set amount = slow(1000000) where id = 1"))
	checkTrial(t, err, "template 7 it: the server did not understand and plan it within database.statement_timeout of 1s, 3 times over")
	b.want("select last_value from tried", "(3)")
	_, err = in.CheckTemplates(t.Context(), both("update account set amount = slow(4) where id = 1"))
	checkTrial(t, err, "")
}

// TestTemplateWhoseTableIsLocked waits for somebody who changes a table: that passes, and until then
// the template is named.
func TestTemplateWhoseTableIsLocked(t *testing.T) {
	b := newBase(t)
	in := b.installer(1)
	b.exec("begin")
	b.exec("lock table account in access exclusive mode")
	_, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "delete from account where id = 1"}})
	var refused *installer.TemplateError
	if errors.As(err, &refused) || !installer.IsTransient(err) || !strings.Contains(err.Error(), "try template 7 it: ") {
		t.Errorf("got %v, want a transient error that names the template", err)
	}
	b.exec("rollback")
}
