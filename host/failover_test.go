package host_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// failover is a bank on a server of its own, whose copy from before the first host took it waits to
// be promoted. The host reaches whichever server the proxy points at.
type failover struct {
	*bank
	proxy *pgtest.Proxy
	other *pgtest.Server
	last  int
}

func newFailover(t *testing.T) *failover {
	t.Helper()
	first := pgtest.Private(t, pgtest.Options{})
	b := newBankIn(t, kafkatest.Chosen(t), pgtest.Database{Server: first, Name: "postgres", DSN: first.DSN("postgres")}, 10)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	other, err := first.Copy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := &failover{bank: b, proxy: b.behind(), other: other}
	f.options.Core.Lanes, f.options.Core.GroupMax = 4, 4
	f.reconnect(first)
	f.last = f.traffic(200, 10)
	return f
}

// reconnect makes the test's own questions go to a server.
func (f *failover) reconnect(server *pgtest.Server) {
	f.t.Helper()
	conn, err := pgx.Connect(f.t.Context(), server.DSN("postgres"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close(f.t.Context()) })
	f.conn = conn
}

// fails takes the host away from the first server and promotes the copy.
func (f *failover) fails() {
	f.proxy.Turn(pgtest.Silent)
	f.proxy.Point(f.other)
	f.reconnect(f.other)
}

func (f *failover) each(want int) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("(%d)", f.last), "select version from cohort_snapshot")
	if got := f.text("select min(amount)::bigint, max(amount)::bigint from bank_accounts"); got != fmt.Sprintf("(%d,%d)", 100000+want, 100000+want) {
		f.t.Errorf("balances %s, want %d on each", got, 100000+want)
	}
}

// A host that was frozen wakes in front of a copy that another host took with the same epoch: it is
// superseded and stands by, and no effect is doubled.
func TestAFrozenHostInFrontOfATakenCopyIsSuperseded(t *testing.T) {
	t.Parallel() // it waits, and little else
	f := newFailover(t)
	frozen := f.start()
	f.each(20)
	f.fails()
	second := *f.bank
	second.log = &logBook{}
	second.options.Database.URL = f.other.DSN("postgres")
	second.start()
	f.each(20)
	f.last = f.traffic(200, 10)
	f.each(40)
	f.proxy.Turn(pgtest.Fair)
	frozen.standsBy()
	f.last = f.traffic(100, 10)
	f.each(50)
}

// A copy that lacks this host's own take-over lost what was committed since: everything is loaded
// again, and installed once.
func TestAFailoverToACopyFromBeforeLoadsEverythingAgain(t *testing.T) {
	t.Parallel() // it waits, and little else
	f := newFailover(t)
	r := f.start()
	f.each(20)
	f.fails()
	f.last = f.traffic(100, 10)
	time.Sleep(100 * time.Millisecond)
	f.proxy.Turn(pgtest.Fair)
	f.each(30)
	r.becomes("")
	if !strings.Contains(f.log.text(), "everything is loaded again") {
		t.Errorf("the log does not say why:\n%s", f.log.text())
	}
}
