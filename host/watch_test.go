package host_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

// A table that changes after its guest was accepted, so that what is installed would be lost without an error, is noticed while the
// host is idle and while it installs: versions wait, the reason says what changed, and they go on when it is undone.
func TestATableThatWouldLoseWhatIsInstalled(t *testing.T) {
	for _, c := range []struct{ name, begin, end, says string }{
		{"unlogged", "alter table bank_accounts set unlogged", "alter table bank_accounts set logged", "relation public.bank_accounts is temporary, or unlogged"},
		{"a rule", "create rule off as on update to bank_accounts do instead nothing", "drop rule off on bank_accounts", "rule off of public.bank_accounts makes the statement do nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBank(t, 5)
			b.options.Core.Lanes, b.options.Guests.Poll = 2, 200*time.Millisecond
			r := b.start()
			last := b.traffic(10, 5)
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			r.becomes("")
			b.exec(c.begin)
			r.shows("/readyz", `"degraded":"the database changed, and versions wait whose statements it would not take by now: template `)
			before, digest := last, b.digest()
			last = b.traffic(10, 5)
			r.becomes(status.DatabaseRefuses)
			if v := r.readiness(); !strings.Contains(v.Detail, c.says) {
				t.Errorf("the reason is %q, want that %s", v.Detail, c.says)
			}
			if now := b.digest(); now != digest {
				t.Errorf("versions after %d were installed: %s, before %s", before, now, digest)
			}
			if got := b.text("select count(*) from ichor.quarantine"); got != "(0)" {
				t.Errorf("%s versions are held; it is no property of theirs", got)
			}
			b.exec(c.end)
			b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
			r.becomes("")
			hosttest.Until(t, func() bool { return !strings.Contains(r.get("/readyz"), "degraded") }, b.log.text)
			for _, line := range []string{"the database is no longer as it was when the guest was accepted", "the database takes the template again"} {
				if !strings.Contains(b.log.text(), line) {
					t.Errorf("no line says %q:\n%s", line, b.log.text())
				}
			}
			if b.digest() == digest {
				t.Error("the versions that waited changed nothing")
			}
		})
	}
}
