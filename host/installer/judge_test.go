package installer_test

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// sqlCase is a line of testdata/hostile.sql.txt or testdata/legitimate.sql.txt.
type sqlCase struct {
	mark   string // R: refused without a database, D: by the database, A: allowed
	params []string
	sql    string
}

func readCases(t testing.TB, name string) []sqlCase {
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
	templates := make([]installer.Template, len(cases))
	for i, c := range cases {
		templates[i] = installer.Template{ID: uint32(i), Name: "it", SQL: c.sql, Params: c.params}
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
	_, err := in.CheckTemplates(t.Context(), templates)
	each(err)
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

// TestHostileSQLIsRefused gives each case to both checks, as a host does: those marked D, and what
// passes the check that needs no database, are the database's to refuse.
func TestHostileSQLIsRefused(t *testing.T) {
	cases := slices.DeleteFunc(readCases(t, "hostile.sql.txt"), func(c sqlCase) bool { return c.mark != "D" && refusedByShape(c) })
	in := newCases(t).judging(installer.Allowed{})
	for i, says := range judged(t, in, cases) {
		if says == "" {
			t.Errorf("%s\nis taken", cases[i].sql)
		}
		if testing.Verbose() {
			t.Logf("%s %s\n%s", cases[i].mark, cases[i].sql, says)
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

// TestOwnerKnows names what the cohort's own objects bring in, as the owner of the database
// does in the settings.
func TestOwnerKnows(t *testing.T) {
	b := newCases(t)
	for _, test := range []struct {
		name    string
		allowed installer.Allowed
		sql     string
		says    string // "" if it is taken
	}{
		{"a function", installer.Allowed{Functions: []string{"public.mark"}}, "update t set a = mark(a) where b = 2", ""},
		{"a function of another schema", installer.Allowed{Functions: []string{"other.mark"}}, "update t set a = mark(a) where b = 2", "function public.mark"},
		{"a name without its schema", installer.Allowed{Functions: []string{"mark"}}, "update t set a = mark(a) where b = 2", "function public.mark"},
		{"a function of PostgreSQL's", installer.Allowed{Functions: []string{"gen_random_uuid"}}, "update t set u = gen_random_uuid() where b = 2", ""},
		{"a function that differs", installer.Allowed{}, "update t set u = gen_random_uuid() where b = 2", "function gen_random_uuid() may give another result each time (take the value from the statemap, or the time of the candidate as a parameter)"},
		{"one in a default", installer.Allowed{Functions: []string{"nextval"}}, "insert into withseq (a, id) values ('x', 1)", "may give another result each time (take the value from the statemap, or add "},
		{"its own name is no other's", installer.Allowed{Functions: []string{"lower"}}, "update t set a = lower(1) where b = 2", "function public.lower"},
		{"a sequence", installer.Allowed{Functions: []string{"nextval"}}, "update t set v = nextval('s') where b = 2", ""},
		{"a clock in a default", installer.Allowed{Functions: []string{"now"}}, "insert into withseq (a, id) values ('x', 1)", ""},
		{"a sequence in a default", installer.Allowed{Functions: []string{"nextval"}}, "insert into withseq (a, id, at) values ('x', default, '2001-01-01')", ""},
		{"a sequence of the column's own", installer.Allowed{Functions: []string{"nextval"}}, "insert into ident (id, a) values (default, 'x')", ""},
		{"a trigger", installer.Allowed{Functions: []string{"public.tf"}}, "insert into trig (a) values ('x')", ""},
		{"a trigger in a foreign key", installer.Allowed{Functions: []string{"public.tf"}}, "delete from owner_of where id = 1", ""},
		{"a domain's check", installer.Allowed{Functions: []string{"public.evil_check"}}, "update dom set c = a where a = 'x'", ""},
		{"a cast", installer.Allowed{Functions: []string{"public.evil_tint"}}, "update tinted set c = a::tint where v = 1", ""},
		{"a rule", installer.Allowed{Functions: []string{"pg_notify"}}, "update ruled set a = 'x' where b = 1", ""},
		{"a view that rules write", installer.Allowed{Relations: []string{"public.routed", "public.q"}}, "delete from routed where b = 1", ""},
		{"a rule that does nothing", installer.Allowed{}, "delete from ruled where a = 'x'", "rule r3 of public.ruled makes the statement do nothing (drop or disable the rule: the version would count as installed)"},
		{"the host's relations stay the host's", installer.Allowed{Relations: []string{"public.*", "ichor.state"}}, "insert into ruled (a) values ('x')", "relation ichor.state is not for guests"},
		{"a relation", installer.Allowed{Relations: []string{"public.t"}}, "update t set a = 'x' where b = 2", ""},
		{"a relation beside", installer.Allowed{Relations: []string{"public.t"}}, "update t set a = q.a from q where t.b = q.b", "relation public.q is not among those allowed"},
		{"a relation below a view", installer.Allowed{Relations: []string{"public.fine"}}, "update fine set a = 'x' where b = 2", ""},
		{"a foreign table that is written", installer.Allowed{Relations: []string{"public.distant"}}, "insert into distant (a) values ('x')", "cannot be written in the transaction of a version"},
		{"all rows", installer.Allowed{Unbounded: true}, "update t set a = 'x'", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := b.judging(test.allowed).CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: test.sql}})
			checkTrial(t, err, test.says)
		})
	}
}

func TestFindingsHaveAPlace(t *testing.T) {
	b := newCases(t)
	in, at := b.judging(installer.Allowed{}), ", 2:18"
	if b.text("select 1 where current_setting('server_version_num')::int >= 170000") != "" {
		at = "" // its trees have no places
	}
	_, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "update t\nset a = 'é', b = lower(1)::int,\n  v = $1 where b = 2", Params: []string{"bigint"}}})
	checkTrial(t, err, "template 7 it"+at+": function public.lower(x integer) is not PostgreSQL's own (if it does the same for the same arguments, always, add public.lower to guests.sql.functions)")
	_, err = in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "update t set b = 1 where v = $1 and a = -- a remark", Params: []string{"bigint"}}})
	checkTrial(t, err, "syntax error at end of input")
	_, err = in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "update t set b = 1 where v = $1; -- a remark", Params: []string{"bigint"}}})
	checkTrial(t, err, "")
	_, err = in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "update t set b = 1 where v = 1; end; drop table t"}})
	checkTrial(t, err, "cannot insert multiple commands into a prepared statement")
}

// TestRoleThatMayNotMakeTemporaryObjects is about the one right that the trial needs beside
// those of the templates.
func TestRoleThatMayNotMakeTemporaryObjects(t *testing.T) {
	b := newCases(t)
	b.exec("create role plainly login")
	defer func() {
		b.exec("drop owned by plainly")
		b.exec("drop role plainly")
	}()
	b.exec("do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$")
	b.exec("grant select, update on t to plainly")
	in, err := installer.New(installer.Options{URL: b.dsn + " user=plainly"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	template := []installer.Template{{ID: 7, Name: "it", SQL: "update t set a = 'x' where b = 2"}}
	var missing *installer.NotReadyError
	if _, err := in.CheckTemplates(t.Context(), template); !errors.As(err, &missing) || !strings.HasPrefix(missing.Hint, "GRANT TEMPORARY ON DATABASE ") || !strings.HasSuffix(missing.Hint, " TO plainly") {
		t.Errorf("got %v, want the GRANT that is missing", err)
	}
	b.exec("do $$ begin execute format('grant temporary on database %I to plainly', current_database()); end $$")
	if _, err := in.CheckTemplates(t.Context(), template); err != nil {
		t.Error(err)
	}
	b.want("select 1 from pg_proc where proname = 'ichor_trial'", "")
}

// TestTextsThatSayNowAreSeenTwice reads constants in which a word cannot be seen.
func TestTextsThatSayNowAreSeenTwice(t *testing.T) {
	in := newCases(t).judging(installer.Allowed{})
	for _, value := range []string{"'now'::time::text", "(time with time zone 'now')::text", "now::text", "('{now}'::time[])::text"} {
		value = strings.Replace(value, "now::", "'now'::timestamptz::", 1)
		_, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: "update t set a = " + value + " where b = 2"}})
		checkTrial(t, err, "another thing each time that it is read")
	}
}

func TestEffectsBesideTheStatementAreTold(t *testing.T) {
	in := newCases(t).judging(installer.Allowed{Functions: []string{"public.tf"}})
	const tie = "a query takes the first of rows of which several may be equal by its ORDER BY, and then which of them differs from run to run: order by all columns of a unique index"
	for sql, want := range map[string]string{
		"update t set a = 'x' where b = 2":                                                           "",
		"insert into t (a) values ('x')":                                                             "column public.t.id draws from a sequence of its own",
		"insert into ident (a) values ('x')":                                                         "column public.ident.id draws from a sequence of its own",
		"update fine set a = 'x' where b = 2":                                                        "view public.fine is written through to public.q",
		"insert into trig (a) values ('x')":                                                          "trigger tt of public.trig runs",
		"delete from muted where a = 'x'":                                                            "rule m3 of public.muted runs",
		"update t set a = (select a from q where b > 3 order by v limit 1) where b = 2":              tie,
		"delete from t where b in (select b from q where b > 3 order by v limit 1)":                  tie,
		"update t set a = (select a from q where b > 3 order by v, a limit 1) where b = 2":           "",
		"update t set a = (select a from keyed where b > 3 order by code, part limit 1) where b = 2": "",
		"delete from owner_of where id = 1":                                                          "foreign key owned_id_fkey changes public.owned too; trigger tk of public.owned runs",
		"delete from owner_of where a = 'x' and id = 1":                                              "foreign key owned_id_fkey changes public.owned too; trigger tk of public.owned runs",
	} {
		told, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: sql}})
		if err != nil || strings.Join(told, "; ") != want {
			t.Errorf("%s: told %q, %v; want %q", sql, told, err, want)
		}
	}
}

// TestTimesNearTheClock writes today's date in words and in digits: a host must not refuse a
// guest because it starts on a day that a template mentions.
func TestTimesNearTheClock(t *testing.T) {
	in := newCases(t).judging(installer.Allowed{})
	day := time.Now().UTC().Format(time.DateOnly)
	for sql, says := range map[string]string{
		"update t set d = 'today' where b = 2":                               "a constant of type date within two days of the clock",
		"update t set d = E'\\164omorrow' where b = 2":                       "a constant of type date within two days of the clock",
		"update t set d = date 'yesterday' where b = 2":                      "a constant of type date within two days of the clock",
		"update t set at = 'today 10:00' where b = 2":                        "a constant of type timestamptz within two days of the clock",
		"update t set d = 'to'\n'day' where b = 2":                           "a constant of type date within two days of the clock",
		"update t set d = 'to' -- a remark\n 'day' where b = 2":              "a constant of type date within two days of the clock",
		"update t set d = U&'!0074oday' uescape '!' where b = 2":             "a constant of type date within two days of the clock",
		"update t set ts = 'tomorrow' where b = 2":                           "a constant of type timestamp within two days of the clock",
		"update t set a = 'today', d = 'today' where b = 2":                  "a constant of type date within two days of the clock",
		"update t set d = $$today$$ where b = 2":                             "a constant of type date within two days of the clock",
		"update t set d = '" + day + "', ts = 'today' where b = 2":           "a constant of type timestamp within two days of the clock",
		"update t set j = '{\"at\":\"now\"}', d = 'today' where b = 2":       "a constant of type date within two days of the clock",
		"update t set d = '" + day + "' where b = 2":                         "",
		"update t set d = '" + day + "' /* today */ where b = 2":             "",
		"update t set d = '" + day + "' where b = 2 -- since now":            "",
		"update t set d = '" + day + "' where b = 2 /* a /* b */ 'now' */":   "",
		"update t as \"today\" set d = '" + day + "' where \"today\".b = 2":  "",
		"update t set d = '" + day + "', a = 'today' where b = 2":            "",
		"update t set d = '" + day + "', a = 'it''s now' where b = 2":        "",
		"update t set d = '" + day + "', a = $x$now$x$ where b = 2":          "",
		"update t set d = '" + day + "', a = E'now\\n' where b = 2":          "",
		"update t set d = '" + day + "', j = '{\"at\":\"now\"}' where b = 2": "",
		"update t set d = date '" + day + "', b = 3 where b = 2":             "",
		"update t set at = '" + day + " 10:00:00+01' where b = 2":            "",
		"update t set at = '" + day + "'::timestamptz where b = 2":           "",
		"update t set b = 3 where d between '2001-01-01' and 'infinity'":     "",
	} {
		_, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: sql}})
		checkTrial(t, err, says)
	}
}

// TestDistinctAggregatesAreInOrder is why DISTINCT counts as an order of an aggregate: the server
// sorts for it, by the collation of the column, whatever plan it makes and whatever lies in the table.
func TestDistinctAggregatesAreInOrder(t *testing.T) {
	b := newBase(t)
	b.exec(`do $$ begin
		execute 'create table words (a text, n int, grp int, c text collate ' ||
			coalesce((select quote_ident(collname) from pg_collation where collprovider = 'i' and collname like 'und-%' order by 1 limit 1), '"C"') || ')';
	end $$`)
	b.exec("insert into words select w, length(w), i % 3, w from (select i, (array['a', 'B', 'ä', '_b', 'Ab', 'aB', 'z', 'Z', '1'])[i % 9 + 1] as w from generate_series(1, 5000) i) x order by md5(i::text)")
	b.exec("analyze words")
	for _, prepare := range []string{"", "create index on words (grp, a desc)", "create index on words (c desc)", "set enable_sort = off", "set enable_hashagg = off"} {
		if prepare != "" {
			b.exec(prepare)
		}
		for _, column := range []string{"a", "c", "n"} {
			is := b.text("select string_agg(x.l::text, ';' order by grp) from (select grp, array_agg(distinct " + column + ") as l from words group by grp) x")
			want := b.text("select string_agg(x.l::text, ';' order by grp) from (select grp, array(select distinct " + column + " from words w where w.grp = g.grp order by 1) as l from (select distinct grp from words) g) x")
			if is != want {
				t.Errorf("after %q, distinct %s is in the order %s, want %s", prepare, column, is, want)
			}
		}
	}
}

// BenchmarkCheckTemplates tries everyday templates, all in one go.
func BenchmarkCheckTemplates(b *testing.B) {
	schema, err := os.ReadFile("testdata/cases.sql")
	if err != nil {
		b.Fatal(err)
	}
	db := pgtest.New(b)
	conn, err := pgx.Connect(b.Context(), db.DSN)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	if _, err := conn.Exec(b.Context(), string(schema)); err != nil {
		b.Fatal(err)
	}
	in, err := installer.New(installer.Options{URL: db.DSN}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	var templates []installer.Template
	for i, c := range readCases(b, "legitimate.sql.txt") {
		templates = append(templates, installer.Template{ID: uint32(i), Name: "it", SQL: c.sql, Params: c.params})
	}
	for b.Loop() {
		if _, err := in.CheckTemplates(b.Context(), templates); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N)/float64(len(templates)), "ms/template")
}
