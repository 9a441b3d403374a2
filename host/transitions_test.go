package host_test

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
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
	first := guest.DigestOf(bankGuest(t)).String()
	const (
		states = `select string_agg(state, ' ' order by id) from ichor.guest_event where digest = $1`
		silent = `select state, who from ichor.guest_event where who = '' or reason = '' and who <> 'the file'`
	)
	swap := func(mark int) string {
		module := stamped(bankGuest(t), mark)
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
	b.eventually("(t)", `select reason like $1||' converts from version % on' from ichor.guest_event where state = 'draining' and digest = $2`, second[:12], first)
}
