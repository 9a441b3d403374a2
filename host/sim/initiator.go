package sim

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// initiator is a member of the cohort that installs versions by itself, as examples/banking/initiator
// and the reference's oo_installer do: as soon as one is decided and the snapshot has reached its
// safepoint, out of order, under REPEATABLE READ, and with the version guard.
type initiator struct {
	world   *world
	read    int          // records of the log
	pending []*candidate // committed, and not installed by it
	current *candidate
	conn    *backend
	answer  *batch // to current
	sleeps  int64
}

// ready reports whether it can go on now.
func (i *initiator) ready(now int64) bool {
	switch {
	case i.sleeps > now:
		return false
	case i.current != nil:
		return i.answer.over || i.conn.lost()
	}
	return len(i.pending) > 0 || i.read < i.world.shown
}

func (i *initiator) step() {
	w := i.world
	if i.current != nil {
		i.answered()
		return
	}
	for ; i.read < w.shown; i.read++ {
		if d := w.log.records[i.read].decision; d != nil {
			if n := w.truth.byPlace[d.Version]; n != nil && n.class == installable && n.binding.Position == d.Position {
				i.pending = append(i.pending, n.candidate)
			}
		}
	}
	if len(i.pending) == 0 {
		return
	}
	s := w.primary()
	if s.down || s.full > w.now {
		i.sleeps = w.now + 50e6
		return
	}
	if i.conn == nil || i.conn.lost() || i.conn.server != s {
		i.conn = s.connect(false)
	}
	i.current = i.pending[w.hostDice.below(min(len(i.pending), 8))]
	i.answer = i.conn.send(5e9, i.batch(i.current)...)
}

// batch is the transaction of one version. Where the snapshot is below the safepoint it ends in an error.
func (i *initiator) batch(c *candidate) []statement {
	safepoint := c.binding.Safepoint
	reached := statement{name: "select snapshot", run: func(_ *batch, t *transaction) answer {
		row, _ := get[cohortRow](t, cohortKey)
		if row.version < safepoint {
			return fail(codeEarly)
		}
		return done
	}}
	batch := []statement{sqlBegin(true), reached}
	for k := range c.writes {
		batch = append(batch, write(c, k))
	}
	return append(batch, sqlCommit())
}

// codeEarly stands for a snapshot that has not reached the safepoint.
const codeEarly = "early"

func (i *initiator) answered() {
	w, c := i.world, i.current
	i.current = nil
	switch {
	case !i.answer.over: // whether it was installed it finds out by the guard
		i.conn = nil
	case i.answer.code == codeEarly:
		w.met("the second writer waits")
		i.sleeps = w.now + w.hostDice.span(20e6)
	case i.answer.code != "":
		if i.answer.code == "40001" {
			w.met("the second writer is too late: 40001")
		}
		i.sleeps = w.now + w.hostDice.span(20e6)
	default:
		i.drop(c.version)
	}
}

func (i *initiator) drop(v talos.Version) {
	i.pending = slices.DeleteFunc(i.pending, func(c *candidate) bool { return c.version == v })
}
