package replicator

import (
	"strings"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/timing"
)

func (ls *lanes) onAlive(ev *Alive) {
	if l := &ls.all[ev.Lane]; l.beating {
		ls.idle(l)
	}
}

func (ls *lanes) onInstalled(ev *Installed) {
	l := &ls.all[ev.Lane]
	if l.state != laneBusy {
		panic(queue.Assertionf("lane %d answered although it was not asked", ev.Lane))
	}
	ls.idle(l)
	if l.rows != nil {
		ls.poison.recorded(l.rows)
		l.rows = nil
		return
	}
	if l.answers != nil {
		ls.operator.answered(l.answers)
		l.answers = nil
		return
	}
	ls.installed(l, ev)
}

// installed makes a durable group count: entries settle BEFORE the snapshot is told, and
// both are durable already.
func (ls *lanes) installed(l *lane, ev *Installed) {
	g := l.group
	l.group, l.next = l.next, nil
	if l.group != nil {
		l.state = laneBusy
	}
	ls.measure(g, ev)
	ls.cuts.recorded(g)
	if len(g.Entries) > 0 {
		ls.poison.afterInstall(g)
	}
	ls.poison.ended(g)
	for _, e := range g.Entries {
		e.Journey.Record(timing.InstallerStatemapReceived, ev.Received)
		e.Journey.Record(timing.InstallerStatemapInstallationBegin, ev.Begin)
		e.Journey.Record(timing.InstallerStatemapInstallationComplete, ev.Complete)
	}
	ls.stats.Groups++
	ls.stats.Installed += uint64(len(g.Entries))
	switch {
	case !g.Frontier:
		ls.stats.AheadGroups++
		ls.aheadAtLast = ls.now
	case len(g.Entries) == 0:
		ls.stats.Flushes++
	}
	passed := ls.queue.Done(g)
	if !g.Frontier {
		ls.ahead(g)
		return
	}
	ls.committing.resume, ls.committing.advancedAt, ls.committing.progressAt = max(ls.committing.resume, g.Resume), ls.now, ls.now
	if len(passed) == 0 {
		return
	}
	done := &Finished{Journeys: make([]*timing.Journey, 0, len(passed))}
	for _, e := range passed {
		e.Journey.Record(timing.SnapshotPersisted, max(ev.Complete, ls.now))
		ls.reading.remember(settledDecision{e.Version, e.Safepoint, e.DecidedAt, e.Outcome, e.Duplicate})
		done.Journeys = append(done.Journeys, e.Journey)
	}
	ls.do(done)
}

// ahead hands over what is known of versions above the snapshot.
func (ls *lanes) ahead(g *queue.Group) {
	early := &Ahead{Journeys: make([]*timing.Journey, 0, len(g.Entries))}
	for _, e := range g.Entries {
		e.Journey.Ahead = true
		known := *e.Journey
		early.Journeys = append(early.Journeys, &known)
	}
	ls.do(early)
}

// measure keeps how long a version takes of late, so that a group ends before it looks as if nothing
// got on: half of it is the latest group's.
func (ls *lanes) measure(g *queue.Group, ev *Installed) {
	if n := int64(len(g.Entries)); n > 0 && ev.Complete > ev.Begin {
		ls.pace = (ls.pace + (ev.Complete-ev.Begin)/n) / 2
	}
}

// lost stops the core when the cohort is another host's now, or the database lost commits.
func (ls *lanes) lost(f Failure) bool {
	switch f.Class {
	case Fenced:
		ls.stop(StopFenced, f)
	case Regressed:
		ls.stop(StopDatabaseRegressed, f)
	}
	return ls.stopped
}

func (ls *lanes) onFailed(ev *Failed) {
	l := &ls.all[ev.Lane]
	ls.unchain(l)
	ls.countFailure(l, ev.Failure)
	switch {
	case ls.lost(ev.Failure):
		return
	case ev.Failure.Class == Broken:
		ls.stop(StopBrokenPromise, ev.Failure)
		return
	}
	ls.idle(l)
	g := l.group
	l.group = nil
	if g == nil {
		// The rows or the answers stay with the lane and are tried again, after a while.
		if l.state == laneIdle {
			ls.down(l, ev.Failure)
		}
		return
	}
	ls.queue.Undone(g)
	if len(g.Entries) == 0 {
		ls.down(l, ev.Failure)
		return
	}
	ls.retry(g, ev)
}

// retry decides how the entries of a failed group are tried again.
func (ls *lanes) retry(g *queue.Group, ev *Failed) {
	for _, e := range g.Entries {
		ls.troubled(e, ev.Failure)
	}
	alone := len(g.Entries) == 1
	switch class := ev.Failure.Class; {
	case class == Transient && !alone && ev.Culprit != 0: // the database lacks something for one
		ls.split(g, ev)
	case alone && ls.lasts(g.Entries[0], ev.Failure): // it is held
	case class == Contention, class == Transient, class == TimedOut && alone:
		ls.contended(g)
	case class != Poison && class != TimedOut: // what stops the core was taken before
	case !alone:
		ls.split(g, ev)
	default:
		ls.poison.refused(g.Entries[0], ev.Failure)
	}
	ls.countRetry(g, ev.Failure.Class)
	ls.do(&Notice{Kind: GroupRetried, Version: g.Entries[0].Version, Failure: ev.Failure})
}

// troubled notes that a version failed with its group, or alone.
func (ls *lanes) troubled(e *queue.Entry, f Failure) *trouble {
	t := ls.poison.troubleOf(e.Version)
	if t.failure = f; t.others == 0 {
		t.others = ls.stats.Installed + 1
	}
	return t
}

// countFailure counts what a lane failed at: those that were to move the snapshot alone apart.
func (ls *lanes) countFailure(l *lane, f Failure) {
	if l.group != nil && len(l.group.Entries) == 0 {
		ls.stats.SnapshotFailures++
		return
	}
	ls.stats.Failures[f.Class]++
}

// countRetry counts a group that had no effect, unless it is held or moved the snapshot alone.
func (ls *lanes) countRetry(g *queue.Group, class Class) {
	if len(g.Entries) > 0 && g.Entries[0].State() == queue.Awaiting {
		ls.stats.Retries[class]++
	}
}

// lasts counts what may end by itself and did not, of a version that went alone: its statements ran for too long, or what
// they call says "serialization failure", which no other transaction is the cause of where a lane reads what is committed, or the
// database lacked something for it alone, which it did not for the others that were installed since: a statement that needs more
// memory or disk than a session may have, or that ends its session.
// True when that happened so often that it is held, for it would stop everything for ever.
func (ls *lanes) lasts(e *queue.Entry, f Failure) bool {
	switch {
	case f.Class == TimedOut:
		return ls.holdAfter(timeoutsMax, e, f)
	case f.Class == Contention && f.Code == serialization:
		return ls.holdAfter(conflictsMax, e, f)
	case f.Class == Transient && f.Kind == KindSQL && !f.refusal():
		return ls.stats.Installed >= ls.poison.troubleOf(e.Version).others && ls.holdAfter(lackedMax, e, f)
	}
	return false
}

// holdAfter counts a failure of a version that went alone, and holds it after so many; true when it does.
func (ls *lanes) holdAfter(most int32, e *queue.Entry, f Failure) bool {
	t := ls.poison.troubleOf(e.Version)
	if t.lasted++; t.lasted < most {
		return false
	}
	t.lasted = 0
	f.Class = Poison
	ls.poison.hold(e, f)
	return true
}

// lostWith counts that a session ended with a group which has no effects. That happens to any group; one to which it happens again and
// again goes in halves, for it may be a version's statements that end the session, and a version to which it happens alone, while
// others are installed, is held.
func (ls *lanes) lostWith(g *queue.Group, f Failure) {
	for _, e := range g.Entries {
		t := ls.troubled(e, f)
		if t.lost++; t.lost >= lostMax {
			ls.queue.Limit(e, (len(g.Entries)+1)/2)
		}
	}
	if len(g.Entries) == 1 {
		ls.lasts(g.Entries[0], f)
	}
}

// contended delays the group's entries; after several tries each goes alone.
func (ls *lanes) contended(g *queue.Group) {
	for _, e := range g.Entries {
		e.Attempts++
		if e.Attempts >= aloneAfter {
			ls.queue.Limit(e, 1)
		}
	}
	until := ls.now + ls.backoff(int(g.Entries[0].Attempts))
	for _, e := range g.Entries {
		ls.queue.Delay(e, until)
	}
	ls.timers.add(until)
}

// split takes a group apart until its poison version is alone: at once where the database
// named it, by halves otherwise.
func (ls *lanes) split(g *queue.Group, ev *Failed) {
	for _, e := range g.Entries {
		switch {
		case e.Version == ev.Culprit:
			ls.queue.Limit(e, 1)
		case ev.Culprit == 0:
			ls.queue.Limit(e, (len(g.Entries)+1)/2)
		}
	}
	ls.stats.Splits++
}

func (ls *lanes) onLaneDown(ev *LaneDown) {
	l := &ls.all[ev.Lane]
	ls.countFailure(l, ev.Failure)
	if ls.lost(ev.Failure) {
		return
	}
	ls.down(l, ev.Failure)
	if l.group == nil {
		return
	}
	if !ev.InDoubt && !l.doubt {
		ls.unchain(l)
	}
	if strings.HasPrefix(ev.Failure.Code, "53") {
		ls.yieldConnection()
	}
	if ev.InDoubt {
		ls.stats.InDoubt++
		l.doubt, l.cause = true, ev.Failure
		return
	}
	if !l.doubt {
		g := l.group
		l.group = nil
		ls.queue.Undone(g)
		if ev.Failure.Class == Transient {
			ls.lostWith(g, ev.Failure)
		}
		ls.countRetry(g, ev.Failure.Class)
	}
}

// yieldConnection lets an idle lane give its connection away: the server has no room for one that a
// group waits for.
func (ls *lanes) yieldConnection() {
	for i := range ls.all {
		l := &ls.all[i]
		if l.state != laneIdle {
			continue
		}
		l.state, l.beatAt, l.downAt = laneDown, 0, ls.now
		l.connect = ls.now + retryMax
		ls.timers.add(l.connect)
		ls.do(&Disconnect{Lane: cohort.Lane(i)})
		return
	}
}
