package host_test

import (
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// A module that passes its vectors and then traps, burns fuel or dawdles is taken back by itself while the host runs:
// the one before converts again, what trapped too, and nothing is lost or held.
func TestAModuleThatTrapsBurnsOrDawdlesIsTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		from      string // what it does worse is by the account that a transfer comes from
		before, n int    // versions that the old module converts, and those that the new one does worse
		probation replicator.Probation
		because   string
	}{
		"traps": {"0038", 40, 30, replicator.Probation{Versions: 100, Rejects: 2}, "could not be installed, and at most 2 might not (guests.probation.rejects is 2)"},
		"burns": {"tired", 40, 30, replicator.Probation{Versions: 100, Fuel: 3}, "(guests.probation.fuel is 3)"},
		// Over as many that a machine that stops for a while does not decide what the old one takes.
		"dawdles": {"tired", 200, 190, replicator.Probation{Versions: 200, Time: 5}, "(guests.probation.time is 5)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, 40)
			b.exec("insert into bank_accounts (name, number, amount, version) values ('tired', 'tired', 100000, 0)")
			b.install("banking", guesttest.Banking(t)) // of the same language, so that only the deed is worse
			b.options.Core.Probation = c.probation
			r := b.start()
			b.reaches(b.pay(c.before, "0001", "0002"))
			old, worse := guest.DigestOf(guesttest.Banking(t)), guest.DigestOf(guesttest.Changed(t)).String()
			b.install("banking", guesttest.Changed(t))
			b.converts(worse)
			b.reaches(b.pay(20, "0001", "0002")) // of these it makes the same
			b.eventually("(0)", "select count(*) from ichor.guest_event where state = 'back'")
			b.reaches(b.pay(c.n, c.from, "0002"))
			b.eventually("("+old.String()+",t)", "select digest, strpos(reason, $1) > 0 from ichor.guest_event where state = 'back'", c.because)
			b.reaches(b.pay(30, c.from, "0002"))
			b.eventually("("+old.String()+")", "select digest from ichor.guest_history where not only_version order by from_version desc limit 1")
			r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+old.Short())
			b.eventually("(0)", "select count(*) from ichor.quarantine where held")
			b.eventually(fmt.Sprintf("(%d,%d,%d)", 100_000-c.before-20, 100_000+c.before+20+c.n+30, 100_000-c.n-30), fmt.Sprintf(`select (select amount::bigint from bank_accounts where number = '0001'),
				(select amount::bigint from bank_accounts where number = '0002'), (select amount::bigint from bank_accounts where number = '%s')`, c.from))
			b.eventually("(4100000)", "select sum(amount)::bigint from bank_accounts")
		})
	}
}
