package replicator

import (
	"fmt"

	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// onLaneUp finds out what became of a group in doubt, and of the one chained to it. The lane's fence was
// renewed before the snapshot was read, so the answer is final.
func (ls *lanes) onLaneUp(ev *LaneUp) {
	l := &ls.all[ev.Lane]
	ls.idle(l)
	l.failures = 0
	highest := ls.highestUnderWay()
	g, next := l.group, l.next
	l.doubt = false
	switch {
	case ev.Snapshot < l.confirmed:
		ls.stop(StopDatabaseRegressed, Failure{Class: Regressed, Kind: "snapshot", Message: fmt.Sprintf(
			"the database's snapshot is %d, and %d had been confirmed", ev.Snapshot, l.confirmed)})
	case ev.Snapshot > highest:
		panic(queue.Assertionf("the database's snapshot is %d, and no group of this host goes beyond %d: something else moved it", ev.Snapshot, highest))
	case g == nil:
	case next != nil && committed(next, ev):
		ls.foundDurable(l, ev)
		ls.foundDurable(l, ev)
	case committed(g, ev):
		ls.unchain(l)
		ls.foundDurable(l, ev)
	case g.Frontier && ev.Snapshot == g.From, !g.Frontier && ev.Ledgered == 0:
		ls.unchain(l)
		ls.stats.DoubtAborted++
		l.group = nil
		ls.queue.Undone(g)
		switch l.cause.Class {
		case TimedOut:
			ls.tooSlow(g, l.cause)
		case Transient:
			ls.lostWith(g, l.cause)
		}
		ls.countRetry(g, l.cause.Class)
	default:
		panic(queue.Assertionf("a group from snapshot %d to %d is in doubt, and the database says %d with %d of %d in the ledger",
			g.From, g.Snapshot, ev.Snapshot, ev.Ledgered, len(g.Entries)))
	}
}

// foundDurable makes a lane's group count that was in doubt; the one chained to it becomes the lane's.
func (ls *lanes) foundDurable(l *lane, ev *LaneUp) {
	ls.stats.DoubtCommitted++
	ls.installed(l, &Installed{Lane: ev.Lane, Received: ls.now, Begin: ls.now, Complete: ls.now})
	if l.group == nil {
		ls.idle(l)
	}
}

// highestUnderWay returns the highest snapshot that the database may have: the confirmed one, or
// that of a frontier group whose answer has not come yet.
func (ls *lanes) highestUnderWay() talos.Version {
	highest := ls.queue.Snapshot()
	for i := range ls.all {
		for _, g := range [2]*queue.Group{ls.all[i].group, ls.all[i].next} {
			if g != nil && g.Frontier {
				highest = max(highest, g.Snapshot)
			}
		}
	}
	return highest
}

// tooSlow makes a group that was not finished in time smaller, and counts a version that was not
// although it went alone.
func (ls *lanes) tooSlow(g *queue.Group, f Failure) {
	for _, e := range g.Entries {
		ls.troubled(e, f)
		ls.queue.Limit(e, (len(g.Entries)+1)/2)
	}
	if len(g.Entries) == 1 {
		ls.holdAfter(timeoutsMax, g.Entries[0], f)
	}
	ls.do(&Notice{Kind: GroupRetried, Version: g.Entries[0].Version, Failure: f})
}

// committed reports whether the database has the effects of a group in doubt. A flush that
// moves only the resume point leaves no trace in the snapshot; it counts as not committed.
func committed(g *queue.Group, ev *LaneUp) bool {
	if !g.Frontier {
		return ev.Ledgered == len(g.Entries)
	}
	return g.Snapshot > g.From && ev.Snapshot == g.Snapshot
}
