package replicator

import "github.com/ichor-replicator/ichor/host/queue"

// standstill is how long nothing goes behind an undecided frontier before that is told instead of it, ns.
const standstill = 4e9

// watchProgress keeps the one clock by which progress is judged: the time since the snapshot or
// the resume point moved, while something decided waits. It is never the age of a version: a host
// that works off a backlog makes progress. While the frontier has no decision the clock is that of
// what goes ahead of it.
func (ls *lanes) watchProgress() {
	if f := ls.queue.Frontier(); f == nil || f.State() != queue.Undecided || ls.going() == nil || ls.operator.pause.ID != 0 {
		ls.aheadAtLast = ls.now
	}
	if !ls.reading.decidedAhead() || ls.operator.pause.ID != 0 {
		ls.committing.progressAt = ls.now
	}
}

// going returns the lowest version that is in a transaction or could be, nil for none.
func (ls *lanes) going() *queue.Entry {
	lowest := ls.queue.Free()
	for i := range ls.all {
		if g := ls.all[i].group; g != nil && len(g.Entries) > 0 && (lowest == nil || g.Entries[0].Version < lowest.Version) {
			lowest = g.Entries[0]
		}
	}
	return lowest
}

// stuckAhead returns the lowest version that could go ahead of an undecided frontier when none has for a
// while, nil otherwise.
func (ls *lanes) stuckAhead() *queue.Entry {
	if ls.now-ls.aheadAtLast < standstill { // it is kept at now while the frontier is decided
		return nil
	}
	return ls.going()
}
