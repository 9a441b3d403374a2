package host_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// standbys are several hosts of one bank.
type standbys struct {
	*bank
	hosts []*running
	last  int
}

func startTogether(t *testing.T, hosts int) *standbys {
	s := &standbys{bank: newBank(t, 10)}
	s.options.Database.Lease = time.Second
	var starting sync.WaitGroup
	s.hosts = make([]*running, hosts)
	for i := range hosts {
		starting.Go(func() { s.hosts[i] = s.start() })
	}
	starting.Wait()
	return s
}

// owner returns the host that runs, once the others stand by.
func (s *standbys) owner() (owner *running) {
	s.t.Helper()
	waiting := 0
	until := time.Now().Add(time.Minute)
	for owner == nil || waiting != len(s.hosts)-1 {
		if time.Now().After(until) {
			s.t.Fatalf("no host owns the cohort while the others stand by\n%s", s.log.text())
		}
		owner, waiting = nil, 0
		for _, r := range s.hosts {
			switch text := r.get("/v1/status"); {
			case strings.Contains(text, `"phase":"running"`):
				owner = r
			case strings.Contains(text, `"phase":"standby"`):
				waiting++
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return owner
}

func (s *standbys) without(r *running) {
	for i, other := range s.hosts {
		if other == r {
			s.hosts = append(s.hosts[:i:i], s.hosts[i+1:]...)
			return
		}
	}
}

func (s *standbys) pays(times int) {
	s.t.Helper()
	s.last = s.traffic(10*times, 10)
	s.eventually(fmt.Sprintf("(%d)", s.last), "select version from cohort_snapshot")
}

// Of hosts that are started at once one takes the cohort over, once, and the others are ready to; when it
// ends the next goes on at once.
func TestHostsThatAreStartedAtOnceDoNotFight(t *testing.T) {
	s := startTogether(t, 3)
	first := s.owner()
	s.pays(20)
	s.eventually("(1)", "select epoch from ichor.state")
	if err := first.drain(); err != nil {
		t.Fatal(err)
	}
	s.without(first)
	s.owner()
	s.pays(20)
	s.eventually("(2)", "select epoch from ichor.state")
	for _, r := range s.hosts {
		r.shows("/readyz", `"ready":true`)
	}
	if got := s.text("select min(amount)::bigint, max(amount)::bigint from bank_accounts"); got != "(100040,100040)" {
		t.Errorf("balances %s, want 40 on each", got)
	}
	if checks := strings.Count(s.log.text(), "the guest's file is checked"); checks != 3 {
		t.Errorf("three hosts checked the guest %d times: who comes second stands by, ready as it was", checks)
	}
}

// An owner that cannot reach the database any more is taken over from after the lease, and stands by when
// it can again.
func TestAnOwnerThatIsCutOffIsSuperseded(t *testing.T) {
	t.Parallel() // it waits, and little else
	s := startTogether(t, 0)
	direct := s.options.Database.URL
	proxy := s.behind()
	cutOff := s.start()
	cutOff.shows("/readyz", `"ready":true`)
	s.pays(10)
	s.options.Database.URL = direct
	other := s.start()
	other.standsBy()
	proxy.Turn(pgtest.Silent)
	s.pays(10)
	s.eventually("(2)", "select epoch from ichor.state")
	proxy.Turn(pgtest.Fair)
	cutOff.standsBy()
	s.pays(10)
	s.eventually("(2)", "select epoch from ichor.state")
}

// A database that is restarted does not make hosts take turns: the owner's beat comes back before anybody
// takes it for gone.
func TestARestartedDatabaseKeepsItsOwner(t *testing.T) {
	s := startTogether(t, 0)
	proxy := s.behind()
	s.options.Database.Lease = 5 * time.Second
	s.hosts = []*running{s.start()}
	s.hosts[0].shows("/readyz", `"ready":true`)
	other := s.start()
	other.standsBy()
	proxy.Turn(pgtest.Refused)
	other.becomes("database_unavailable")
	proxy.Turn(pgtest.Fair)
	other.standsBy()
	s.pays(10)
	s.eventually("(1)", "select epoch from ichor.state")
}

// However long the lease, a host that has ended is followed at once, and one whose session is terminated opens another before anybody
// takes it for gone.
func TestTheLengthOfTheLeaseIsForSilentOwnersAlone(t *testing.T) {
	t.Parallel() // it waits, and little else
	s := startTogether(t, 0)
	s.options.Database.Lease = time.Hour
	direct := s.options.Database.URL
	proxy := s.behind()
	first := s.start()
	first.shows("/readyz", `"ready":true`)
	s.options.Database.URL = direct
	other := s.start()
	other.standsBy()
	for range 3 {
		s.eventually("(1,1)", "select count(*), count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'ichor beat'")
	}
	time.Sleep(3 * time.Second) // longer than whoever is gone has
	s.eventually("(1)", "select epoch from ichor.state")
	proxy.Turn(pgtest.Refused)
	s.eventually("(2)", "select epoch from ichor.state")
	s.pays(10)
	proxy.Turn(pgtest.Fair)
	first.standsBy()
}

// An owner that cannot beat, or not read what operators ask for, installs all the same, and says so for as long as it is so.
func TestWhatAnOwnerCannotDoBesideIsSaid(t *testing.T) {
	s := startTogether(t, 1)
	r := s.owner()
	for table, says := range map[string]string{
		"beat":    "the owner cannot tell the hosts that stand by that it lives: write ichor.beat: ",
		"request": "what operators ask for cannot be read: read ichor.request: ",
	} {
		s.exec("alter table ichor." + table + " rename to away")
		r.shows("/readyz", `"ready":true,"degraded":"`+says)
		r.shows("/metrics", "ichor_degraded 1\n")
		s.pays(1)
		s.exec("alter table ichor.away rename to " + table)
		hosttest.Until(t, func() bool { return !strings.Contains(r.get("/readyz"), "degraded") }, func() string { return r.get("/readyz") })
		r.shows("/metrics", "ichor_degraded 0\n")
	}
}

// A host that loads for longer than the lease, once it has taken the cohort over, lives, and says so: two that load slowly would
// take the cohort from each other for ever. It runs alone: a lease of a second is short for a busy machine.
func TestAnOwnerThatLoadsForLongerThanTheLeaseKeepsTheCohort(t *testing.T) {
	s := startTogether(t, 3)
	first := s.owner()
	s.pays(10)
	other, err := pgx.Connect(t.Context(), s.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	s.at("took the cohort over", func() { // the guests' SQL is put to a database that has it wait
		_, err := other.Exec(t.Context(), "begin; lock table bank_accounts in access exclusive mode")
		time.AfterFunc(4*time.Second, func() {
			if _, again := other.Exec(t.Context(), "rollback"); err != nil || again != nil {
				t.Error(err, again)
			}
		})
	})
	if err := first.drain(); err != nil {
		t.Fatal(err)
	}
	s.hosts = slices.DeleteFunc(s.hosts, func(r *running) bool { return r == first })
	s.owner()
	s.pays(10)
	s.eventually("(2)", "select epoch from ichor.state")
}

// A handover drains the owner, and the host that waits goes on without a gap; the one that gave the cohort
// away stands by. It is not taken up by a host that it was not meant for.
func TestHandover(t *testing.T) {
	s := startTogether(t, 2)
	first := s.owner()
	s.pays(10)
	s.exec("insert into ichor.request (verb, who, reason) values ('handover', 'test', 'upgrade')")
	first.standsBy()
	second := s.owner()
	if second == first {
		t.Fatal("the host that gave the cohort away has it")
	}
	s.pays(10)
	s.eventually("(2,done)", "select epoch, outcome from ichor.state, ichor.request")
	for _, r := range s.hosts {
		if err := r.drain(); err != nil {
			t.Fatal(err)
		}
	}
	s.exec("insert into ichor.request (verb, who, reason) values ('handover', 'test', 'too late')")
	late := s.start()
	late.shows("/readyz", `"ready":true`)
	s.eventually("(3,t)", "select epoch, (select outcome like 'refused: the host that it was meant for%' from ichor.request where reason = 'too late') from ichor.state")
	s.pays(10)
}

// A handover that cannot end, because a row cannot be written, is not waited for longer than a drain: the next
// owner takes the cohort over from what is in flight. And while no host takes it, that is said.
func TestAHandoverThatCannotDrain(t *testing.T) {
	t.Parallel() // it waits, and little else
	s := startTogether(t, 0)
	s.options.ShutdownTimeout, s.options.Database.Lease = time.Second, 3*time.Second
	first := s.start()
	first.shows("/readyz", `"ready":true`)
	s.pays(10)
	first.shows("/metrics", "ichor_lanes_up 4\n") // none can connect while the table is locked
	s.exec("begin")
	s.exec("lock table ichor.quarantine in share mode")
	v := s.send(candidate(1, "0001", `[{"NOBODY KNOWS":{}}]`))
	s.send(commit(v, 0))
	first.becomes("poison_held")
	other, err := pgx.Connect(t.Context(), s.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(t.Context(), "insert into ichor.request (verb, who, reason) values ('handover', 'test', 'upgrade')"); err != nil {
		t.Fatal(err)
	}
	first.shows("/readyz", `"reason":"no_owner"`)
	s.exec("commit")
	first.shows("/readyz", `"reason":"poison_held"`) // nobody took it
	s.eventually("(2)", "select epoch from ichor.state")
}
