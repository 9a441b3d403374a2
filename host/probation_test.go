package host_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// pay sends n transfers of 1 between two accounts, all committed one after another, and returns the last.
func (b *bank) pay(n int, from, to string) (last int) {
	b.t.Helper()
	messages := make([]kafkatest.Message, 0, 2*n)
	first, safepoint := b.send(message("Other", "the first position is no version"))+1, 0
	for i := range n {
		last = first + 2*i
		messages = append(messages, candidate(last, from, fmt.Sprintf(`[{"TRANSFER":{"from":%q,"to":%q,"amount":1}}]`, from, to)), commit(last, safepoint))
		safepoint = last
	}
	b.send(messages...)
	return last
}

func (b *bank) reaches(version int) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("(%d)", version), "select version from cohort_snapshot")
}

// converts waits until a module converts what comes from now on.
func (b *bank) converts(digest string) {
	b.t.Helper()
	b.eventually("(t)", "select exists (select from ichor.guest_event where digest = $1 and state = 'active')", digest)
}

// became is what the database says of the guest's modules from their first event on, without those that are out of use.
const became = "select digest, state, who from ichor.guest_event where state not in ('received', 'checked', 'draining', 'warm', 'retired', 'gone') order by id"

// A module that passes its vectors and rejects what the one before installed is taken back by itself: nothing is
// lost, its file is not taken again, also not by the next start, until another lies there.
func TestAGuestThatDoesWorseIsTakenBack(t *testing.T) {
	b := newBank(t, 10)
	b.options.Core.Probation = replicator.Probation{Versions: 100, Rejects: 2}
	r := b.start()
	b.reaches(b.pay(20, "0001", "0002"))
	old, worse := guest.DigestOf(guesttest.Small(t)).String(), guest.DigestOf(guesttest.Changed(t)).String()
	b.install("banking", guesttest.Changed(t))
	b.converts(worse)
	b.reaches(b.pay(20, "0001", "0002"))
	last := b.pay(6, "0005", "0006")
	b.reaches(last)
	b.eventually("(99994,100006)", "select (select amount::bigint from bank_accounts where number = '0005'), (select amount::bigint from bank_accounts where number = '0006')")
	r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+old[:12])
	b.eventually(fmt.Sprintf(`(%[1]s,armed,"the file") (%[1]s,active,ichor) (%[2]s,armed,"the file") (%[2]s,active,ichor) (%[1]s,back,ichor)`, old, worse), became)
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	r = b.start()
	b.reaches(b.pay(6, "0005", "0006"))
	r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+old[:12])
	for f := range host.Check(t.Context(), b.options, time.Minute, 0) {
		if f.What == "guest banking" && (!f.Warn || !strings.Contains(f.Note, "a host goes on with "+old[:12]+" instead")) {
			t.Errorf("check says of the file that was taken back: %+v", f)
		}
	}
	// Nor when it is removed and put there again, as some deployments do, also while no host runs.
	for _, ends := range []bool{false, true} {
		b.remove("banking.wasm")
		time.Sleep(time.Second) // longer than a host takes to see that
		if ends {
			r.stopsWell()
			r = b.start()
		}
		b.reaches(b.pay(6, "0005", "0006"))
		b.install("banking", guesttest.Changed(t))
		time.Sleep(time.Second) // a host that took it would have by then
		b.reaches(b.pay(6, "0005", "0006"))
		r.shows("/readyz", worse[:12]+" ")
	}
	b.eventually("(2)", "select count(*) from ichor.guest_event where state = 'armed'")
	b.eventually("(0)", "select count(*) from ichor.quarantine where held")
	next := stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(100, "0005", "0006"))
	b.eventually("("+guest.DigestOf(next).String()+",proven,ichor)", "select digest, state, who from ichor.guest_event where state not in ('received', 'checked', 'draining', 'warm', 'retired', 'gone') order by id desc limit 1")
	if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
		t.Errorf("it is %s", ready)
	}
}

// A version of which the module before makes the same says nothing of the newest: the record is no good, or the database
// is the matter. It is held, and the module stays.
func TestWhatTheOneBeforeCannotDoEitherTakesNothingBack(t *testing.T) {
	b := newBank(t, 4)
	b.options.Core.Probation = replicator.Probation{Versions: 10}
	r := b.start()
	b.reaches(b.pay(2, "0001", "0002"))
	next := stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.exec("alter table bank_accounts add constraint frozen check (number <> '0004' or amount::bigint = 100000)")
	bad := b.send(candidate(90, "0003", `[{"DEPOSIT":{"account":"0003","amount":"much"}}]`), candidate(91, "0004", deposit("0004", 5)))
	b.send(commit(bad, 0), commit(bad+1, 0))
	b.eventually(fmt.Sprintf("(%d,guest_reject,3) (%d,sql,23514)", bad, bad+1), "select version, kind, code from ichor.quarantine where held order by version")
	b.pay(20, "0001", "0002")
	b.eventually("("+guest.DigestOf(next).String()+",proven,ichor)", "select digest, state, who from ichor.guest_event where state not in ('received', 'checked', 'draining', 'warm', 'retired', 'gone') order by id desc limit 1")
	if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
		t.Errorf("it is %s", ready)
	}
}

// What an operator goes back to is on no trial, whatever it does: not against the module that they left, and not after
// a start.
func TestWhatAnOperatorGoesBackToIsNoTrial(t *testing.T) {
	b := newBank(t, 10)
	b.options.Core.Probation = replicator.Probation{Versions: 20, Fuel: 1.5}
	b.install("banking", guesttest.Changed(t)) // it rejects what comes from 0005
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	back, next := guest.DigestOf(guesttest.Changed(t)).String(), guesttest.Small(t)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(25, "0001", "0002"))
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it was better')")
	b.eventually("(done)", "select outcome from ichor.request")
	b.reaches(b.pay(5, "0001", "0002"))
	for range 2 {
		held := b.pay(1, "0005", "0006")
		b.pay(5, "0003", "0004")
		b.eventually("(t)", "select held from ichor.quarantine where version = $1", held)
		if err := r.drain(); err != nil {
			t.Fatal(err)
		}
		r = b.start()
		b.eventually("("+back+")", "select digest from ichor.guest_history order by from_version desc limit 1")
		b.eventually("(0)", "select count(*) from ichor.guest_event where state = 'back'")
	}
}

// A probation goes on in the next host, which has the module before ready.
func TestAProbationGoesOnAfterAStart(t *testing.T) {
	b := newBank(t, 10)
	b.options.Core.Probation = replicator.Probation{Versions: 100, Rejects: 2}
	r := b.start()
	b.reaches(b.pay(20, "0001", "0002"))
	old, worse := guest.DigestOf(guesttest.Small(t)).String(), guest.DigestOf(guesttest.Changed(t)).String()
	b.install("banking", guesttest.Changed(t))
	b.converts(worse)
	b.reaches(b.pay(20, "0001", "0002"))
	for range 2 {
		if err := r.drain(); err != nil {
			t.Fatal(err)
		}
		r = b.start()
		b.reaches(b.pay(10, "0001", "0002"))
	}
	b.reaches(b.pay(6, "0005", "0006"))
	b.eventually("("+old+")", "select digest from ichor.guest_event where state = 'back'")
	r.shows("/readyz", `"ready":true,"degraded":"guest banking goes on with `+old[:12])
}

// An operator's rollback is a swap to the module before. It holds across a restart, although the file is the
// newer one, and another file ends it.
func TestAnOperatorRollsBack(t *testing.T) {
	b := newBank(t, 10)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	old, next := guest.DigestOf(guesttest.Small(t)).String(), stamped(guesttest.Small(t), 1)
	b.install("banking", next)
	b.converts(guest.DigestOf(next).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'it is wrong'), ('swap', 'nobody', 'test', 'it is none'), ('swap', null, 'test', 'of none')")
	b.eventually(`(done,t) ("refused: no route names a guest ""nobody""",t) ("refused: the request names no guest: ichor guest rollback NAME writes one that does",t)`, "select outcome, taken_at is not null from ichor.request order by id")
	b.eventually(`("rollback guest nobody: refused: no route names a guest ""nobody""") ("rollback guest banking: done") ("rollback: refused: the request names no guest: ichor guest rollback NAME writes one that does")`,
		"select deed from ichor.audit order by reason")
	b.exec("insert into ichor.request (verb, guest, who, reason) values ('swap', 'banking', 'test', 'once more')")
	b.eventually("(t)", "select outcome like 'refused: guest banking has no module before % to go back to, that is kept and was not taken back, rolled back or gone back over%' from ichor.request order by id desc limit 1")
	b.eventually("(1)", "select count(*) from ichor.guest_event where state = 'refused'") // of what is none of its guests it has nothing to say
	b.reaches(b.pay(5, "0001", "0002"))
	newest := "select digest from ichor.guest_history order by from_version desc limit 1"
	b.eventually("("+old+")", newest)
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	r = b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+old+")", newest)
	r.shows("/v1/status", "is wanted instead, by test: it is wrong")
	if ready := r.get("/readyz"); strings.Contains(ready, "degraded") {
		t.Errorf("after a rollback that somebody asked for it is %s", ready)
	}
	other := stamped(guesttest.Small(t), 2)
	b.install("banking", other)
	b.converts(guest.DigestOf(other).String())
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+guest.DigestOf(other).String()+")", newest)
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+guest.DigestOf(other).String()+")", newest)
}

// A new file's module is compared before it converts: where it makes the same it is taken, where it does not it is
// refused with what differs, and taken all the same when a person expects just that.
func TestANewModuleIsComparedBeforeItConverts(t *testing.T) {
	b := newBank(t, 20)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	same, changed := stamped(guesttest.Small(t), 1), guest.DigestOf(guesttest.Changed(t)).String()
	b.install("banking", same)
	r.shows("/v1/status", `"shadow":{"digest":"`+guest.DigestOf(same).String()+`","beside":"`+guest.DigestOf(guesttest.Small(t)).String()+`","of":20,"compared":0`)
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(guest.DigestOf(same).String())
	b.install("banking", guesttest.Changed(t))
	r.shows("/v1/status", `"shadow":{"digest":"`+changed)
	b.reaches(b.pay(10, "0001", "0002"))
	b.reaches(b.pay(20, "0016", "0002"))
	r.shows("/v1/status", `in shadow 10 of 20 versions differ`)
	r.shows("/v1/status", `"compared":20,"missed":`)
	r.shows("/v1/status", `statement 1 has $3 = \"11\", and the old one \"1\"`)
	b.eventually("(200000)", "select sum(amount)::bigint / 10 from bank_accounts") // as the one before makes it
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.options.Guests.Shadow.Differences = 10
	r = b.start()
	r.shows("/v1/status", `"shadow":{"digest":"`+changed)
	b.eventually("("+guest.DigestOf(same).String()+")", "select digest from ichor.guest_history order by from_version desc limit 1")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(changed)
	b.reaches(b.pay(5, "0001", "0002"))
	b.eventually("("+changed+")", "select digest from ichor.guest_history order by from_version desc limit 1")
}

// A probation goes back to the last module that was not on probation itself, also when the host begins anew in the middle, and
// however few modules the database keeps.
func TestAProbationGoesBackToTheSameModuleAfterAStart(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts=%v", restarts), func(t *testing.T) {
			b := newBank(t, 10)
			b.options.Core.Probation = replicator.Probation{Versions: 100, Rejects: 2}
			b.options.Guests.Keep = 1
			r := b.start()
			b.reaches(b.pay(20, "0001", "0002"))
			for _, module := range [][]byte{stamped(guesttest.Small(t), 1), guesttest.Changed(t)} {
				b.install("banking", module)
				b.converts(guest.DigestOf(module).String())
				b.reaches(b.pay(5, "0001", "0002"))
			}
			if restarts {
				r.stopsWell()
				r = b.start()
			}
			b.reaches(b.pay(6, "0005", "0006"))
			b.eventually("("+guest.DigestOf(guesttest.Small(t)).String()+")", "select digest from ichor.guest_event where state = 'back'")
			b.eventually("(0)", "select count(*) from ichor.quarantine where held")
			r.shows("/readyz", `"ready":true`)
		})
	}
}

// What differs in shadow is confirmed by its digest, which names these two modules and no others.
func TestAWantedDifferenceIsConfirmedByItsDigest(t *testing.T) {
	b := newBank(t, 20)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20, Expected: []string{"sha256:" + strings.Repeat("0", 64)}}
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	changed := guest.DigestOf(guesttest.Changed(t)).String()
	b.install("banking", guesttest.Changed(t))
	r.shows("/v1/status", `"shadow":{"digest":"`+changed)
	b.reaches(b.pay(30, "0016", "0002")) // it pays ten times as much
	b.eventually("(t)", "select reason like '%guests.shadow.expected: [sha256:%' from ichor.guest_event where state = 'refused' and digest = $1", changed)
	difference := strings.Trim(b.text("select substring(reason from 'sha256:[0-9a-f]{64}') from ichor.guest_event where state = 'refused'"), "()")
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.options.Guests.Shadow.Expected = []string{difference}
	r = b.start()
	r.shows("/v1/status", `"shadow":{"digest":"`+changed)
	b.reaches(b.pay(30, "0016", "0002"))
	b.converts(changed)
	b.eventually("(t)", "select reason like '%' || $2 from ichor.guest_event where state = 'armed' and digest = $1", changed, difference)
}

// Who puts a file in its place by `ichor guest swap` says so first; what becomes of it in shadow, and a refusal, name them too.
// It is the file that is armed, by which a start tells that it was taken. Nobody is named for what was put there by hand.
func TestWhoSwapsIsNamedInShadowAndForARefusal(t *testing.T) {
	b := newBank(t, 20)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 20}
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	swap := func(module []byte, who, why string) string {
		digest := guest.DigestOf(module).String()
		b.exec("insert into ichor.guest_event (guest, digest, state, who, reason) values ('banking', $1, 'asked', $2, $3)", digest, who, why)
		b.install("banking", module)
		return digest
	}
	const events = `select state, who, reason like '%' || $2 || '%' from ichor.guest_event where digest = $1 and state in ('shadow', 'refused', 'armed') order by id`
	changed := swap(guesttest.Changed(t), "root@vm", "fees")
	b.eventually("(shadow,root@vm,t)", events, changed, "fees: compared over 20")
	b.reaches(b.pay(30, "0016", "0002"))
	b.eventually("(shadow,root@vm,t) (refused,root@vm,t)", events, changed, "20")
	whole := stamped(guesttest.Small(t), 1)
	broken := swap(whole[:len(whole)/2], "eve@vm", "half of it")
	b.eventually("(refused,eve@vm,t)", events, broken, "refused at scan")
	same := swap(whole, "ann@vm", "better")
	b.eventually("(shadow,ann@vm,t)", events, same, "better")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(same)
	b.eventually(`(shadow,ann@vm,t) (armed,"the file",t)`, events, same, "better")
	byHand := stamped(guesttest.Small(t), 2)
	b.install("banking", byHand)
	b.eventually(`(shadow,"the file",t)`, events, guest.DigestOf(byHand).String(), "compared over 20")
	b.reaches(b.pay(30, "0001", "0002"))
	b.converts(guest.DigestOf(byHand).String())
	b.install("banking", whole) // by hand too: what was asked for was armed since
	b.eventually(`(shadow,ann@vm,t) (armed,"the file",t) (shadow,"the file",t)`, events, same, "")
}
