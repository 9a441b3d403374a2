package hosttest

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// check is a row of ichor.guest_check.
type check struct{ Name, Guest, Digest string }

// passed are the checks that modules passed in earlier tests of this process.
var passed struct {
	sync.Mutex
	checks map[check]bool
}

// RecallChecks has a cohort's database, whose tables of schema ichor are there, know what modules passed in earlier tests of this
// process, and remembers at the end of the test what they passed in it. A check takes seconds, most of them for PostgreSQL's
// parser, which the child of each check compiles anew. A test of checks deletes the rows.
func RecallChecks(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	passed.Lock()
	defer passed.Unlock()
	for c := range passed.checks {
		if _, err := conn.Exec(tb.Context(), "insert into ichor.guest_check (name, guest, digest) values ($1, $2, $3)", c.Name, c.Guest, c.Digest); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() {
		rows, _ := conn.Query(context.Background(), "select name, guest, digest from ichor.guest_check")
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[check])
		if err != nil {
			return // the server, or the table, went away with the test
		}
		passed.Lock()
		defer passed.Unlock()
		if passed.checks == nil {
			passed.checks = map[check]bool{}
		}
		for _, c := range all {
			passed.checks[c] = true
		}
	})
}
