package replicator

import (
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// lane is what the core knows of one connection that installs.
type lane struct {
	state    laneState
	group    *queue.Group // in flight or in doubt
	next     *queue.Group // chained to it
	rows     []Poisoned   // being recorded, or to be recorded again
	beating  bool         // it is asked whether it lives
	beatAt   int64        // when it is asked next, while it is idle; 0 is never
	failures int          // to connect, in a row
	connect  int64        // when to try to connect again
	// confirmed is the durable snapshot when the connection was asked for: what the database
	// says to it can not be lower. Other lanes commit while it connects, so the snapshot at the
	// time of the answer says nothing.
	confirmed talos.Version
	failure   Failure // why it is down
	downAt    int64
	doubt     bool    // whether the group was committed is not known
	cause     Failure // of the doubt
}

type laneState uint8

const (
	laneDown laneState = iota
	laneConnecting
	laneIdle
	laneBusy
)

// plan notes by when the snapshot must pass what has settled without a transaction to carry it.
func (c *Core) plan() {
	switch {
	case c.queue.Behind() > 0:
		if c.flushAt == 0 || c.flushAt > c.now+flushDelay {
			c.flushAt = c.now + flushDelay
		}
	case c.queue.ResumeAt(c.beyond()) > c.resume:
		if c.flushAt == 0 {
			c.flushAt = max(c.advancedAt+resumeDelay, c.now)
		}
	default:
		c.flushAt = 0
	}
}

// canFlush reports whether a lane is idle and no frontier group under way.
func (c *Core) canFlush() bool {
	idle := false
	for i := range c.lanes {
		if g := c.lanes[i].group; g != nil && g.Frontier {
			return false
		}
		idle = idle || c.lanes[i].state == laneIdle
	}
	return idle
}

// dispatch gives every idle lane what it may do now, and connects those that are due.
func (c *Core) dispatch() {
	for i := range c.lanes {
		l := &c.lanes[i]
		switch {
		case c.stopped:
			return
		case l.state == laneDown && c.now >= l.connect && !(c.draining && l.group == nil):
			l.state, l.confirmed = laneConnecting, c.queue.Snapshot()
			c.do(&Connect{Lane: i, Doubt: l.group})
		case l.state == laneIdle:
			c.employ(i)
		}
	}
	// What lanes can do side by side goes before what one can do next.
	for i := range c.lanes {
		c.chain(i)
	}
}

func (c *Core) employ(i int) {
	l := &c.lanes[i]
	if l.rows == nil && len(c.notes) > 0 {
		l.rows, c.notes = c.notes, nil
	}
	if l.rows != nil {
		l.state = laneBusy
		c.do(&Quarantine{Lane: i, Rows: l.rows, Known: c.queue.Snapshot()})
		return
	}
	g := c.nextGroup()
	if g == nil {
		if l.beatAt != 0 && c.now >= l.beatAt && !c.draining {
			l.state, l.beating = laneBusy, true
			c.do(&Beat{Lane: i})
		}
		return
	}
	l.state, l.group = laneBusy, g
	if g.Frontier {
		c.flushAt = 0
	}
	c.begin(i, g)
}

// chain gives a lane whose frontier group is in flight the next one, if it is a full one: the
// lane begins it the moment the first is committed, and drops it in silence if that is not.
func (c *Core) chain(i int) {
	l := &c.lanes[i]
	if c.draining || c.stopped || c.refuses() || l.state != laneBusy || l.group == nil || !l.group.Frontier || l.next != nil {
		return
	}
	if g := c.queue.NextChained(c.now, c.limits(), c.beyond()); g != nil {
		l.next = g
		c.begin(i, g)
	}
}

func (c *Core) begin(i int, g *queue.Group) {
	tries := int32(0)
	for _, e := range g.Entries {
		e.Journey.Record(timing.QueueStatemapSent, c.now)
		e.Journey.Attempts++
		tries = max(tries, e.Attempts)
	}
	c.do(&Install{Lane: i, Group: g, Uses: c.uses(g), Ends: c.ends(g), LockWait: min(int64(lockWait)<<min(tries, 20), c.opts.LockWait), Watch: tries >= aloneAfter})
}

// unchain takes back the group that was chained to one which did not become durable.
func (c *Core) unchain(l *lane) {
	if l.next != nil {
		c.queue.Undone(l.next)
		l.next = nil
	}
}

func (c *Core) nextGroup() *queue.Group {
	beyond := c.beyond()
	if !c.draining && !c.refuses() {
		if g := c.queue.NextFrontier(c.now, c.limits(), beyond); g != nil {
			return g
		}
	}
	drain := c.draining && (c.queue.Behind() > 0 || c.queue.ResumeAt(beyond) > c.resume)
	if drain || (c.flushAt != 0 && c.now >= c.flushAt) {
		if g := c.queue.Flush(beyond); g != nil {
			return g
		}
	}
	if c.draining || c.refuses() {
		return nil
	}
	return c.queue.NextAhead(c.now, c.limits())
}

func (c *Core) onInstalled(ev *Installed) {
	l := &c.lanes[ev.Lane]
	if l.state != laneBusy {
		c.broken(fmt.Sprintf("lane %d answered although it was not asked", ev.Lane))
		return
	}
	c.idle(l)
	if l.rows != nil {
		c.noted(l.rows)
		l.rows = nil
		return
	}
	c.installed(l, ev)
}

// measure keeps how long a version takes of late, so that a group ends before it looks as if nothing
// got on: half of it is the latest group's.
func (c *Core) measure(g *queue.Group, ev *Installed) {
	if n := int64(len(g.Entries)); n > 0 && ev.Complete > ev.Begin {
		c.pace = (c.pace + (ev.Complete-ev.Begin)/n) / 2
	}
}

// limits bounds the next group.
func (c *Core) limits() queue.Limits {
	lim := queue.Limits{Entries: c.opts.GroupMax, Bytes: c.opts.GroupBytesMax}
	if c.pace > 0 {
		lim.Entries = int(min(int64(lim.Entries), max(1, groupTime/c.pace)))
	}
	return lim
}

// idle makes a lane free for the next job, and says when it is asked whether it lives.
func (c *Core) idle(l *lane) {
	l.state, l.beating, l.beatAt = laneIdle, false, 0
	if c.opts.Beat > 0 {
		l.beatAt = c.now + c.opts.Beat
	}
}

func (c *Core) onAlive(ev *Alive) {
	if l := &c.lanes[ev.Lane]; l.beating {
		c.idle(l)
	}
}

// installed makes a durable group count: entries settle BEFORE the snapshot is told, and
// both are durable already.
func (c *Core) installed(l *lane, ev *Installed) {
	g := l.group
	l.group, l.next = l.next, nil
	if l.group != nil {
		l.state = laneBusy
	}
	c.measure(g, ev)
	c.recorded(g)
	if len(g.Entries) > 0 {
		c.mended(g)
	}
	c.ended(g)
	for _, e := range g.Entries {
		e.Journey.Record(timing.InstallerStatemapReceived, ev.Received)
		e.Journey.Record(timing.InstallerStatemapInstallationBegin, ev.Begin)
		e.Journey.Record(timing.InstallerStatemapInstallationComplete, ev.Complete)
	}
	c.stats.Groups++
	c.stats.Installed += uint64(len(g.Entries))
	switch {
	case !g.Frontier:
		c.stats.AheadGroups++
	case len(g.Entries) == 0:
		c.stats.Flushes++
	}
	passed := c.queue.Done(g)
	if !g.Frontier {
		return
	}
	c.resume, c.advancedAt, c.progressAt = max(c.resume, g.Resume), c.now, c.now
	if len(passed) == 0 {
		return
	}
	done := &Finished{Journeys: make([]*timing.Journey, 0, len(passed))}
	for _, e := range passed {
		e.Journey.Record(timing.SnapshotPersisted, max(ev.Complete, c.now))
		c.remember(settledDecision{e.Version, e.Safepoint, e.DecidedAt, e.Outcome, e.Duplicate})
		done.Journeys = append(done.Journeys, e.Journey)
	}
	c.do(done)
}

func (c *Core) onFailed(ev *Failed) {
	l := &c.lanes[ev.Lane]
	c.unchain(l)
	c.stats.Failures[ev.Failure.Class]++
	switch ev.Failure.Class {
	case Fenced:
		c.stop(LostEpoch, ev.Failure)
		return
	case Regressed:
		c.stop(WentBack, ev.Failure)
		return
	case Broken:
		c.stop(BrokenWord, ev.Failure)
		return
	default:
		c.idle(l)
	}
	g := l.group
	l.group = nil
	if g == nil {
		// The rows stay with the lane and are tried again, after a while.
		if l.state == laneIdle {
			c.down(l, ev.Failure)
		}
		return
	}
	c.queue.Undone(g)
	if len(g.Entries) == 0 {
		c.down(l, ev.Failure)
		return
	}
	c.retry(g, ev)
}

// retry decides how the entries of a failed group are tried again.
func (c *Core) retry(g *queue.Group, ev *Failed) {
	for _, e := range g.Entries {
		c.troubleOf(e.Version).failure = ev.Failure
	}
	alone := len(g.Entries) == 1
	switch class := ev.Failure.Class; {
	case class == Transient && !alone && ev.Culprit != 0: // the database lacks something for one
		c.split(g, ev)
	case class == Contention, class == Transient, class == TimedOut && alone && !c.timedOut(g.Entries[0], ev.Failure):
		c.contended(g)
	case class == TimedOut && alone: // it is held
	case class != Poison && class != TimedOut: // what stops the core was taken before
	case !alone:
		c.split(g, ev)
	case !c.tripped(g.Entries[0], ev.Failure):
		c.hold(g.Entries[0], ev.Failure)
	}
	c.do(&Notice{Kind: GroupRetried, Version: g.Entries[0].Version, Failure: ev.Failure})
}

// timedOut counts a version whose statements ran for too long although it went alone; true when
// that happened so often that it is held, for it would stop everything for ever.
func (c *Core) timedOut(e *queue.Entry, f Failure) bool {
	t := c.troubleOf(e.Version)
	if t.timeouts++; t.timeouts < timeoutsMax {
		return false
	}
	t.timeouts = 0
	f.Class = Poison
	c.hold(e, f)
	return true
}

// contended delays the group's entries; after several tries each goes alone.
func (c *Core) contended(g *queue.Group) {
	for _, e := range g.Entries {
		e.Attempts++
		if e.Attempts >= aloneAfter {
			c.queue.Limit(e, 1)
		}
	}
	until := c.now + c.backoff(int(g.Entries[0].Attempts))
	for _, e := range g.Entries {
		c.queue.Delay(e, until)
	}
	c.wakes.add(until)
}

// split takes a group apart until its poison version is alone: at once where the database
// named it, by halves otherwise.
func (c *Core) split(g *queue.Group, ev *Failed) {
	for _, e := range g.Entries {
		switch {
		case e.Version == ev.Culprit:
			c.queue.Limit(e, 1)
		case ev.Culprit == 0:
			c.queue.Limit(e, (len(g.Entries)+1)/2)
		}
	}
	c.stats.Splits++
}

func (c *Core) onLaneDown(ev *LaneDown) {
	l := &c.lanes[ev.Lane]
	c.unchain(l)
	switch ev.Failure.Class {
	case Fenced:
		c.stop(LostEpoch, ev.Failure)
		return
	case Regressed:
		c.stop(WentBack, ev.Failure)
		return
	}
	c.stats.Failures[ev.Failure.Class]++
	c.down(l, ev.Failure)
	if l.group == nil {
		return
	}
	if strings.HasPrefix(ev.Failure.Code, "53") {
		c.yieldConnection()
	}
	if ev.InDoubt {
		c.stats.InDoubt++
		l.doubt, l.cause = true, ev.Failure
		return
	}
	if !l.doubt {
		c.queue.Undone(l.group)
		l.group = nil
	}
}

// yieldConnection lets an idle lane give its connection away: the server has no room for one that a
// group waits for.
func (c *Core) yieldConnection() {
	for i := range c.lanes {
		l := &c.lanes[i]
		if l.state != laneIdle {
			continue
		}
		l.state, l.beatAt, l.downAt = laneDown, 0, c.now
		l.connect = c.now + retryMax
		c.wakes.add(l.connect)
		c.do(&Disconnect{Lane: i})
		return
	}
}

// down makes a lane wait before it connects again.
func (c *Core) down(l *lane, f Failure) {
	if l.state == laneBusy || l.state == laneIdle {
		l.downAt = c.now
		c.do(&Notice{Kind: LaneDisconnected, Failure: f})
	}
	l.state, l.failure, l.beating = laneDown, f, false
	l.failures++
	l.connect = c.now + c.backoff(l.failures)
	c.wakes.add(l.connect)
}

// backoff doubles from retryMin to retryMax and takes a random half off.
func (c *Core) backoff(failures int) int64 {
	d := int64(retryMin) << min(max(failures-1, 0), 10)
	d = min(d, retryMax)
	return d/2 + c.jitter.Int64N(d/2+1)
}

// onLaneUp finds out what became of a group in doubt. The lane's fence was renewed before the
// snapshot was read, so the answer is final.
func (c *Core) onLaneUp(ev *LaneUp) {
	l := &c.lanes[ev.Lane]
	c.idle(l)
	l.failures = 0
	highest := c.highestUnderWay()
	g := l.group
	l.group, l.doubt = nil, false
	switch {
	case ev.Snapshot < l.confirmed:
		c.stop(WentBack, Failure{Class: Regressed, Kind: "snapshot", Message: fmt.Sprintf(
			"the database's snapshot is %d, and %d had been confirmed", ev.Snapshot, l.confirmed)})
	case ev.Snapshot > highest:
		c.broken(fmt.Sprintf("the database's snapshot is %d, and no group of this host goes beyond %d: something else moved it", ev.Snapshot, highest))
	case g == nil:
	case committed(g, ev):
		c.stats.DoubtCommitted++
		l.group = g
		c.installed(l, &Installed{Lane: ev.Lane, Received: c.now, Begin: c.now, Complete: c.now})
	case g.Frontier && ev.Snapshot == g.From, !g.Frontier && ev.Ledgered == 0:
		c.stats.DoubtAborted++
		c.queue.Undone(g)
		if l.cause.Class == TimedOut {
			c.tooSlow(g, l.cause)
		}
	default:
		c.broken(fmt.Sprintf("a group from snapshot %d to %d is in doubt, and the database says %d with %d of %d in the ledger",
			g.From, g.Snapshot, ev.Snapshot, ev.Ledgered, len(g.Entries)))
	}
}

// highestUnderWay returns the highest snapshot that the database may have: the confirmed one, or
// that of a frontier group whose answer has not come yet.
func (c *Core) highestUnderWay() talos.Version {
	highest := c.queue.Snapshot()
	for i := range c.lanes {
		for _, g := range [2]*queue.Group{c.lanes[i].group, c.lanes[i].next} {
			if g != nil && g.Frontier {
				highest = max(highest, g.Snapshot)
			}
		}
	}
	return highest
}

// tooSlow makes a group that was not finished in time smaller, and counts a version that was not
// although it went alone.
func (c *Core) tooSlow(g *queue.Group, f Failure) {
	for _, e := range g.Entries {
		c.troubleOf(e.Version).failure = f
		c.queue.Limit(e, (len(g.Entries)+1)/2)
	}
	if len(g.Entries) == 1 {
		c.timedOut(g.Entries[0], f)
	}
	c.do(&Notice{Kind: GroupRetried, Version: g.Entries[0].Version, Failure: f})
}

// committed reports whether the database has the effects of a group in doubt. A flush that
// moves only the resume point leaves no trace in the snapshot; it counts as not committed.
func committed(g *queue.Group, ev *LaneUp) bool {
	if !g.Frontier {
		return ev.Ledgered == len(g.Entries)
	}
	return g.Snapshot > g.From && ev.Snapshot == g.Snapshot
}
