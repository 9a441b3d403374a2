package installer_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// traps are functions, operators, casts and a domain of the cohort's own that leave a trace
// wherever they run: a number drawn from a sequence is not given back by a rollback.
const traps = `
create sequence trace;
create sequence s;
create table t (a text, b int, v bigint, at timestamptz, d date, j jsonb, n numeric, f float8, arr text[], id int primary key);
insert into t select 'x' || i, i, i, '2001-01-01', '2001-01-01', '{"a": 1}', i, i, '{x,y}', i from generate_series(1, 5) i;
create table q (a text, b int, v bigint);
insert into q select 'q' || i, i, i from generate_series(1, 5) i;
create function evil(x q) returns text language plpgsql as $$ begin perform nextval('trace'); return 'evil'; end $$;
create function trapped(x t) returns text language plpgsql as $$ begin perform nextval('trace'); return 'evil'; end $$;
create function lower(x int) returns text language plpgsql as $$ begin perform nextval('trace'); return 'evil'; end $$;
create function upper(x bigint) returns text language plpgsql stable as $$ begin perform nextval('trace'); return 'evil'; end $$;
create function md5(x varchar) returns text language plpgsql as $$ begin perform nextval('trace'); return 'evil'; end $$;
create function abs(x text) returns int language plpgsql as $$ begin perform nextval('trace'); return 1; end $$;
create function concat(x int, y text) returns text language plpgsql as $$ begin perform nextval('trace'); return 'evil'; end $$;
create function length(x jsonb) returns int language plpgsql as $$ begin perform nextval('trace'); return 1; end $$;
create function plus_evil(a int, b text) returns text language plpgsql as $$ begin perform nextval('trace'); return 'evil'; end $$;
create operator + (leftarg = int, rightarg = text, function = plus_evil);
create function equal_evil(a int, b text) returns boolean language plpgsql as $$ begin perform nextval('trace'); return true; end $$;
create operator = (leftarg = int, rightarg = text, function = equal_evil);
create function check_evil(x text) returns boolean language plpgsql as $$ begin perform nextval('trace'); return true; end $$;
create domain checked as text check (check_evil(value));
create type tint as enum ('red', 'blue');
create function tint_evil(x text) returns tint language plpgsql as $$ begin perform nextval('trace'); return 'red'; end $$;
create cast (text as tint) with function tint_evil(text) as assignment;
create function json_evil(x tint) returns json language plpgsql as $$ begin perform nextval('trace'); return '1'; end $$;
create cast (tint as json) with function json_evil(tint);
create function bool_evil(x int) returns checked language plpgsql as $$ begin perform nextval('trace'); return 'x'; end $$;
create cast (int as checked) with function bool_evil(int);
create function sum_evil(a int, b int) returns int language plpgsql as $$ begin perform nextval('trace'); return 1; end $$;
create aggregate max (checked) (sfunc = textcat, stype = text);
create aggregate total (int) (sfunc = sum_evil, stype = int);
`

// maker makes templates of a grammar in which every way to call a function occurs: by name
// with and without a schema or quotes, behind a dot, by operator, by cast of each spelling, by
// overloads, in aggregates, windows, FROM and conditions.
type maker struct {
	*rand.Rand
	names []string // of PostgreSQL's functions
}

func newMaker(t *testing.T, seed uint64) maker {
	t.Helper()
	text, err := os.ReadFile("../guest/sqlpolicy/functions.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := maker{Rand: rand.New(rand.NewPCG(seed, 1))}
	for s := bufio.NewScanner(strings.NewReader(string(text))); s.Scan(); {
		if words := strings.Fields(s.Text()); len(words) > 0 && words[0] != "#" {
			m.names = append(m.names, words[0])
		}
	}
	return m
}

func (m maker) of(choices ...string) string { return choices[m.IntN(len(choices))] }

var common = []string{"lower", "upper", "md5", "abs", "length", "concat", "coalesce", "to_jsonb", "to_char", "date", "extract", "nextval", "pg_sleep", "now", "random", "evil", "trapped", "date_trunc", "trunc", "round", "left", "format", "age", "timestamptz", "text", "int4", "total", "max", "concat_ws", "jsonb_build_object", "greatest"}

func (m maker) name() string {
	if m.IntN(3) > 0 {
		return common[m.IntN(len(common))]
	}
	return m.names[m.IntN(len(m.names))]
}

func (m maker) typeName() string {
	return m.of("text", "int", "bigint", "timestamptz", "date", "jsonb", "numeric", "float8", "boolean", "varchar", "checked", "tint", "text[]", "regclass", "interval", "name", "timestamp", "date[]", "daterange")
}

// expression returns an expression of some type; whether it makes sense is the server's to say.
func (m maker) expression(depth int) string {
	if depth <= 0 {
		return m.of("a", "b", "v", "at", "d", "j", "n", "f", "arr", "t.a", "t", "$1", "$2", "1", "2.5", "'x'", "'s'", "'2001-01-01'", "'now'", "'{\"a\": 1}'", "E'\\156ow'", "'red'", "true", "null", "interval '1 day'", "'today'::date", "current_date", "0.001::float8")
	}
	e := func() string { return m.expression(depth - 1 - m.IntN(2)) }
	text := func() string { return "(" + e() + ")::text" }
	switch m.IntN(22) {
	case 20:
		return m.of("now()", "random()", "clock_timestamp()", "gen_random_uuid()", "timeofday()", "nextval('s')", "nextval('s'::text)", "('s'::text).nextval",
			"statement_timestamp()", "pg_advisory_lock(1)", "(1::bigint).pg_advisory_lock", "current_timestamp", "localtime", "pg_backend_pid()", "txid_current()", "pg_current_wal_lsn()", "lastval()")
	case 16:
		return m.of("lower", "upper", "md5", "length", "concat", "format", "to_jsonb", "left", "pg_sleep", "reverse", "quote_literal", "initcap", "decode") + "(" + text() + m.of("", "", ", 1", ", 'x'") + ")"
	case 17:
		return "(" + text() + ")." + m.of("lower", "upper", "md5", "length", "nextval", "text", "timestamptz", "checked", "reverse", "abs", "initcap", "int4", "to_jsonb")
	case 18:
		return m.of("b", "v", "1") + m.of(" + ", " = ", " * ", " || ") + m.of("b", "v", "1", text(), "'x'::text")
	case 19:
		return "(" + text() + " || " + text() + ")" + m.of("", "::varchar", "::checked", "::tint", "::timestamptz")
	case 0, 1:
		return m.name() + "(" + e() + ")"
	case 2:
		return m.of(`pg_catalog.`, `public.`, ``) + `"` + m.name() + `"(` + e() + ")"
	case 3:
		return m.name() + "(" + e() + ", " + e() + ")"
	case 4, 5:
		return "(" + e() + ")." + m.name()
	case 6:
		return m.of("t", "q", "a", "b") + "." + m.name()
	case 7, 8:
		return "(" + e() + ")::" + m.typeName()
	case 9:
		return "cast(" + e() + " as " + m.typeName() + ")"
	case 10, 11:
		return "(" + e() + " " + m.of("+", "-", "||", "*", "=", "<", "->>", "operator(public.+)", "operator(pg_catalog.+)", "is distinct from") + " " + e() + ")"
	case 12:
		return "(select " + m.of("max", "min", "count", "total", "string_agg", "sum") + "(" + m.of("q.a", "q.b", "q.v", e()) + ") from q where q.b " + m.of("=", "<") + " " + e() + ")"
	case 13:
		return "case when " + e() + m.of(" is null", " is not null", " = 'x'") + " then " + e() + " else " + e() + " end"
	case 14:
		return "coalesce(" + e() + ", " + e() + ")"
	}
	return "(array[" + e() + "])[" + m.of("1", "b", e()) + "]"
}

func (m maker) template() string {
	e := func() string { return m.expression(1 + m.IntN(3)) }
	// A cast lets more of the values fit their columns.
	set := m.of("a = ("+e()+")::text", "b = "+e(), "at = "+e(), "j = to_jsonb("+e()+")", "n = "+e(), "d = "+e(), "a = "+e(), "arr[1] = ("+e()+")::text", "v = ("+e()+")::bigint")
	where := m.of("id = 1", "id = 2", "id < 4 and ("+e()+") is not null", "id = 1 and b = "+e())
	switch m.IntN(8) {
	case 0:
		return "insert into q (a, b) select (" + e() + ")::text, 1 from t where " + where
	case 1:
		return "insert into q (a) values ((" + m.of("select ", "", "") + strings.ReplaceAll(e(), "t.", "q.") + ")::text)"
	case 2:
		return "with z as (update t set " + set + " where " + where + " returning t.a) insert into q (a) select " + m.of("a", "z.a", "lower(a)", "(z).a", "z.evil", "md5(a::varchar)") + " from z"
	case 3:
		return "insert into t (id, a) values (1, 'x') on conflict (id) do update set " + set
	case 4:
		return "delete from t where " + where
	}
	return "update t set " + set + " where " + where
}

// FuzzTemplatesNeverRunAVolatileFunction makes templates of a seed, and executes twice those
// that are taken: no trap may leave a trace, and the rows must be the same both times.
func FuzzTemplatesNeverRunAVolatileFunction(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := newMaker(t, seed)
		b := newBase(t)
		b.exec(traps)
		in := b.judging(installer.Allowed{})
		cases := make([]sqlCase, 250)
		for i := range cases {
			cases[i] = sqlCase{sql: m.template(), params: []string{"text", "bigint"}}
		}
		b.exec("set timezone to 'UTC'; set statement_timeout to '5s'")
		taken := 0
		for i, says := range judged(t, in, cases) {
			if says != "" {
				continue
			}
			taken++
			first, again := b.effect(cases[i].sql), b.effect(cases[i].sql)
			if first != again {
				t.Errorf("%s\ndoes one thing and then another:\n%s\n%s", cases[i].sql, first, again)
			}
			if b.text("select 1 from trace where is_called union all select 1 from s where is_called union all select 1 from pg_locks where locktype = 'advisory'") != "" {
				t.Fatalf("%s\nran a volatile function", cases[i].sql)
			}
		}
		if taken < 10 {
			t.Errorf("only %d of %d templates were taken: the grammar makes too few that make sense", taken, len(cases))
		}
		t.Logf("%d of %d taken", taken, len(cases))
	})
}

// effect returns the rows that a template leaves, in a transaction that is rolled back, or the
// error that it ends with.
func (b *base) effect(sql string) string {
	b.t.Helper()
	b.exec("begin")
	defer b.exec("rollback")
	result := b.conn.PgConn().ExecParams(b.t.Context(), sql, [][]byte{[]byte("x"), []byte("2")}, []uint32{25, 20}, nil, nil).Read()
	if result.Err != nil {
		return result.Err.Error()
	}
	return b.text("select * from (select t::text from t union all select q::text from q) as z order by 1")
}
