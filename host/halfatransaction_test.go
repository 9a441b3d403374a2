package host_test

import (
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// A host whose settings are the defaults sends half a transaction, and the network swallows the rest and closes nothing:
// within installer.deadline and five seconds all of it is installed, once. A busy machine is allowed two seconds more, as
// the driver of faults allows it.
func TestHalfATransactionIsInstalledWithinTheDefaultDeadline(t *testing.T) {
	t.Parallel() // it waits, and little else
	b := newBank(t, 5)
	proxy := b.behind()
	r := b.start()
	b.reaches(b.traffic(10, 5))
	r.becomes("")
	proxy.Next(pgtest.SilenceBeforeCommit)
	last := b.traffic(10, 5)
	hosttest.Until(t, func() bool { return !proxy.Pending() }, b.log.text)
	silent := time.Now()
	b.reaches(last)
	if took := time.Since(silent); took > installer.DefaultDeadline+7*time.Second {
		t.Errorf("it goes on after %v, installer.deadline is %v\n%s", took, installer.DefaultDeadline, b.log.text())
	}
	if got := b.text("select sum(amount)::bigint from bank_accounts"); got != "(500020)" {
		t.Errorf("the accounts have %s after 20 deposits of 1", got)
	}
	if err := r.drain(); err != nil {
		t.Errorf("the host ended with %v", err)
	}
}
