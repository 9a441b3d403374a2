package installer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// TestARowChangedByHandIsCalledThat: what no host wrote into a table of ichor's own is no database that does not answer.
// It is said with the table and the column, in no words of the program's, and not tried for ever.
func TestARowChangedByHandIsCalledThat(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	b.hold(l, "sql", 3)
	b.exec(`insert into ichor.guest_history (name, digest, from_version) values ('bank', 'd1', 1);
		insert into ichor.guest_event (guest, digest, state, who) values ('bank', 'd1', 'armed', 'me');
		insert into ichor.audit (who, deed, reason) values ('me', 'pause', 'r');
		insert into ichor.request (verb, who, reason) values ('pause', 'me', 'r');
		insert into ichor.ledger (version) values (5)`)
	read := func(ctx context.Context) error { _, err := in.Read(ctx); return err }
	history := func(ctx context.Context) error { _, err := in.History(ctx); return err }
	events := func(ctx context.Context) error { _, err := in.GuestEvents(ctx, "", 10); return err }
	list := func(ctx context.Context) error { _, err := in.List(ctx, installer.Filter{}); return err }
	audit := func(ctx context.Context) error { _, err := in.LatestAudit(ctx, 10); return err }
	owner := func(ctx context.Context) error { _, _, err := in.Standbys(ctx); return err }
	connect := func(ctx context.Context) error { _, err := l.Connect(ctx, nil); return err }
	for _, c := range []struct {
		table, column, value string
		ask                  func(context.Context) error
	}{
		{"ichor.guest_history", "from_version", "-1", read},
		{"ichor.guest_history", "from_version", "-1", history},
		{"ichor.guest_history", "digest", "null", read},
		{"ichor.guest_event", "digest", "null", events},
		{"ichor.guest_event", "at", "'infinity'", events},
		{"ichor.quarantine", "safepoint", "-7", list},
		{"ichor.quarantine", "version", "-7", read},
		{"ichor.ledger", "version", "-7", read},
		{"ichor.state", "snapshot", "-1", read},
		{"ichor.audit", "who", "null", audit},
		{"ichor.request", "who", "null", read},
		{"ichor.guest_event", "from_version", "-3", events},
		{"ichor.state", "epoch", "null", owner},
		{"ichor.state", "anchor_position", "null", read},
		{"ichor.state", "snapshot", "null", l.Beat}, // it ends the lane
		{"ichor.lane", "claim", "null", connect},
	} {
		t.Run(c.table+" "+c.column+" "+c.value, func(t *testing.T) {
			b.t = t
			b.exec("create temp table kept as table " + c.table)
			if c.value == "null" {
				b.exec("alter table " + c.table + " alter " + c.column + " drop not null")
			}
			b.exec("update " + c.table + " set " + c.column + " = " + c.value)
			err := c.ask(t.Context())
			var e *installer.Error
			var notReady *installer.NotReadyError
			if !errors.As(err, &e) || e.Class != installer.Broken || installer.IsTransient(err) || !errors.As(err, &notReady) {
				t.Errorf("%v", err)
			}
			if text := fmt.Sprint(err); !strings.Contains(text, c.table) || !strings.Contains(text, ": a row has in "+c.column+" what Ichor does not write there") || strings.Contains(text, "scan") || strings.Contains(text, "*") {
				t.Errorf("it says %s", text)
			}
			b.exec("delete from " + c.table)
			b.exec("insert into " + c.table + " overriding system value table kept; drop table kept")
		})
	}
}
