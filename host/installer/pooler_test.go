package installer_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// pooled returns an installer that reaches the database by way of PgBouncer.
func (b *base) pooled(mode string) *installer.Installer {
	b.t.Helper()
	in, err := installer.New(installer.Options{URL: pgtest.NewPooler(b.t, b.db, mode), Owner: "test", Lanes: 2}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

// A pooler that gives a session for as long as the client has it is as good as the server itself.
func TestAPoolerOfSessionsIsUsed(t *testing.T) {
	b := newBase(t)
	in := b.pooled("session")
	if err := in.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := take(in, "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := in.CheckTemplates(t.Context(), []installer.Template{{ID: 7, Name: "it", SQL: add.SQL, Params: []string{"integer", "numeric"}}}); err != nil {
		t.Error(err)
	}
	for range 3 { // on backends that others had before
		l := b.lane(in, 0)
		if err := l.Beat(t.Context()); err != nil {
			t.Error(err)
		}
		l.Close()
	}
	l0, l1 := b.lane(in, 0), b.lane(in, 1)
	if err := install(l1, &installer.Group{Works: []installer.Work{work(2, add, 2, 5)}}); err != nil {
		t.Error(err)
	}
	g := frontier(0, 2, work(1, add, 1, 5))
	g.Advance.Ledgered = 1
	if err := install(l0, g); err != nil {
		t.Error(err)
	}
	b.want("select sum(amount) from account", "(10)")
	b.want("select version from cohort_snapshot", "(2)")
}

// One that gives a session away between transactions or statements is named and refused before
// anything is taken over: what is pinned and prepared would be another session's.
func TestAPoolerOfTransactionsIsRefused(t *testing.T) {
	for _, mode := range []string{"transaction", "statement"} {
		t.Run(mode, func(t *testing.T) {
			b := newBase(t)
			b.take(1)
			in := b.pooled(mode)
			_, err := in.Read(t.Context())
			var pooler *installer.PoolerError
			if !errors.As(err, &pooler) || installer.IsTransient(err) || !strings.Contains(err.Error(), "set pool_mode=session for this user") {
				t.Errorf("got %v, want a pooler's error", err)
			}
			b.want("select epoch from ichor.state", "(1)")
		})
	}
}
