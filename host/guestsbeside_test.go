package host_test

import (
	"fmt"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// historyOf is what the history says of a guest.
const historyOf = "select digest, from_version, only_version from ichor.guest_history where name = $1 order by from_version, only_version"

// Each guest of a host is swapped alone: the other goes on with its own module, and its history is as it was.
func TestEachOfSeveralGuestsIsSwappedAlone(t *testing.T) {
	b := newBanks(t)
	b.install("other", generous(t, 10))
	r := b.start()
	both := func() (last int) {
		v := b.send(candidate(1, "0001", deposit("0001", 1)), ofOther(candidate(2, "0002", deposit("0002", 1))))
		b.send(commit(v, 0), commit(v+1, 0))
		b.reaches(v + 1)
		return v
	}
	first := both()
	b.eventually(`("1 11 0 0 0")`, balances)
	mine, others := b.text(historyOf, "banking"), b.text(historyOf, "other")

	next := generous(t, 100)
	b.install("other", next)
	b.converts(guest.DigestOf(next).String())
	second := both()
	b.eventually(`("2 112 0 0 0")`, balances)
	if got := b.text(historyOf, "banking"); got != mine {
		t.Errorf("after a swap of other the history of banking is %s, was %s", got, mine)
	}
	b.eventually(fmt.Sprintf("%s (%s,%d,f)", others, guest.DigestOf(next), first+2), historyOf, "other")
	others = b.text(historyOf, "other")

	mineNext := generous(t, 1000)
	b.install("banking", mineNext)
	b.converts(guest.DigestOf(mineNext).String())
	both()
	b.eventually(`("1003 213 0 0 0")`, balances)
	b.eventually(fmt.Sprintf("%s (%s,%d,f)", mine, guest.DigestOf(mineNext), second+1), historyOf, "banking")
	if got := b.text(historyOf, "other"); got != others {
		t.Errorf("after a swap of banking the history of other is %s, was %s", got, others)
	}
	r.shows("/readyz", `"ready":true`)
}

// A guest that traps while it runs, that is slow, or that rejects everything costs the other cohort nothing: its versions
// go on beside those that are held, which are held for that guest alone, and its history is as it was.
func TestAGuestThatFailsStopsNoOtherCohort(t *testing.T) {
	for kind, c := range map[string]struct{ from, held string }{
		"traps":   {"0038", "guest_fault"},
		"rejects": {"0005", "guest_reject"},
		"slow":    {"tired", ""},
	} {
		t.Run(kind, func(t *testing.T) {
			b := newBanks(t)
			b.options.Core.Probation = replicator.Probation{} // nothing takes it back
			b.exec("insert into bank_accounts (name, number, amount, version) values ('38', '0038', 100000, 0), ('tired', 'tired', 100000, 0)")
			b.install("other", guesttest.Changed(t))
			r := b.start()
			const n = 30
			messages, others, last := n, 0, 0
			for i := range messages {
				v := b.send(ofOther(candidate(2*i, c.from, fmt.Sprintf(`[{"TRANSFER":{"from":%q,"to":"0004","amount":1}}]`, c.from))), candidate(2*i+1, "0001", deposit("0001", 1)))
				b.send(commit(v, others), commit(v+1, last))
				others, last = v, v+1
			}
			b.eventually(fmt.Sprintf("(%d)", 100_000+n), "select amount::int from bank_accounts where number = '0001'")
			b.eventually("("+guest.DigestOf(guesttest.Small(t)).String()+")", "select digest from ichor.guest_history where name = 'banking'")
			if c.held == "" {
				b.reaches(last)
				b.eventually("(99970)", "select amount::int from bank_accounts where number = 'tired'")
				r.shows("/readyz", `"ready":true`)
				return
			}
			b.eventually("(t,"+c.held+",d)", "select held, kind, cohort from ichor.quarantine group by 1, 2, 3")
			b.eventually("(100000)", "select amount::int from bank_accounts where number = $1", c.from)
			r.shows("/readyz", `"ready":false,"reason":"poison_held"`)
			b.install("other", guesttest.Small(t)) // one that does not fail
			b.reaches(last)
			b.eventually(fmt.Sprintf("(%d)", 100_000-n), "select amount::int from bank_accounts where number = $1", c.from)
			b.eventually("("+guest.DigestOf(guesttest.Small(t)).String()+",installed)", "select resolved_digest, resolution from ichor.quarantine group by 1, 2")
			r.shows("/readyz", `"ready":true`)
		})
	}
}
