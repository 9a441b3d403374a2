package sim

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// checker compares what is committed with what the log says. It needs of a world the truth, the rows of
// each server and the order of its commits. What can be computed from the log and from what a host wrote down
// alone is left to package books, after some commits and in the end. What is found begins with the invariant
// that is broken:
//
//	I1 exactly once            I2 rows as a serial replay leaves them    I5 each version whole
//	I6 no hole is passed       I7 the snapshot only grows                I8 resume point and offset: order, and only up
//	I9 no superseded commit    I10 conflicting versions in order         I12 what the log lacks is said
//	I13 the anchor             I14 each version by the guest of the history
//	I15 what an operator had done is audited
//	L1 all settles in the end  L2 only what conflicts waits              L4 nothing is left behind
//	L5 no false alarm
type checker struct {
	world   *world
	books   bookkeeping
	commits int
	highest talos.Position // the highest resume point that any server ever had
	offset  talos.Position // the published one
}

// applied reports whether a version has taken effect on a server: in each account that it writes.
func (s *server) applied(n *node) bool {
	for i, a := range n.writes {
		if read[account](s, accountKey(a)).writes <= n.rank[i] {
			return false
		}
	}
	return true
}

// settled reports whether a version has taken effect, or need not.
func (s *server) settled(n *node) bool {
	if n.class == installable {
		return s.applied(n)
	}
	return s.excused(n.version)
}

// committed checks a server after each commit.
func (c *checker) committed(s *server, t *transaction, done *commit) {
	touched := false
	for i := range done.before {
		switch key := done.before[i].key; key.table {
		case tableState:
			before, _ := done.before[i].row.(stateRow)
			c.advanced(s, before, read[stateRow](s, stateKey))
		case tableAccount:
			touched = true
			c.account(s, int(key.id))
		}
	}
	if t.work != nil {
		c.group(s, t)
	}
	if c.commits++; c.world.setup.sampled > 0 && c.commits%c.world.setup.sampled == 0 {
		c.sample(s)
	}
	if touched && t.work == nil {
		c.world.met("the second writer installed")
	}
}

// account checks I2, I3 and I4: an account is as a serial replay leaves it after one of its writes.
func (c *checker) account(s *server, a int) {
	row, after := read[account](s, accountKey(a)), c.world.truth.after[a]
	switch {
	case row.writes == 0:
	case row.writes > len(after):
		c.world.violated("I1: account %d was written %d times, the last by version %d, and the log has %d versions that write it", a, row.writes, row.version, len(after))
	case after[row.writes-1] != row:
		c.world.violated("I2: account %d is %+v, and a serial replay of its first %d versions gives %+v", a, row, row.writes, after[row.writes-1])
	}
}

// sample checks what the hosts wrote down on a server.
func (c *checker) sample(s *server) {
	for _, f := range c.books.check(s, false).Findings {
		c.world.violated("%s: %s", invariants[f.Kind], f.What)
	}
}

// advanced checks what moves in the state's row: I7, I8, and that what is passed has taken effect.
func (c *checker) advanced(s *server, before, after stateRow) {
	w := c.world
	switch {
	case after.epoch < before.epoch:
		w.violated("I9: the epoch goes back from %d to %d", before.epoch, after.epoch)
	case after.snapshot < before.snapshot:
		w.violated("I7: the snapshot goes back from %d to %d", before.snapshot, after.snapshot)
	case after.resume < before.resume:
		w.violated("I8: the resume point goes back from %d to %d", before.resume, after.resume)
	case after.resume > 0 && after.anchor >= after.resume:
		w.violated("I13: the anchor %d is not below the resume point %d", after.anchor, after.resume)
	}
	c.highest = max(c.highest, after.resume)
	c.passes(s, before.snapshot, after.snapshot)
	if after.resume > before.resume && after.resume > 0 {
		c.passes(s, talos.Version(max(before.resume, 1)-1), talos.Version(after.resume-1))
	}
}

// passes checks I1 and I6: what has effects in a range that is passed has taken effect, whatever the books say.
func (c *checker) passes(s *server, from, to talos.Version) {
	w := c.world
	all := w.log.candidates
	for i := w.log.firstAbove(from); i < len(all) && all[i].version <= to; i++ {
		if n := w.truth.byPlace[all[i].version]; n != nil && !s.settled(n) {
			w.violated("I6: the snapshot goes to %d and passes version %d, which is not settled", to, n.version)
			return
		}
	}
}

// firstAbove returns which candidate is the first above a version.
func (h *history) firstAbove(v talos.Version) int {
	i, found := slices.BinarySearchFunc(h.candidates, v, func(c *candidate, v talos.Version) int { return int(int64(c.version) - int64(v)) })
	if found {
		i++
	}
	return i
}

// group checks a transaction that installed something: I1, I5, I9, I10, I14.
func (c *checker) group(s *server, t *transaction) {
	w, by := c.world, t.work
	state := read[stateRow](s, stateKey)
	if state.epoch != by.own.epoch || state.token != by.own.token {
		w.violated("I9: host %d commits with epoch %d.%d, and it is %d.%d", by.host.number, by.own.epoch, by.own.token, state.epoch, state.token)
	}
	if by.host.core == nil || by.host.own != by.own {
		w.met("a zombie commits late")
	}
	for _, e := range by.group.Entries {
		n := w.truth.byPlace[e.Version]
		switch {
		case n == nil || n.class != installable:
			w.violated("I1: version %d is installed and has no effects", e.Version)
			return
		case n.binding.Position >= w.end:
			w.violated("I1: version %d is installed before it is decided", e.Version)
			return
		case s.effects[e.Version] != 1:
			w.violated("I1: version %d was installed %d times", e.Version, s.effects[e.Version])
			return
		case !s.applied(n):
			w.violated("I5: version %d has taken effect in part", e.Version)
			return
		}
		c.order(s, n)
		c.converted(s, e.Version, by.uses[e.Version])
		if _, ahead := s.rows[ledgerKey(e.Version)]; e.Version > state.snapshot && !ahead {
			w.violated("I1: version %d is installed above the snapshot %d and is not in the ledger", e.Version, state.snapshot)
		}
	}
	c.tally(s, t)
}

// order checks I10: all below a version that conflict with it have taken effect.
func (c *checker) order(s *server, n *node) {
	for _, b := range n.below {
		if !s.settled(b) {
			c.world.violated("I10: version %d is installed before %d, which conflicts with it", n.version, b.version)
			return
		}
	}
}

// converted checks I14: the guest that the history names is the one that converted a version.
func (c *checker) converted(s *server, v talos.Version, digest int) {
	named, there := s.rows[historyKey(v, true)].(historyRow)
	if !there {
		for _, id := range s.rowsOf(tableHistory) {
			if id%2 == 0 && talos.Version(id/2) <= v {
				named, there = s.rows[rowKey{tableHistory, id}].(historyRow)
			}
		}
	}
	if !there || named.digest != digest {
		c.world.violated("I14: version %d was converted by guest %d, and the history says %+v", v, digest, named)
	}
}

// tally counts what must happen sometimes.
func (c *checker) tally(s *server, t *transaction) {
	w, g := c.world, t.work.group
	switch {
	case !g.Frontier:
		w.met("went ahead")
		c.past(s, g.Entries[0].Version)
	case g.Chained:
		w.met("chained")
	}
	if len(w.servers) > 1 && s != w.primary() {
		w.met("a stale primary commits")
	}
}

// past counts what an ahead group has passed.
func (c *checker) past(s *server, v talos.Version) {
	w := c.world
	all := w.log.candidates
	for i := w.log.firstAbove(read[stateRow](s, stateKey).snapshot); i < len(all) && all[i].version < v; i++ {
		if b := all[i].binding; b == nil || b.Position >= w.end {
			w.met("passed an undecided one")
			break
		}
	}
	for _, id := range s.rowsOf(tableQuarantine) {
		if read[quarantineRow](s, rowKey{tableQuarantine, id}).held && talos.Version(id) < v {
			w.met("went ahead of a held one")
			break
		}
	}
}

// published checks I8: the group's offset is never above a resume point that was durable.
func (c *checker) published(p talos.Position) {
	if p < c.offset { // a host that was frozen: nobody reads it but tools
		c.world.met("the published offset goes back")
	}
	if c.offset = p; p > c.highest {
		c.world.violated("I8: the offset %d is published, and the durable resume point was %d at most", p, c.highest)
	}
}

// began notes that a host owns the cohort of a server.
func (c *checker) began(h *host, s *server, resume talos.Position) {
	c.highest = max(c.highest, resume) // where the log begins, for the first owner
	if h.world.module != h.newest || h.newest > 0 && len(s.ledger) > 0 {
		c.world.met("take-over during a swap")
	}
}

// asked looks at what a core asks a lane for.
func (c *checker) asked(h *host, a *replicator.Install) {
	if len(a.Group.Entries) == 1 && h.core.Status().Stats.Splits > 0 {
		c.world.met("split down to one")
	}
}

// stopped checks why a core ended: I17, L5, and that it never breaks a promise.
func (c *checker) stopped(h *host, stop *replicator.Stop) {
	w := c.world
	w.tell("host %d stopped: %s %s", h.number, stop.Reason, stop.Failure)
	stats := h.core.Status().Stats
	c.counted(&stats)
	switch stop.Reason {
	case replicator.StopBrokenPromise, replicator.StopHalted:
		w.violated("host %d stopped: %s: %s", h.number, stop.Reason, stop.Failure)
	case replicator.StopFenced:
		if !slices.ContainsFunc(w.servers, func(s *server) bool { return !h.owns(s) }) {
			w.violated("L5: host %d says that it is fenced, and nobody took the cohort since", h.number)
		}
		w.met("fenced")
		if state := read[stateRow](w.primary(), stateKey); state.epoch == h.own.epoch && state.token != h.own.token {
			w.met("fenced by the token alone")
		}
		for _, l := range h.lanes {
			if len(l.under) > 0 {
				w.met("fenced in the middle of a transaction")
			}
		}
	case replicator.StopDatabaseRegressed:
		if w.primary() == h.took {
			w.violated("L5: host %d says that the database lost commits, and it did not: %s", h.number, stop.Failure)
		}
	}
}

// counted adds what a core counted.
func (c *checker) counted(s *replicator.Stats) {
	for what, n := range map[string]uint64{
		"in doubt, then committed": s.DoubtCommitted, "in doubt, then not": s.DoubtAborted, "groups halved": s.Splits, "decided again": s.Repeated,
		"decided before it was read": s.UnknownDecisions, "safepoint too low": s.SafepointsTooLow, "read again": s.Redelivered, "skipped by its guest": s.SkippedByGuest, "abandoned": s.Abandoned,
	} {
		if n > 0 {
			c.world.sometimes[what] += int(n)
		}
	}
}
