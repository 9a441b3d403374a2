package host_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
)

// at calls do when the host logs a line with a text, the first time, before the host goes on.
func (b *bank) at(text string, do func()) {
	var once sync.Once
	b.log.on = func(line string) {
		if strings.Contains(line, text) {
			once.Do(do)
		}
	}
}

// logs waits until the host has logged a text.
func (b *bank) logs(text string) {
	b.t.Helper()
	hosttest.Until(b.t, func() bool { return strings.Contains(b.log.text(), text) }, func() string { return fmt.Sprintf("no line says %q:\n%s", text, b.log.text()) })
}

// stopsWell tells a host to stop as SIGTERM does, and wants it to end with success in time.
func (r *running) stopsWell() {
	r.b.t.Helper()
	begun := time.Now()
	if err := r.drain(); err != nil {
		r.b.t.Errorf("told to stop it ended with %v", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		r.b.t.Errorf("it took %v to stop", took)
	}
}

// A database that goes away once the epoch is taken, while the guests are loaded, is waited for.
func TestADatabaseThatGoesAwayInATakeOverIsWaitedFor(t *testing.T) {
	b := newBank(t, 5)
	proxy := b.behind()
	b.at("took the cohort over", func() { proxy.Turn(pgtest.Refused) })
	r := b.start()
	b.logs("msg=waiting for=loading_guests")
	r.becomes("loading_guests")
	proxy.Turn(pgtest.Fair)
	r.becomes("")
	last := b.traffic(10, 5)
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	b.eventually("(1)", "select epoch from ichor.state")
	if got := b.log.text(); strings.Count(got, "msg=waiting") != 1 || strings.Count(got, "no longer waiting") != 1 {
		t.Errorf("want one line when the waiting begins and one when it ends:\n%s", got)
	}
}

// SIGTERM ends a host with success wherever it is between a start and a session.
func TestAHostThatIsToldToStopBetweenSessionsEndsWell(t *testing.T) {
	t.Run("while it takes over", func(t *testing.T) {
		b := newBank(t, 5)
		proxy := b.behind()
		b.at("took the cohort over", func() { proxy.Turn(pgtest.Refused) })
		r := b.start()
		b.logs("msg=waiting for=loading_guests")
		r.stopsWell()
	})
	t.Run("while it loads everything again", func(t *testing.T) {
		b := newBank(t, 5)
		proxy := b.behind()
		b.at("everything is loaded again", func() { proxy.Turn(pgtest.Refused) })
		r := b.start()
		last := b.traffic(10, 5)
		b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
		proxy.Turn(pgtest.Refused)
		b.exec("update ichor.state set epoch = 0") // as a copy from before the take-over has it
		b.exec("update ichor.lane set epoch = 0")
		proxy.Turn(pgtest.Fair)
		b.logs("msg=waiting for=database_unavailable")
		r.stopsWell()
	})
	t.Run("while it stands by", func(t *testing.T) {
		s := startTogether(t, 0)
		owner := s.start()
		owner.shows("/readyz", `"ready":true`)
		other := s.start()
		other.standsBy()
		other.stopsWell()
		s.pays(5) // the owner goes on
	})
	t.Run("while it stands by without a database", func(t *testing.T) {
		s := startTogether(t, 0)
		owner := s.start()
		owner.shows("/readyz", `"ready":true`)
		proxy := s.behind()
		other := s.start()
		other.standsBy()
		proxy.Turn(pgtest.Refused)
		other.becomes("database_unavailable")
		proxy.Turn(pgtest.Fair)
		other.standsBy()
		if got := s.log.text(); strings.Count(got, "msg=waiting") != 1 || strings.Count(got, "no longer waiting") != 1 {
			t.Errorf("want one line when the database is away and one when it is back:\n%s", got)
		}
		proxy.Turn(pgtest.Silent)
		other.becomes("database_unavailable")
		other.stopsWell()
	})
}

// What was rolled back lies in the directory of a host that stands by: it does not come again when that host takes the
// cohort over, whichever file came last in the directory of the owner.
func TestWhatWasRolledBackComesByNoTakeOver(t *testing.T) {
	b := newBank(t, 3)
	first, bad, last := guesttest.Small(t), stamped(guesttest.Small(t), 1), stamped(guesttest.Small(t), 2)
	b.install("banking", first)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.install("banking", bad)
	b.converts(guest.DigestOf(bad).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it was better')")
	b.eventually("(done)", "select outcome from ichor.request")
	b.reaches(b.pay(5, "0001", "0002"))
	b.install("banking", last)
	b.converts(guest.DigestOf(last).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.guests = t.TempDir()
	b.options.Guests.Directory = b.guests
	b.install("banking", bad)
	standby := b.start()
	standby.standsBy()
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+guest.DigestOf(last).String()+")", "select digest from ichor.guest_history order by from_version desc limit 1")
	b.eventually("(1)", "select count(*) from ichor.guest_event where state = 'armed' and digest = $1", guest.DigestOf(bad).String())
}
