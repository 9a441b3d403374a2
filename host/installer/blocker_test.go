package installer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
)

// Who keeps a version from its rows for long is named.
func TestWhoHoldsALockForLongIsNamed(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.exec("set application_name = 'a stranger'")
	blocker, err := b.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), "update account set amount = amount where id = 1"); err != nil {
		t.Fatal(err)
	}
	g := frontier(0, 1, work(1, add, 1, 1))
	g.LockWait, g.Watch = 5*time.Second, true
	err = install(l, g)
	wantClass(t, err, installer.Contention, "55P03", 1)
	if !strings.Contains(err.Error(), "(a stranger, idle in transaction, its last statement began") {
		t.Errorf("%v", err)
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// So is who keeps a lane from the host's own rows, as a person does who locks a table of schema ichor.
func TestWhoLocksTheFenceIsNamed(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.exec("set application_name = 'a stranger'")
	for _, table := range []string{"ichor.state", "ichor.lane"} {
		b.exec("begin")
		b.exec("lock table " + table + " in access exclusive mode")
		_, err := l.Connect(t.Context(), nil)
		var e *installer.Error
		if !errors.As(err, &e) || e.Code != "55P03" || !e.Lost || !strings.Contains(err.Error(), "; in the way: pid ") || !strings.Contains(err.Error(), "(a stranger, idle in transaction, its last statement began") {
			t.Errorf("%s: %v", table, err)
		}
		b.exec("rollback")
	}
}
