//go:build unix

package installer_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
)

// A session that is shared is left where something failed on it, and where its server says nothing any more: what is asked
// next is asked on another.
func TestASharedSessionIsLeftWhereItFailed(t *testing.T) {
	b := newBase(t)
	b.take(1)
	in, err := installer.New(installer.Options{URL: b.dsn, Owner: "test", Lanes: 1, ConnectTimeout: 500 * time.Millisecond}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx, done := installer.Sharing(ctx)
	defer done()
	event := installer.GuestEvent{Guest: "banking", Digest: "d1", State: installer.GuestArmed}
	ask := func() (session string) {
		t.Helper()
		if err := in.AddGuestEvents(ctx, event); err != nil {
			t.Fatal(err)
		}
		return b.text("select pid from pg_stat_activity where application_name = 'ichor guest' and datname = current_database() order by backend_start desc limit 1")
	}
	first := ask()
	if again := ask(); again != first {
		t.Fatalf("asked on %s, then on %s", first, again)
	}
	b.exec("alter table ichor.guest_event rename to away")
	if err := in.AddGuestEvents(ctx, event); err == nil {
		t.Fatal("an event is written to a table that is not there")
	}
	b.exec("alter table ichor.away rename to guest_event")
	second := ask()
	if second == first {
		t.Errorf("asked on %s, on which something had failed", second)
	}
	pid, err := strconv.Atoi(strings.Trim(second, "()"))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }() // it has ended when all went well
	if third := ask(); third == second {
		t.Errorf("asked on %s, which says nothing", third)
	}
}
