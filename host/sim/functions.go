package sim

import (
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// The statements of host/installer, each as schema.sql and the files of that package have it. An UPDATE
// looks at the committed row first: where its condition does not hold it neither locks nor waits. Where
// it does it takes the lock, and after a wait the condition is asked again.

// ownership is what a host knows of the epoch that it took.
type ownership struct {
	epoch    epoch
	token    token
	timeline timeline
}

// holds reports whether a row has the epoch and the token of the take-over.
func (own *ownership) holds(epoch epoch, token token) bool {
	return epoch == own.epoch && token == own.token
}

// update is an UPDATE of one row whose condition holds: locked, or else not found.
func update[R any](t *transaction, key rowKey, holds func(R) bool) (row R, found bool, a answer) {
	if row, found = get[R](t, key); !found || !holds(row) {
		return row, false, done
	}
	a = t.lock(key)
	return row, a == done, a
}

// fence is what a statement compares with a row of the fence, or writes there; the zero value is nothing.
type fence struct {
	own   ownership // whose it is; of a take-over the token alone
	claim claim
	of    rowKey // whose claim that is
	has   bool   // a claim
}

// advance is ichor.advance.
func advance(own *ownership, claim claim, g *queue.Group) statement {
	return statement{name: "advance", own: true, fence: fence{*own, claim, stateKey, true}, about: [2]int64{int64(g.From), int64(g.Snapshot)}, run: func(x *batch, t *transaction) answer {
		mine := func(s stateRow) bool { return own.holds(s.epoch, s.token) }
		unmoved := func(snapshot talos.Version) bool { return snapshot == g.From }
		s, found, a := update(t, stateKey, func(s stateRow) bool { return mine(s) && s.claim == claim && unmoved(s.snapshot) })
		if a != done {
			return a
		}
		if !found {
			switch s, _ = get[stateRow](t, stateKey); {
			case !mine(s):
				return fail(codeFenced)
			case s.claim != claim:
				return fail(codeClaim)
			}
			return fail("IC002")
		}
		s.snapshot, s.resume, s.anchor = g.Snapshot, g.Resume, g.Anchor.Position
		t.put(stateKey, s)
		passed, a := t.deleteLedger(g.Snapshot)
		switch {
		case a != done:
			return a
		case passed != g.Ledgered:
			return fail("IC003")
		case g.Snapshot == g.From:
			return done
		}
		_, found, a = update(t, cohortKey, func(c cohortRow) bool { return unmoved(c.version) })
		if a == done && !found {
			return fail("IC002")
		}
		if a == done {
			t.put(cohortKey, cohortRow{g.Snapshot})
		}
		return a
	}}
}

// deleteLedger deletes the rows up to a version and counts them.
func (t *transaction) deleteLedger(upTo talos.Version) (n int, a answer) {
	for _, v := range t.backend.server.ledger {
		if v > upTo {
			break
		}
		if a := t.lock(ledgerKey(v)); a != done {
			return 0, a
		}
	}
	for _, v := range t.backend.server.ledger {
		if v > upTo {
			break
		}
		t.put(ledgerKey(v), nil)
		n++
	}
	return n, done
}

// fenceLane holds a lane's row to the end of the transaction.
func fenceLane(t *transaction, own *ownership, lane int, claim claim) (bool, answer) {
	row, found, a := update(t, laneKey(lane), func(l laneRow) bool {
		return own.holds(l.epoch, l.token) && l.claim == claim
	})
	if found {
		t.put(laneKey(lane), row)
	}
	return found, a
}

// ahead is ichor.ahead.
func ahead(own *ownership, lane int, claim claim, g *queue.Group) statement {
	return statement{name: "ahead", own: true, fence: fence{*own, claim, laneKey(lane), true}, about: [2]int64{int64(lane), int64(g.Entries[0].Version)}, run: func(_ *batch, t *transaction) answer {
		found, a := fenceLane(t, own, lane, claim)
		if a != done {
			return a
		}
		if !found {
			if l, _ := get[laneRow](t, laneKey(lane)); own.holds(l.epoch, l.token) {
				return fail(codeClaim)
			}
			return fail(codeFenced)
		}
		if s, _ := get[stateRow](t, stateKey); s.snapshot >= g.Entries[0].Version {
			return fail("IC002")
		}
		for _, e := range g.Entries {
			if a := t.lock(ledgerKey(e.Version)); a != done {
				return a
			}
			if _, there := get[ledgerRow](t, ledgerKey(e.Version)); there {
				return fail("23505")
			}
		}
		for _, e := range g.Entries {
			t.put(ledgerKey(e.Version), ledgerRow{})
		}
		return done
	}}
}

// enterHistory enters a row of the guest history, unless it is there.
func enterHistory(from talos.Version, only bool, digest int) statement {
	key := historyKey(from, only)
	return statement{name: "use", own: true, about: [2]int64{key.id, int64(digest)}, run: func(_ *batch, t *transaction) answer {
		if _, there := get[historyRow](t, key); there {
			return done
		}
		a := t.lock(key)
		if a == done {
			t.put(key, historyRow{digest})
		}
		return a
	}}
}

// endQuarantine ends a version's quarantine.
func endQuarantine(v talos.Version, how string) statement {
	return statement{name: "end " + how, own: true, about: [2]int64{int64(v)}, run: func(_ *batch, t *transaction) answer {
		row, found, a := update(t, quarantined(v), func(q quarantineRow) bool { return q.held })
		if found {
			row.held, row.resolved = false, how
			t.put(quarantined(v), row)
			t.backend.server.world.met("a quarantine ended")
		}
		return a
	}}
}

// fenceQuarantine is the fence of Lane.Quarantine.
func fenceQuarantine(own *ownership, lane int, claim claim) statement {
	return statement{name: "fence", own: true, fence: fence{*own, claim, laneKey(lane), true}, about: [2]int64{int64(lane)}, run: func(x *batch, t *transaction) answer {
		found, a := fenceLane(t, own, lane, claim)
		if a == done && !found {
			return fail(t.backend.server.fencedBy(own))
		}
		return a
	}}
}

// enterQuarantine writes a row of the quarantine.
func enterQuarantine(v talos.Version, held bool) statement {
	return statement{name: "record", own: true, about: [2]int64{int64(v), int64(bit(held))}, run: func(_ *batch, t *transaction) answer {
		a := t.lock(quarantined(v))
		if a == done {
			row, _ := get[quarantineRow](t, quarantined(v))
			t.put(quarantined(v), quarantineRow{held: held, times: row.times + 1})
		}
		return a
	}}
}

// The codes of schema.sql that lanes look at, and one that stands for a copy that lacks commits, which the
// host finds out by itself.
const (
	codeFenced    = "IC001"
	codeClaim     = "IC005" // another connection of the host renewed the fence
	codeRegressed = "regressed"
)

// fencedBy says why a row of the fence is not the host's any more.
func (s *server) fencedBy(own *ownership) string {
	state, there := s.rows[stateKey].(stateRow)
	switch {
	case !there || state.epoch < own.epoch:
		return codeRegressed
	case own.holds(state.epoch, state.token):
		return codeClaim
	}
	return codeFenced
}

// takeEpoch is the transaction of a take-over.
func takeEpoch(token token, lanes int) []statement {
	insert := statement{name: "insert state", run: func(_ *batch, t *transaction) answer {
		if _, there := get[stateRow](t, stateKey); there {
			return done
		}
		a := t.lock(stateKey)
		if a == done {
			c, _ := get[cohortRow](t, cohortKey)
			t.put(stateKey, stateRow{snapshot: c.version, anchor: -1})
		}
		return a
	}}
	raise := statement{name: "raise epoch", fence: fence{own: ownership{token: token}}, run: func(x *batch, t *transaction) answer {
		s, _, a := update(t, stateKey, func(stateRow) bool { return true })
		if a == done {
			s.epoch, s.token, s.claim = s.epoch+1, token, s.claim+1
			t.put(stateKey, s)
			t.takes, x.state = true, s
		}
		return a
	}}
	fence := statement{name: "fence lanes", run: func(x *batch, t *transaction) answer {
		for n := 0; ; n++ {
			if _, there := t.backend.server.rows[laneKey(n)]; !there {
				return done
			}
			row, _, a := update(t, laneKey(n), func(laneRow) bool { return true })
			if a != done {
				return a
			}
			t.put(laneKey(n), laneRow{x.state.epoch, x.state.token, row.claim + 1})
		}
	}}
	more := statement{name: "more lanes", run: func(x *batch, t *transaction) answer {
		for n := range lanes {
			if _, there := get[laneRow](t, laneKey(n)); there {
				continue
			}
			if a := t.lock(laneKey(n)); a != done {
				return a
			}
			t.put(laneKey(n), laneRow{epoch: x.state.epoch, token: x.state.token})
		}
		return done
	}}
	return []statement{sqlBegin(false), insert, raise, fence, more, sqlCommit()}
}

// renewLane raises the claim of a lane's row, so that an earlier connection cannot commit any more.
func renewLane(own *ownership, lane int) statement {
	return statement{name: "renew lane", fence: fence{own: *own}, about: [2]int64{int64(lane)}, run: func(x *batch, t *transaction) answer {
		row, found, a := update(t, laneKey(lane), func(l laneRow) bool { return own.holds(l.epoch, l.token) })
		switch {
		case a != done:
			return a
		case !found:
			return fail(t.backend.server.fencedBy(own))
		case t.backend.server.timeline != own.timeline:
			return fail(codeRegressed)
		}
		row.claim++
		t.put(laneKey(lane), row)
		x.claim, x.of = row.claim, laneKey(lane)
		return done
	}}
}

// renewState does the same for the state's row when a frontier group is in doubt, and reads it.
func renewState(own *ownership, inDoubt bool) statement {
	return statement{name: "renew state", fence: fence{own: *own}, about: [2]int64{int64(bit(inDoubt))}, run: func(x *batch, t *transaction) answer {
		mine := func(s stateRow) bool { return own.holds(s.epoch, s.token) }
		if !inDoubt {
			if x.state, _ = get[stateRow](t, stateKey); !mine(x.state) {
				return fail(t.backend.server.fencedBy(own))
			}
			return done
		}
		s, found, a := update(t, stateKey, mine)
		switch {
		case a != done:
			return a
		case !found:
			return fail(t.backend.server.fencedBy(own))
		}
		s.claim++
		t.put(stateKey, s)
		x.state = s
		return done
	}}
}

// countLedger counts which versions of a group the ledger has.
func countLedger(g *queue.Group) statement {
	return statement{name: "count ledger", about: [2]int64{int64(g.Entries[0].Version), int64(len(g.Entries))}, run: func(x *batch, t *transaction) answer {
		for _, e := range g.Entries {
			if _, there := t.backend.server.rows[ledgerKey(e.Version)]; there {
				x.count++
			}
		}
		return done
	}}
}

// ask is a beat.
func ask(own *ownership) statement {
	return statement{name: "beat", fence: fence{own: *own}, run: func(_ *batch, t *transaction) answer {
		if s := read[stateRow](t.backend.server, stateKey); !own.holds(s.epoch, s.token) {
			return fail(t.backend.server.fencedBy(own))
		}
		return done
	}}
}
