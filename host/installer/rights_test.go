package installer_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer"
)

// TestRightsThatAreMissingAreToldAsGrants checks templates as a role that may do nothing, executes what
// it is told, and then the templates: nothing is missing and nothing was given that they do not need.
func TestRightsThatAreMissingAreToldAsGrants(t *testing.T) {
	b := newBase(t)
	b.exec(`create role "Plain" login`)
	defer func() {
		b.exec(`drop owned by "Plain"`)
		b.exec(`drop role "Plain"`)
	}()
	b.exec(`create table orders (id bigserial primary key, code text unique, state text, "Total" numeric, seen timestamptz default '2001-01-01')`)
	b.exec(`create table lines (id bigint generated always as identity, order_id bigint references orders on delete cascade, n int)`)
	b.exec(`create schema "Far"; create table "Far"."Away" (a int, b int)`)
	b.exec(`create view open_orders as select id, code from orders where state = 'open'`)
	b.exec(`create function mark(x text) returns text language sql immutable as $$ select x || '!' $$; revoke execute on function mark from public`)
	b.exec(`grant select (id), update (state) on orders to "Plain"`)
	for _, test := range []struct {
		name   string
		sql    []string
		grants []string // of each round
	}{
		{"nothing is missing", []string{"update orders set state = 'x' where id = 1"}, nil},
		{"a column that is compared", []string{"update orders set state = 'x' where code = 'c' and id = 2"},
			[]string{`GRANT SELECT (code) ON public.orders TO "Plain"`}},
		{"columns of several templates", []string{`update orders set "Total" = 1 where id = 1`, `update orders set seen = null, "Total" = "Total" + 1 where id = 1`},
			[]string{`GRANT SELECT ("Total"), UPDATE ("Total", seen) ON public.orders TO "Plain"`}},
		{"rows and a number of the column's own", []string{"insert into orders (code) values ('x')", "delete from lines where n = 3"},
			[]string{`GRANT INSERT (code) ON public.orders TO "Plain"; GRANT SELECT (n), DELETE ON public.lines TO "Plain"; GRANT USAGE ON SEQUENCE public.orders_id_seq TO "Plain"`}},
		{"an identity needs no right", []string{"insert into lines (n) values (3)"}, []string{`GRANT INSERT (n) ON public.lines TO "Plain"`}},
		{"a conflict", []string{"insert into orders (id, code, state) values (9, 'x', 'y') on conflict (code) do update set state = excluded.state where orders.state <> 'z'"},
			[]string{`GRANT SELECT (code, state), INSERT (id, code, state) ON public.orders TO "Plain"`}},
		{"other tables", []string{"with gone as (delete from lines where n = 3 returning order_id) update orders set state = 'x' where id in (select order_id from gone) and exists (select 1 from open_orders o where o.code = 'x')"},
			[]string{`GRANT SELECT (code) ON public.open_orders TO "Plain"; GRANT SELECT (order_id, n), DELETE ON public.lines TO "Plain"`}},
		{"the whole row", []string{"update orders set state = to_jsonb(orders)::text where id = 1"}, []string{`GRANT SELECT ON public.orders TO "Plain"`}},
		{"any column", []string{"update orders set state = (select count(*) from lines)::text where id = 1"}, []string{`GRANT SELECT ON public.lines TO "Plain"`}},
		{"a function", []string{"update orders set state = mark('x') where id = 1"}, []string{`GRANT EXECUTE ON FUNCTION public.mark(x text) TO "Plain"`}},
		{"a schema, and then what is in it", []string{`update "Far"."Away" set b = 1 where a = 2`},
			[]string{`GRANT USAGE ON SCHEMA "Far" TO "Plain"`, `GRANT SELECT (a), UPDATE (b) ON "Far"."Away" TO "Plain"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer func(whole testing.TB) { b.t = whole }(b.t)
			b.t = t
			in, err := installer.New(installer.Options{URL: b.dsn + " user=Plain", Allowed: installer.Allowed{Functions: []string{"public.mark"}}}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			var templates []installer.Template
			for i, sql := range test.sql {
				templates = append(templates, installer.Template{ID: uint32(i), Name: "it", SQL: sql})
			}
			var given []string
			for _, want := range test.grants {
				_, err := in.CheckTemplates(t.Context(), templates)
				var rights *installer.RightsError
				if !errors.As(err, &rights) || strings.Join(rights.Grants, "; ") != want {
					t.Fatalf("got  %v\nwant %s", err, want)
				}
				for _, grant := range rights.Grants {
					b.exec(grant)
				}
				given = append(given, rights.Grants...)
			}
			if _, err := in.CheckTemplates(t.Context(), templates); err != nil {
				t.Errorf("with what was asked for: %v", err)
			}
			b.executes(test.sql)
			for _, grant := range given {
				b.exec(strings.Replace(strings.Replace(grant, "GRANT ", "REVOKE ", 1), " TO ", " FROM ", 1))
			}
			b.exec(`grant select (id), update (state) on orders to "Plain"`)
		})
	}
}

// executes runs statements as the role that was given rights, and takes them back.
func (b *base) executes(statements []string) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.dsn+" user=Plain")
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(b.t.Context())
	for _, sql := range append([]string{"begin"}, statements...) {
		if _, err := conn.Exec(b.t.Context(), sql); err != nil {
			b.t.Errorf("%s: %v", sql, err)
		}
	}
}
