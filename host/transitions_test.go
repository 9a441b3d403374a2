package host_test

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/rollout"
)

// TestEveryTransitionOfAModuleIsWrittenDown: what becomes of a module stands in the database, each with who and why, in
// the order of its life; and that of the one before it.
func TestEveryTransitionOfAModuleIsWrittenDown(t *testing.T) {
	b := newBank(t, 20)
	b.options.Guests.Shadow = rollout.Shadow{Versions: 10}
	b.options.Core.Probation.Versions = 20
	b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	first := guest.DigestOf(guesttest.Small(t)).String()
	const (
		states = `select string_agg(state, ' ' order by id) from ichor.guest_event where digest = $1`
		silent = `select state, who from ichor.guest_event where who = '' or reason = '' and who <> 'the file'`
	)
	swap := func(mark int) string {
		module := stamped(guesttest.Small(t), mark)
		digest := guest.DigestOf(module).String()
		b.install("banking", module)
		b.eventually(`("received checked shadow")`, states, digest)
		b.reaches(b.pay(15, "0001", "0002"))
		b.converts(digest)
		b.reaches(b.pay(30, "0001", "0002"))
		b.eventually(`("received checked shadow armed active proven")`, states, digest)
		return digest
	}
	second := swap(1)
	b.eventually(`("armed active draining warm")`, states, first)
	swap(2)
	b.eventually(`("received checked shadow armed active proven draining warm")`, states, second)
	b.eventually(`("armed active draining warm retired")`, states, first)
	b.eventually("", silent)
	b.eventually("(t)", `select reason like 'scan %, fuel %, compile %, instantiate %, describe %, sql %, vectors %, database %' from ichor.guest_event where state = 'checked' limit 1`)
	b.eventually("(t)", "select (select id from ichor.guest_event where state = 'active' and digest = $1) < (select id from ichor.guest_event where state = 'draining' and digest = $2)", second, first)
	b.eventually("(t)", `select reason like $1||' converts from version % on' from ichor.guest_event where state = 'draining' and digest = $2`, second[:12], first)
}

// TestAModuleThatConvertsIsSaidToByTheNextHost: what a module made is in the database before the event that says that it converts.
// A host that was killed between them leaves none, and the next writes it, once.
func TestAModuleThatConvertsIsSaidToByTheNextHost(t *testing.T) {
	b := newBank(t, 20)
	r := b.start()
	b.reaches(b.pay(5, "0001", "0002"))
	module := stamped(guesttest.Small(t), 1)
	digest := guest.DigestOf(module).String()
	b.install("banking", module)
	b.converts(digest)
	b.reaches(b.pay(5, "0001", "0002"))
	const says = `select count(*), min(reason) from ichor.guest_event where digest = $1 and state = 'active'`
	b.eventually(`(1,"it was armed")`, says, digest)
	if err := r.drain(); err != nil {
		t.Fatal(err)
	}
	b.exec(`delete from ichor.guest_event where digest = $1 and state = 'active'`, digest)
	for range 2 {
		r := b.start()
		b.reaches(b.pay(5, "0001", "0002"))
		b.eventually(`(1,"the host before ended as it began to convert")`, says, digest)
		if err := r.drain(); err != nil {
			t.Fatal(err)
		}
	}
	if from := b.text(`select count(*) from ichor.guest_event e join ichor.guest_history h on (h.name, h.digest, h.from_version) = (e.guest, e.digest, e.from_version) where e.state = 'active' and e.digest = $1`, digest); from != "(1)" {
		t.Errorf("%s events say the version from which on the history has it", from)
	}
}
