package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// A database has the last word about a module: of its SQL, and of what its examples become, of which nothing stays.
func TestADatabaseHasTheLastWord(t *testing.T) {
	dsn := pgtest.New(t).DSN
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	d, file := &deployment{t: t}, filepath.Join(t.TempDir(), "banking.wasm")
	if err := os.WriteFile(file, smallGuest(t, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	says := func(code int, words ...string) {
		t.Helper()
		is, out := d.ichor("guest", "test", file, "--database", dsn)
		for _, want := range words {
			if is != code || !strings.Contains(out, want) {
				t.Fatalf("it ends with %d, want %d with %q:\n%s", is, code, want, out)
			}
		}
	}
	says(exitRuntime, "\nrefused database   ", `"bank_accounts" does not exist`, "the database does not take all of it")
	if err := banking.Open(t.Context(), conn, banking.AccountNumbers(5), 100_000); err != nil {
		t.Fatal(err)
	}
	rows := func() (text string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "select string_agg(a::text, ' ' order by number) from bank_accounts a").Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := rows()
	says(exitOK, "\nok      database   vector ", "statements, 2 rows\n")
	if _, err := conn.Exec(t.Context(), "alter table bank_accounts add constraint frozen check (amount = 100000)"); err != nil {
		t.Fatal(err)
	}
	says(exitRuntime, "\nrefused database   vector ", `violates check constraint "frozen"`, "the database does not take all of it")
	if after := rows(); after != before {
		t.Errorf("it left %s, there was %s", after, before)
	}
	if code, out := d.ichor("guest", "test", file, "--database", "mysql://nowhere"); code != exitSettings || !strings.Contains(out, "--database begins with mysql://") {
		t.Errorf("no PostgreSQL: %d, %s", code, out)
	}
	if code, out := d.ichor("guest", "test", file, "--database", ""); code != exitSettings || !strings.Contains(out, "--database is empty: ") {
		t.Errorf("a database without a name: %d, %s", code, out)
	}

	for _, sql := range []string{"alter table bank_accounts drop constraint frozen", "begin", "select from bank_accounts for update"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	says(exitEnvironment, "another session holds a lock that it waits for", `in relation "bank_accounts"`, "try again, or name a database that nobody writes meanwhile")
}
