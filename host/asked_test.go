package host_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// A module that was rolled back, and whose file lies there still, is not taken because the same module is judged beside it:
// who swaps it in has said so in the database before its file is in place, and then it is.
func TestToBeJudgedIsNotToBeAskedFor(t *testing.T) {
	b := newBank(t, 10)
	r, next := b.rolledBack()
	old, again := guest.DigestOf(guesttest.Small(t)).String(), guest.DigestOf(next).String()
	beside := filepath.Join(b.guests, rollout.CandidateName("banking", "x"))
	judged := func(want bool) {
		t.Helper()
		hosttest.Until(t, func() bool { return strings.Contains(r.get("/v1/status"), `"accepted":true`) == want },
			func() string { return r.get("/v1/status") })
	}
	for range 2 { // a turn looks at the file first, and at what lies beside it then
		if err := os.WriteFile(beside, next, 0o600); err != nil {
			t.Fatal(err)
		}
		judged(true)
		if err := os.Remove(beside); err != nil {
			t.Fatal(err)
		}
		judged(false)
	}
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+old+")", newestDigest)
	b.eventually("(1)", "select count(*) from ichor.guest_event where digest = $1 and state = 'received'", again)
	b.exec("insert into ichor.guest_event (guest, digest, state, who, reason) values ('banking', '" + again + "', 'asked', 'ann', 'it was right')")
	b.install("banking", next)
	b.converts(again)
	b.eventually("(ann)", "select who from ichor.guest_event where digest = $1 and state = 'received' order by id desc limit 1", again)
}

// asksFor does what ichor guest swap does: the module is judged beside its place, who wants it says so, and it is put there.
func (b *bank) asksFor(r *running, module []byte) {
	b.t.Helper()
	beside := filepath.Join(b.guests, rollout.CandidateName("banking", "x"))
	if err := os.WriteFile(beside, module, 0o600); err != nil {
		b.t.Fatal(err)
	}
	r.shows("/v1/status", `"accepted":true`)
	b.exec("insert into ichor.guest_event (guest, digest, state, who, reason) values ('banking', '" + guest.DigestOf(module).String() + "', 'asked', 'ann', 'it was right')")
	if err := os.Rename(beside, filepath.Join(b.guests, "banking.wasm")); err != nil {
		b.t.Fatal(err)
	}
}

// eventsOf counts a module's events of a state.
const eventsOf = "select count(*) from ichor.guest_event where digest = $1 and state = $2"

// A module that its comparison kept out is compared anew when somebody asks for it again.
func TestWhatWasRefusedInShadowIsComparedAgain(t *testing.T) {
	b := newBank(t, 20)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	changed := guest.DigestOf(guesttest.Changed(t)).String()
	b.install("banking", guesttest.Changed(t))
	for n := range 2 {
		b.eventually(fmt.Sprintf("(%d)", n+1), eventsOf, changed, "shadow")
		b.reaches(b.pay(30, "0016", "0002")) // it pays ten times as much
		b.eventually(fmt.Sprintf("(%d)", n+1), eventsOf, changed, "refused")
		if n == 0 {
			b.asksFor(r, guesttest.Changed(t))
		}
	}
}

// A module that was sent and is compared goes on being compared in the next host, beside a file that was kept out before it came.
func TestAnUploadIsComparedOnBesideAFileThatWasRefused(t *testing.T) {
	b := newBank(t, 20)
	b.takesChanges()
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	changed, sent := guest.DigestOf(guesttest.Changed(t)).String(), stamped(guesttest.Small(t), 1)
	b.install("banking", guesttest.Changed(t))
	b.eventually("(1)", eventsOf, changed, "shadow")
	b.reaches(b.pay(30, "0016", "0002"))
	b.eventually("(1)", eventsOf, changed, "refused")
	if code, text := r.sends(http.MethodPost, "/v1/guests/banking/module?reason=a+test", "application/wasm", sent); code != http.StatusAccepted {
		t.Fatal(code, text)
	}
	digest := guest.DigestOf(sent).String()
	b.eventually("(1)", eventsOf, digest, "shadow")
	r.stopsWell()
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("(2)", eventsOf, digest, "shadow")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(digest)
	b.eventually("(0)", eventsOf, digest, "refused")
}

// A rollback goes back to no module that was rolled back, also when somebody asks for that again: not before it is taken.
func TestARollbackGoesBackToNothingThatIsAskedForAndNotTaken(t *testing.T) {
	b := newBank(t, 20)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next := stamped(guesttest.Small(t), 1)
	again := guest.DigestOf(next).String()
	b.install("banking", next)
	b.eventually("(1)", eventsOf, again, "shadow")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(again)
	b.reaches(b.pay(5, "0001", "0002"))
	rollback := func(want string) {
		t.Helper()
		b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it was better')")
		b.eventually("(t)", "select outcome like $1 from ichor.request order by id desc limit 1", want)
	}
	rollback("done")
	b.reaches(b.pay(5, "0001", "0002"))
	b.asksFor(r, next)
	b.eventually("(2)", eventsOf, again, "shadow")
	rollback("refused: guest banking has no module before%")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(again)
}

// A file that lay there and was not taken yet when an operator went back to another module comes by no start.
func TestAFileThatARollbackPassedOverComesByNoStart(t *testing.T) {
	b := newBank(t, 20)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next, third := stamped(guesttest.Small(t), 1), stamped(guesttest.Small(t), 2)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(5, "0001", "0002"))
	r.stopsWell()
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	r = b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	waits := guest.DigestOf(third).String()
	b.install("banking", third)
	b.eventually("(1)", eventsOf, waits, "shadow")
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it was better')")
	b.eventually("(done)", "select outcome from ichor.request")
	b.eventually("(1)", eventsOf, waits, "gone")
	r.stopsWell()
	r = b.start()
	b.reaches(b.pay(30, "0001", "0002"))
	r.shows("/v1/status", "is wanted instead, by")
	b.eventually("("+guest.DigestOf(guesttest.Small(t)).String()+")", newestDigest)
	b.asksFor(r, third)
	b.eventually("(2)", eventsOf, waits, "shadow")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(waits)
}

// A module that is loaded still goes back to nothing that the database would refuse: its tables may be others by now.
func TestWhatIsLoadedStillIsTriedAgain(t *testing.T) {
	b := newBank(t, 10)
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next := stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.exec("alter table bank_accounts rename column amount to sum")
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it was better')")
	b.eventually("(t)", "select outcome like 'refused: %the database does not take its SQL%' from ichor.request")
	b.exec("alter table bank_accounts rename column sum to amount")
	b.reaches(b.pay(5, "0001", "0002"))
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it was better')")
	b.eventually("(done)", "select outcome from ichor.request order by id desc limit 1")
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+guest.DigestOf(guesttest.Small(t)).String()+")", newestDigest)
}

// A file that the database keeps from being taken for a while is not refused: it is taken when the database lets it.
func TestAFileIsTakenAsSoonAsTheDatabaseLetsIt(t *testing.T) {
	b := newBank(t, 10)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	next := stamped(guesttest.Small(t), 1)
	digest := guest.DigestOf(next).String()
	other, err := pgx.Connect(t.Context(), b.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if _, err := other.Exec(t.Context(), "begin; lock table ichor.guest_module in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	b.install("banking", next)
	r.shows("/v1/status", `"again":true`)
	if _, err := other.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	b.converts(digest)
	b.eventually("(0)", "select count(*) from ichor.guest_event where state = 'refused'")
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+digest+")", newestDigest)
}

// A file is seen as it comes, however seldom the directory is looked at besides; and a swap asks the database on a few
// sessions, each of which is a process of the server.
func TestAFileIsSeenAsItComesAndAskedAboutOnFewSessions(t *testing.T) {
	b := newBank(t, 10)
	proxy := b.behind()
	b.options.Guests.Poll = time.Hour
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	before := proxy.Begun()
	next := stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("(active)", "select state from ichor.guest_event where digest = $1 and state = 'active'", guest.DigestOf(next).String())
	if n := proxy.Begun() - before; n > 6 {
		t.Errorf("a swap began %d sessions", n)
	}
}
