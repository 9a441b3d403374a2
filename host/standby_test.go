package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// A host that stands by holds the log above the owner's resume point, and lets go what that passes. When it takes
// the cohort over it reads nothing a second time.
func TestAStandbyHasReadTheLogWhenItTakesOver(t *testing.T) {
	s := startTogether(t, 0)
	owner := s.start()
	owner.shows("/readyz", `"ready":true`)
	other := s.start()
	other.standsBy()
	s.pays(20)
	other.shows("/v1/status", `"bytes":0,"full"`) // all of it is installed
	s.exec("insert into ichor.request (verb, who, reason) values ('pause', 'test', 'so that the resume point stands')")
	owner.becomes("paused")
	s.last = s.traffic(200, 10)
	other.shows("/v1/status", fmt.Sprintf(`"standby":{"next":%d,`, s.last+2))
	if text := other.get("/v1/status"); strings.Contains(text, `"bytes":0,"full"`) {
		t.Errorf("it holds nothing: %s", text)
	}
	if err := owner.drain(); err != nil {
		t.Fatal(err)
	}
	other.shows("/readyz", `"reason":"paused"`)
	s.exec("insert into ichor.request (verb, who, reason) values ('resume', 'test', 'it went on')")
	s.eventually(fmt.Sprintf("(%d)", s.last), "select version from cohort_snapshot")
	s.pays(10)
	for _, want := range []string{`ichor_records_total{kind="candidate",reason=""} 500`, "ichor_standby_bytes 0"} {
		if got := other.get("/metrics"); !strings.Contains(got, want) {
			t.Errorf("the metrics have no %q:\n%s", want, got)
		}
	}
}

// A module that lies there only when the owner ends is not waited for: the host that takes over goes on with the one
// that converts, and then looks at the file.
func TestAStandbyDoesNotWaitForANewFile(t *testing.T) {
	s := startTogether(t, 0)
	owner := s.start()
	owner.shows("/readyz", `"ready":true`)
	s.pays(5)
	s.options.Guests.Directory = t.TempDir()
	file := filepath.Join(s.options.Guests.Directory, "banking.wasm")
	if err := os.WriteFile(file, guesttest.Small(t), 0o600); err != nil {
		t.Fatal(err)
	}
	other := s.start()
	other.standsBy()
	next := stamped(guesttest.Small(t), 7)
	if err := os.WriteFile(file, next, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := owner.drain(); err != nil {
		t.Fatal(err)
	}
	other.shows("/readyz", `{"ready":true}`)
	s.pays(5)
	s.converts(guest.DigestOf(next).String())
	s.pays(5)
	first := s.text("select digest from ichor.guest_event where state in ('armed', 'active') order by id offset 2 limit 1")
	if first != "("+guest.DigestOf(next).String()+")" {
		t.Errorf("the file's module is not armed after the take-over but %s", first)
	}
}

// A database that does not answer is told by a host that stands by.
func TestAStandbyWithoutADatabaseIsNotReady(t *testing.T) {
	t.Parallel() // it waits, and little else
	s := startTogether(t, 0)
	owner := s.start()
	owner.shows("/readyz", `"ready":true`)
	proxy := s.behind()
	other := s.start()
	other.standsBy()
	proxy.Turn(pgtest.Silent)
	other.becomes("database_unavailable")
	proxy.Turn(pgtest.Fair)
	again := time.Now()
	other.standsBy()
	if took := time.Since(again); took > 15*time.Second { // its session stays silent: it must open another
		t.Errorf("it stands by again after %v", took)
	}
}

// A host that stands by and could not go on says so, and is ready again when it could.
func TestAStandbyWithoutALogIsNotReady(t *testing.T) {
	s := startTogether(t, 0)
	s.options.Source.BackoffMax = 100 * time.Millisecond
	owner := s.start()
	owner.shows("/readyz", `"ready":true`)
	other := s.start()
	other.standsBy()
	if err := s.broker.Halt(); err != nil {
		t.Fatal(err)
	}
	other.becomes("source_unavailable")
	if err := s.broker.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.standsBy()
	s.pays(10)
}

// Where the log begins above the owner's resume point, nobody could go on from there: the host that stands by is not ready, the
// owner says so, and gives the cohort away to nobody. When the snapshot goes on all is well.
func TestNobodyTakesOverALogThatBeginsAboveTheResumePoint(t *testing.T) {
	s := startTogether(t, 0)
	owner := s.start()
	owner.shows("/readyz", `"ready":true`)
	other := s.start()
	other.standsBy()
	s.pays(5)
	s.exec("insert into ichor.request (verb, who, reason) values ('pause', 'test', 'so that the resume point stands')")
	owner.becomes("paused")
	s.last = s.traffic(20, 10)
	if err := s.broker.DeleteRecordsBefore(t.Context(), s.topic, int64(s.last-10)); err != nil {
		t.Fatal(err)
	}
	other.shows("/readyz", `"ready":false,"reason":"source_unavailable","detail":"standing by: log_truncated: `)
	owner.shows("/readyz", fmt.Sprintf(`"degraded":"the log begins at position %d by now, and no host could begin at the resume point`, s.last-10))
	s.exec("insert into ichor.request (verb, who, reason) values ('handover', 'test', 'it is old')")
	s.eventually("(t)", "select outcome like 'refused: the next host would read from position %' from ichor.request where verb = 'handover'")
	s.exec("insert into ichor.request (verb, who, reason) values ('resume', 'test', 'it went on')")
	s.eventually(fmt.Sprintf("(%d)", s.last), "select version from cohort_snapshot")
	other.shows("/readyz", `"reason":"standby"`)
	owner.shows("/readyz", `{"ready":true}`)
}

// Somebody asks to abandon a version while a host takes the cohort over that has read of the log, batch by batch, the
// candidate and then its decision: it is decided, and refused as that.
func TestWhatIsDecidedIsNotAbandonedAtATakeOver(t *testing.T) {
	s := startTogether(t, 0)
	owner := s.start()
	owner.shows("/readyz", `"ready":true`)
	other := s.start()
	other.standsBy()
	s.pays(5)
	s.exec("insert into ichor.request (verb, who, reason) values ('pause', 'test', 'so that it is not installed')")
	owner.becomes("paused")
	version := s.send(candidate(0, "0001", deposit("0001", 1)))
	other.shows("/v1/status", fmt.Sprintf(`"standby":{"next":%d,`, version+1))
	s.send(commit(version, 0))
	other.shows("/v1/status", fmt.Sprintf(`"standby":{"next":%d,`, version+2))
	if err := owner.drain(); err != nil {
		t.Fatal(err)
	}
	s.exec(fmt.Sprintf("insert into ichor.request (verb, version, who, reason) values ('abandon', %d, 'test', 'nobody decides it'), ('resume', null, 'test', 'it goes on')", version))
	s.eventually("(t)", "select outcome like 'refused: it is decided: committed%' or outcome like 'refused: it is settled%' from ichor.request where verb = 'abandon'")
	s.eventually(fmt.Sprintf("(%d)", version), "select version from cohort_snapshot")
	s.eventually("(0)", "select count(*) from ichor.request where verb = 'abandon' and outcome = 'done'")
}

// A table that is changed while a host stands by, or as it takes the cohort over, is waited for: the owner waits for it too, and who
// ended would leave nobody.
func TestAStandbyWaitsForATableThatIsChanged(t *testing.T) {
	for table, says := range map[string]string{
		"ichor.beat":           `"reason":"database_unavailable"`,
		"ichor.guest_event":    `"reason":"database_unavailable"`,
		"public.bank_accounts": `"reason":"loading_guests"`,
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel() // it waits, and little else
			s := startTogether(t, 0)
			owner := s.start()
			owner.shows("/readyz", `"ready":true`)
			s.pays(5)
			other := s.start()
			other.standsBy()
			s.exec("alter table " + table + " rename to away")
			if table == "ichor.beat" {
				other.shows("/readyz", says)
			}
			if err := owner.drain(); err != nil {
				t.Fatal(err)
			}
			other.shows("/readyz", says)
			schema, name, _ := strings.Cut(table, ".")
			s.exec("alter table " + schema + ".away rename to " + name)
			other.shows("/readyz", `"ready":true`)
			s.pays(5)
		})
	}
}
