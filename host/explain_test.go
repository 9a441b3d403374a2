package host_test

import (
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
)

// A version that waits says for which, by the key that both touch.
func TestAVersionExplainsItself(t *testing.T) {
	b := newBank(t, 9)
	r := b.start()
	last := b.traffic(3, 3)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	held := b.send(candidate(90, "0001", `[{"NOTHING":{}}]`))
	b.send(commit(held, last))
	later := b.send(candidate(91, "0001", deposit("0001", 1)))
	free := b.send(candidate(92, "0002", deposit("0002", 1)))
	b.send(commit(later, held), commit(free, last))
	undecided := b.send(candidate(93, "0003", deposit("0003", 1)))
	path := func(v int) string { return fmt.Sprintf("/v1/versions/%d", v) }
	r.shows(path(last), `"stands":"below_snapshot"`)
	r.shows(path(last), `"event":"SnapshotPersisted"`)
	r.shows(path(last), `"guest":"`+guest.DigestOf(bankGuest(t)).String()+`"`)
	r.shows(path(held), `"stands":"held"`)
	r.shows(path(held), `unknown_action`)
	r.shows(path(later), fmt.Sprintf(`"waits_for":[{"version":%d,"stands":"held","key":"0001"`, held))
	r.shows(path(free), `"stands":"installed_ahead"`)
	r.shows(path(undecided), `"stands":"undecided"`)
	r.shows(path(undecided+100), `"stands":"not_read"`)
	r.shows(path(last-1), `"stands":"below_snapshot"`)
	byXID := func(n int) string { return fmt.Sprintf("/v1/xids/00000000-0000-4000-8000-%012d", n) }
	r.shows(byXID(90), fmt.Sprintf(`"versions":[{"version":%d,"stands":"held"`, held))
	r.shows(byXID(93), fmt.Sprintf(`"versions":[{"version":%d,"stands":"undecided"`, undecided))
	r.shows(byXID(999), "not in the log from the resume point")
}
