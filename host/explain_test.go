package host_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/status"
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
	r.shows(path(last), `"guest":"`+guest.DigestOf(guesttest.Small(t)).String()+`"`)
	r.shows(path(held), `"stands":"held"`)
	r.shows(path(held), `unknown_action`)
	r.shows(path(later), fmt.Sprintf(`"waits_for":[{"version":%d,"stands":"held","key":"0001"`, held))
	r.shows(path(free), `"stands":"installed_ahead"`)
	r.shows(path(free), `"event":"InstallerStatemapInstallationComplete"`)
	r.shows(path(undecided), `"stands":"undecided"`)
	r.shows(path(undecided+100), `"stands":"not_read"`)
	r.shows(path(last-1), `"stands":"below_snapshot"`)
	byXID := func(n int) string { return fmt.Sprintf("/v1/xids/00000000-0000-4000-8000-%012d", n) }
	r.shows(byXID(90), fmt.Sprintf(`"versions":[{"version":%d,"stands":"held"`, held))
	r.shows(byXID(93), fmt.Sprintf(`"versions":[{"version":%d,"stands":"undecided"`, undecided))
	r.shows(byXID(999), "not in the log from the resume point")
}

// While a version is held what is installed above it is measured, once.
func TestWhatIsInstalledAboveAHeldVersionIsMeasured(t *testing.T) {
	b := newBank(t, 9)
	b.exec("alter table bank_accounts add constraint small check (amount < 100003)")
	b.send(message("Other", "position 0"))
	r := b.start()
	held := b.send(candidate(1, "0001", deposit("0001", 50)))
	b.send(commit(held, 0))
	r.becomes("poison_held")
	first := b.send(candidate(2, "0002", deposit("0002", 1)), candidate(3, "0003", deposit("0003", 1)))
	b.send(commit(first, 0), commit(first+1, 0))
	const installed, passed = "ichor_candidate_to_install_seconds_count ", "ichor_candidate_to_snapshot_seconds_count "
	r.shows("/metrics", installed+"2\n")
	r.shows("/metrics", passed+"0\n")
	r.shows("/v1/journeys", fmt.Sprintf(`"version":%d`, first+1))
	r.shows("/v1/samples", `"installed":2`)
	var answer struct {
		Samples []status.Sample `json:"samples"`
	}
	if err := json.Unmarshal([]byte(r.get("/v1/samples")), &answer); err != nil {
		t.Fatal(err)
	}
	slowest := 0.0
	for _, one := range answer.Samples {
		slowest = max(slowest, one.P99)
	}
	if slowest == 0 {
		t.Errorf("of %d samples none has a time", len(answer.Samples))
	}
	b.exec("alter table bank_accounts drop constraint small")
	r.becomes("")
	r.shows("/metrics", passed+"3\n")
	r.shows("/metrics", installed+"3\n")
}
