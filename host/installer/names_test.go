package installer

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// functionsFile has PostgreSQL's own functions by name, for checks without a database.
const functionsFile = "../guest/sqlpolicy/functions.txt"

var update = flag.Bool("update", false, "add what the server has to "+functionsFile)

// entry is a line of the file: with how many arguments a function may be called, "*" for any
// number, and whether one of one argument may not: such a name behind a dot is no column.
type entry struct {
	allowed map[string]bool
	refused map[string]bool
}

// TestPinnedFunctionsExist finds names that are written wrong. A server has not all of them:
// some are newer.
func TestPinnedFunctionsExist(t *testing.T) {
	conn := connectTo(t)
	for list, names := range map[string]map[string]bool{"pinned": pinned, "readsColumns": readsColumns, "writesText": writesText, "writesJSON": writesJSON, "mislabelled": mislabelled} {
		var missing []string
		err := conn.QueryRow(t.Context(), `select array(select n from unnest($1::text[]) n where not exists
			(select 1 from pg_proc where proname = n and pronamespace = 'pg_catalog'::regnamespace) order by 1)`, slices.Collect(maps.Keys(names))).Scan(&missing)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range missing {
			if !strings.Contains(name, "_strict") && !strings.Contains(name, "_unique") && !slices.Contains(newer, name) {
				t.Errorf("%s has %s, which the server has not", list, name)
			}
		}
	}
}

// newer are functions that came after PostgreSQL 14, or that 14 has under another name.
var newer = []string{"date_add", "date_subtract", "icu_unicode_version", "unicode_version", "jsonb_populate_record_valid"}

// TestFunctionsByName compares the file with a server. With -update it adds the server's, so
// that run on each version it becomes the sum of all.
func TestFunctionsByName(t *testing.T) {
	file, server := readFunctions(t), serverFunctions(t)
	for name, e := range server {
		for n := range e.allowed {
			if *update {
				file.of(name).allowed[n] = true
			} else if !file.of(name).allowed[n] && !file.of(name).allowed["*"] {
				t.Errorf("%s of %s arguments is allowed by the server and not by the file", name, n)
			}
		}
		for n := range e.refused {
			if *update {
				file.of(name).refused[n] = true
			} else if !file.of(name).refused[n] {
				t.Errorf("%s of %s arguments is refused by the server and not by the file", name, n)
			}
		}
	}
	if *update {
		writeFunctions(t, file)
	}
}

type functions map[string]*entry

func (f functions) of(name string) *entry {
	if f[name] == nil {
		f[name] = &entry{map[string]bool{}, map[string]bool{}}
	}
	return f[name]
}

func connectTo(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// serverFunctions returns what a server has that can be called by name. What implements an
// operator, an index or a type has names that nobody writes.
func serverFunctions(t *testing.T) functions {
	t.Helper()
	rows, err := connectTo(t).Query(t.Context(), `
		select p.proname::text, p.provolatile::text, p.pronargs, p.pronargdefaults, p.provariadic <> 0,
			'internal'::regtype = any(p.proargtypes) or 'cstring'::regtype = any(p.proargtypes)
			or p.prorettype::regtype::text = any('{internal,cstring,trigger,event_trigger,language_handler,fdw_handler,index_am_handler,table_am_handler,tsm_handler}')
			or p.oid in (select typsend from pg_type union all select typmodin from pg_type union all select amproc from pg_amproc
				union all select unnest(array[aggtransfn, aggfinalfn, aggcombinefn, aggmtransfn, aggminvtransfn, aggmfinalfn]) from pg_aggregate)
			or coalesce(obj_description(p.oid, 'pg_proc'), '') like 'implementation of %'
		from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.oid < 16384 and p.prokind <> 'p'`)
	if err != nil {
		t.Fatal(err)
	}
	all := functions{}
	var name, volatility string
	var most, defaults int
	var variadic, inner bool
	_, err = pgx.ForEachRow(rows, []any{&name, &volatility, &most, &defaults, &variadic, &inner}, func() error {
		allowed := sameEachTime(name, volatility)
		if inner && allowed {
			return nil // nobody calls it by name; one that is refused is refused
		}
		counts := []string{}
		for n := most - defaults; n <= most; n++ {
			counts = append(counts, fmt.Sprint(n))
		}
		if variadic {
			counts = append(counts, "*")
		}
		for _, n := range counts {
			if allowed {
				all.of(name).allowed[n] = true
			} else {
				all.of(name).refused[n] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readFunctions(t *testing.T) functions {
	t.Helper()
	text, err := os.ReadFile(functionsFile)
	if err != nil {
		t.Fatal(err)
	}
	all := functions{}
	for s := bufio.NewScanner(strings.NewReader(string(text))); s.Scan(); {
		words := strings.Fields(s.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		for _, word := range words[1:] {
			if n, refused := strings.CutPrefix(word, "!"); refused {
				all.of(words[0]).refused[n] = true
			} else {
				all.of(words[0]).allowed[word] = true
			}
		}
	}
	return all
}

func writeFunctions(t *testing.T, all functions) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# PostgreSQL's own functions, of versions 14 to 18: with how many arguments each may be called, * for\n" +
		"# any number, and behind ! with how many only a function that differs from call to call. Written by\n" +
		"# go test ./host/installer -run FunctionsByName -update, once with each server (PG_BIN).\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(name)
		for _, n := range slices.Sorted(maps.Keys(all[name].allowed)) {
			b.WriteString(" " + n)
		}
		for _, n := range slices.Sorted(maps.Keys(all[name].refused)) {
			b.WriteString(" !" + n)
		}
		b.WriteString("\n")
	}
	if err := os.WriteFile(functionsFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
