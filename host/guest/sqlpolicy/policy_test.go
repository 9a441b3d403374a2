package sqlpolicy_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/wasilibs/go-pgquery/parser"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest/sqlpolicy"
)

// template makes a template of t that uses its parameters as the SQL does.
func template(sql string, params ...string) abi.Template {
	return abi.Template{ID: 3, Name: "it", SQL: sql, Params: params, Writes: []string{"t"}}
}

func TestAllowed(t *testing.T) {
	for _, test := range []abi.Template{
		template("insert into t (a, b) values ($1::text, default) on conflict (a) do update set b = excluded.b where t.v < excluded.v", "text"),
		template("insert into public.t select x.a from public.q as x where x.b = any($1) order by 1 limit 5", "text[]"),
		template("update t as x set (a, b) = (select 1, 2), c[1] = 2 where x.v < $1 and x.b is not null and x.c is true", "bigint"),
		template("with s as (select unnest($1::text[]) as n), u as (select n from s) update t set a = lower(u.n) from u where t.n = u.n", "text[]"),
		template("with gone as (delete from t where a = $1) insert into t (a) values ($1)", "text"),
		template("delete from t using q where t.a = q.a and t.v between 1 and 2 and not exists (select 1 from x where y like 'a%')"),
		template("merge into t using (values ($1::text, 2)) as s(a, b) on t.a = s.a when matched and t.b > 1 then update set b = s.b when matched then delete when not matched then insert (a) values (s.a)", "text"),
		template("update t set at = $1::timestamptz, d = $1::timestamptz::date, e = '2024-01-01'::date where a = 1", "timestamptz"),
		template("update t set a = case when b then 1 else coalesce(c, greatest(d, 2)) end, j = jsonb_set(j, '{x}', s.v) from (select '1'::jsonb as v) as s where t.a = 1"),
		template("update t set n = s.n from (select a, sum(b) over (partition by a order by b rows between 1 preceding and current row) as n, string_agg(c, ',' order by c) from q group by a having count(*) > 1) as s where t.a = s.a"),
		template(`update t set a = 'it''s; commit' where b collate "C" < 'x'`),
		template("insert into t select repeat('x', n) from generate_series(1, 1000000) as n"), // statement_timeout bounds them
		template("update t set a = -1, b = a || 'x', c = (a).b, d = array[1, 2], e = row(1, 2) is distinct from row(2, 1), f = nullif(a, b), g = trim(a), h = substring(a from 1 for 2), i = position('a' in b) where a = 1"),
	} {
		if err := (sqlpolicy.Policy{}).Check([]abi.Template{test}); err != nil {
			t.Errorf("%s\n%v", test.SQL, err)
		}
	}
}

func TestExamplesPass(t *testing.T) {
	for _, name := range []string{"../../../examples/banking/guest/manifest.json", "../guesttest/misbehaving/manifest.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := abi.DecodeManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := (sqlpolicy.Policy{}).Check(m.Templates); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefused names each shape that is forbidden by what it does.
func TestRefused(t *testing.T) {
	for _, test := range []struct{ deed, sql, says string }{
		{"commit", "commit", "1:1: transaction: a template is INSERT, UPDATE, DELETE or MERGE (the host begins and commits"},
		{"two statements", "update t set a = 1 where b = 2; commit", "2 statements"},
		{"nothing", "", "0 statements"},
		{"nonsense", "update t set a = select", `1:18: syntax error at or near "select"`},
		{"set role", "set role postgres", "variable set: a template is"},
		{"set local", "set local statement_timeout = 0", "variable set: a template is"},
		{"do", "do $$ begin commit; end $$", "do: a template is"},
		{"call", "call p()", "call: a template is"},
		{"copy program", "copy t from program 'id'", "copy: a template is"},
		{"select", "select 1", "select: a template is INSERT, UPDATE, DELETE or MERGE (a template changes rows; nobody reads a result)"},
		{"select into", "with x as (select 1 into y) update t set a = 1 where b = 1", "into is not allowed in select (create tables beforehand)"},
		{"for update", "update t set a = 1 from (select b from q for update) as x where t.b = x.b", "locking is not allowed in select"},
		{"create", "create table x (a int)", "create: a template is"},
		{"create as", "create table x as select 1", "create table as: a template is"},
		{"drop", "drop table t", "drop: a template is"},
		{"truncate", "truncate t", "truncate: a template is"},
		{"grant", "grant all on t to public", "grant: a template is"},
		{"lock", "lock table t", "lock: a template is"},
		{"listen", "listen x", "listen: a template is"},
		{"notify", "notify x", "notify: a template is"},
		{"explain", "explain analyze update t set a = 1 where b = 1", "explain: a template is"},
		{"prepare", "prepare x as update t set a = 1 where b = 1", "prepare: a template is"},
		{"execute", "execute x", "execute: a template is"},
		{"set_config", "update t set a = set_config('role', 'postgres', false) where b = 1", "1:18: function set_config is not among those allowed"},
		{"pg_sleep", "update t set a = 1 where pg_sleep(10) is null and b = 1", "function pg_sleep is not"},
		{"qualified pg_sleep", "update t set a = 1 where pg_catalog.pg_sleep(10) is null and b = 1", "function pg_catalog.pg_sleep is not"},
		{"sleep in a table", "update t set a = 1 from pg_sleep(10) as x where t.b = 1", "function pg_sleep is not"},
		{"advisory lock", "update t set a = 1 where pg_advisory_xact_lock(1) is null and b = 1", "function pg_advisory_xact_lock is not"},
		{"large object", "update t set a = lo_import('/etc/passwd') where b = 1", "function lo_import is not"},
		{"file", "update t set a = pg_read_file('/etc/passwd') where b = 1", "function pg_read_file is not"},
		{"sequence", "update t set a = nextval('s') where b = 1", "function nextval is not"},
		{"random", "update t set a = random() where b = 1", "function random is not"},
		{"uuid", "update t set a = gen_random_uuid() where b = 1", "function gen_random_uuid is not"},
		{"now", "update t set a = now() where b = 1", "function now is not"},
		{"current timestamp", "update t set a = current_timestamp where b = 1", "SQLValueFunction is not allowed (it differs each time"},
		{"current user", "update t set a = current_user where b = 1", "SQLValueFunction is not allowed"},
		{"a clock", "update t set a = now() where b = 1", "function now is not among those allowed (a template must do the same whenever it runs: take the value from the statemap, or the time of the candidate as a parameter)"},
		{"chance", "update t set a = pg_catalog.random() where b = 1", "function pg_catalog.random is not among those allowed (a template must do the same whenever it runs: take the value from the statemap, or the time of the candidate as a parameter)"},
		{"a function of nobody's", "update t set a = f(1) where b = 1", "function f is not among those allowed (if it is immutable, add it to guests.sql.functions)"},
		{"a function of one's own", "update t set a = mine.f(1) where b = 1", "function mine.f is not among those allowed (if it is immutable, add it to guests.sql.functions)"},
		{"an operator of one's own", "update t set a = 1 operator(mine.+) 2 where b = 1", "operator mine.+ is not"},
		{"the word now", "update t set a = 'now' where b = 1", `"now" may mean the time at which the statement runs`},
		{"a cast of now", "update t set a = ' Now '::timestamptz where b = 1", "may mean the time"},
		{"a typed literal", "update t set a = timestamp 'today' where b = 1", "may mean the time"},
		{"a text cast to a time", "update t set a = $1::text::timestamptz where b = 1", "1:26: a cast of an expression to timestamptz"},
		{"a column cast to a time", "update t set a = c::date where b = 1", "a cast of an expression to date"},
		{"regclass", "update t set a = 'pg_class'::regclass where b = 1", "type regclass depends on the catalogue"},
		{"oid", "update t set a = 1::oid where b = 1", "type oid is not among those allowed"},
		{"a type of one's own", "update t set a = 'x'::mine.mood where b = 1", "type mine.mood is not among those allowed"},
		{"ctid", "delete from t where ctid = '(0,1)'", "column ctid is the system's"},
		{"xmin", "update t set a = t.xmin::text::bigint where b = 1", "column xmin is the system's"},
		{"no condition, update", "update t set a = 1", "UPDATE without a condition changes every row (add a condition, or set guests.sql.unbounded)"},
		{"no condition, delete", "delete from t", "DELETE without a condition"},
		{"a condition that says nothing", "delete from t where true", "DELETE without a condition"},
		{"another that says nothing", "delete from t where 1 = 1 or $1 = 'x'", "DELETE without a condition"},
		{"no condition in a WITH", "with x as (delete from t) insert into t values (1)", "DELETE without a condition"},
		{"merge of all others", "merge into t using q on t.a = q.a when not matched by source then delete", "WHEN NOT MATCHED BY SOURCE without a condition"},
		{"recursion", "with recursive x as (select 1 union all select 1 from x) update t set a = 1 from x where t.b = 1", "WITH recursive is not allowed (recursion may never end)"},
		{"returning", "update t set a = 1 where b = 1 returning a", "returningList is not allowed in UPDATE (nobody reads a result)"},
		{"tablesample", "insert into t select a from q tablesample system (10)", "RangeTableSample is not allowed"},
		{"the host's schema", "update ichor.state set a = 1 where b = 1", "relation ichor.state is not for guests"},
		{"the host's table", "update cohort_snapshot set a = 1 where b = 1", "relation public.cohort_snapshot is not for guests"},
		{"the host's schema, read", "insert into t select a from ichor.ledger", "relation ichor.ledger is not for guests"},
		{"the host's schema, in a condition", "delete from t where a in (select a from ichor.ledger)", "relation ichor.ledger is not for guests"},
		{"the catalogue", "insert into t select rolpassword from pg_catalog.pg_authid", "relation pg_catalog.pg_authid is not for guests"},
		{"the catalogue without a schema", "insert into t select rolpassword from pg_authid", "relation pg_authid would be one of the system's"},
		{"the information schema", "insert into t select 1 from information_schema.tables", "is not for guests"},
		{"a temporary table", "update pg_temp.t set a = 1 where b = 1", "relation pg_temp.t is not for guests"},
		{"another database", "update other.public.t set a = 1 where b = 1", "another database, other, is not allowed"},
		{"a name in WITH that hides nothing", "with x as (with cohort_snapshot as (select 1) select 1) insert into t select 1 from cohort_snapshot", "relation public.cohort_snapshot is not for guests"},
		{"a target that WITH names", "with cohort_snapshot as (select 1) delete from cohort_snapshot where a = 1", "relation public.cohort_snapshot is not for guests"},
		{"another table", "update q set a = 1 where b = 1", "it writes public.q and does not say so (add it to writes)"},
		{"another table in WITH", "with x as (update q set a = 1 where b = 1) update t set a = 1 where b = 1", "it writes public.q and does not say so"},
		{"not the table it says", "insert into q values (1)", "it says that it writes public.t and does not"},
		{"a parameter too many", "update t set a = $3 where b = 1", "parameter $3, the manifest declares 1"},
		{"a parameter that is not used", "update t set a = 1 where b = 1", "parameter $1 is declared and not used"},
		{"an aggregate without an order", "insert into t select array_agg(a) from q", "array_agg without an order differs from run to run"},
		{"a collation of the machine", `update t set a = 1 where b collate "de_DE" < 'x'`, "collation de_DE may differ"},
		{"xml", "update t set a = xmlelement(name x) where b = 1", "XmlExpr is not allowed"},
		{"json constructors", "update t set a = json_object('a' : 1) where b = 1", "JsonObjectConstructor is not allowed"},
		{"current of", "delete from t where current of c", "CurrentOfExpr is not allowed"},
		{"a place in two lines", "update t\nset a = 1,\n  b = now() where c = 1", "3:7: function now"},
	} {
		t.Run(test.deed, func(t *testing.T) {
			err := sqlpolicy.Policy{}.Check([]abi.Template{template(test.sql, "text")})
			var refused *sqlpolicy.Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got  %v\nwant %s", err, test.says)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	with := template("update t set a = 1, version = $1 where b = 1", "bigint")
	with.Guard = "version"
	without := template("update t set a = $1 where b = 1", "bigint")
	without.Guard = "version"
	if err := (sqlpolicy.Policy{}).Check([]abi.Template{with}); err != nil {
		t.Error(err)
	}
	if err := (sqlpolicy.Policy{}).Check([]abi.Template{without}); err == nil || !strings.Contains(err.Error(), "its guard, column version, is not in the statement") {
		t.Error(err)
	}
}

// TestPolicy turns each switch of the policy.
func TestPolicy(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy sqlpolicy.Policy
		sql    string
		says   string // "" if it passes
	}{
		{"relations", sqlpolicy.Policy{Relations: []string{"public.t"}}, "update t set a = 1 where b = 1", ""},
		{"a schema", sqlpolicy.Policy{Relations: []string{"public.*"}}, "update t set a = 1 from q where t.b = q.b", ""},
		{"a relation beside", sqlpolicy.Policy{Relations: []string{"public.t"}}, "update t set a = 1 from q where t.b = q.b", "relation public.q is not among those allowed (add it to guests.sql.relations)"},
		{"a name in WITH", sqlpolicy.Policy{Relations: []string{"public.t"}}, "with q as (select 1 as b) update t set a = 1 from q where t.b = q.b", ""},
		{"the host's, though listed", sqlpolicy.Policy{Relations: []string{"ichor.state"}}, "update ichor.state set a = 1 where b = 1", "not for guests"},
		{"a function", sqlpolicy.Policy{Functions: []string{"mine.f"}}, "update t set a = mine.f(1) where b = 1", ""},
		{"a built-in function", sqlpolicy.Policy{Functions: []string{"lpad"}}, "update t set a = lpad('x', 3), c = pg_catalog.lpad('x', 3) where b = 1", ""},
		{"a type", sqlpolicy.Policy{Types: []string{"mine.mood"}}, "update t set a = 'x'::mine.mood where b = 1", ""},
		{"all rows", sqlpolicy.Policy{Unbounded: true}, "delete from t", ""},
		{"another schema", sqlpolicy.Policy{Schema: "bank"}, "update bank.t set a = 1 where b = 1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.policy.Check([]abi.Template{template(test.sql)})
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
	bad := sqlpolicy.Policy{Relations: []string{"t", "ichor.state", "a."}, Functions: []string{""}, Types: []string{"a.b.c"}}
	if err := bad.Validate(); err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("got %v, want five errors", err)
	}
}

// FuzzCheck looks for statements that crash the walk.
func FuzzCheck(f *testing.F) {
	f.Add("update t set a = $1 where b = 1")
	f.Add("with x as (select 1) merge into t using x on true when matched then delete")
	f.Add("insert into t select * from lateral (select a[1:2] from b) as c(d) window w as (partition by 1)")
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.ContainsRune(sql, 0) {
			return
		}
		if (sqlpolicy.Policy{}).Check([]abi.Template{template(sql, "text")}) != nil {
			return
		}
		tree, err := parser.ParseToJSON(sql)
		if err != nil {
			t.Fatalf("%q passes and cannot be parsed: %v", sql, err)
		}
		for _, never := range []string{"intoClause", "lockingClause", "returning", "recursive", "TransactionStmt", "VariableSetStmt", `"schemaname":"ichor"`, "TableSample", "SQLValueFunction", "pg_sleep"} {
			if strings.Contains(tree, never) {
				t.Errorf("%q passes and has %s: %s", sql, never, tree)
			}
		}
	})
}
