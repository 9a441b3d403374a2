package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// lanes is the connections that install. It keeps these rules: a lane has one job at a time, or a
// frontier group and the one chained to it; groups whose commit is in doubt stay with their lane until
// the database says what became of them; and nobody else's commit is taken for ours.
type lanes struct {
	*step
	reading    *reading
	operator   *operator
	cuts       *cuts
	poison     *poison
	committing *committing

	all         []lane
	aheadAtLast int64         // ns, when something last went ahead of an undecided frontier, or nothing could
	pace        int64         // ns that a version takes in a lane, of late
	sent        talos.Version // the highest that a lane was given
}

// lane is what the core knows of one connection that installs.
type lane struct {
	state    laneState
	group    *queue.Group // in flight or in doubt
	next     *queue.Group // chained to it: in flight, or in doubt like it
	rows     []Poisoned   // being recorded, or to be recorded again
	answers  []Answer     // being written, or to be written again
	beating  bool         // it is asked whether it lives
	beatAt   int64        // when it is asked next, while it is idle; 0 is never
	failures int          // to connect, in a row
	connect  int64        // when to try to connect again
	// confirmed is the durable snapshot when the connection was asked for: what the database
	// says to it cannot be lower. Other lanes commit while it connects, so the snapshot at the
	// time of the answer says nothing.
	confirmed talos.Version
	failure   Failure // why it is down
	downAt    int64
	doubt     bool    // whether its groups were committed is not known
	cause     Failure // of the doubt
}

type laneState uint8

const (
	laneDown laneState = iota
	laneConnecting
	laneIdle
	laneBusy
)

// canFlush reports whether a lane is idle and no frontier group under way.
func (ls *lanes) canFlush() bool {
	idle := false
	if ls.operator.pause.ID != 0 {
		return false
	}
	for i := range ls.all {
		if g := ls.all[i].group; g != nil && g.Frontier {
			return false
		}
		idle = idle || ls.all[i].state == laneIdle
	}
	return idle
}

// dispatch gives every idle lane what it may do now, and connects those that are due.
func (ls *lanes) dispatch() {
	for i := range ls.all {
		l := &ls.all[i]
		switch {
		case ls.stopped:
			return
		case l.state == laneDown && ls.now >= l.connect && !(ls.draining && l.group == nil && l.rows == nil):
			l.state, l.confirmed = laneConnecting, ls.queue.Snapshot()
			ls.do(&Connect{Lane: cohort.Lane(i), Doubt: l.group})
		case l.state == laneIdle:
			ls.assign(cohort.Lane(i))
		}
	}
	// What lanes can do side by side goes before what one can do next.
	for i := range ls.all {
		ls.chain(cohort.Lane(i))
	}
}

func (ls *lanes) assign(i cohort.Lane) {
	l := &ls.all[i]
	if l.rows == nil && len(ls.poison.pending) > 0 {
		n := min(len(ls.poison.pending), quarantineMax) // a transaction must end within its deadline
		l.rows, ls.poison.pending = slices.Clone(ls.poison.pending[:n]), slices.Delete(ls.poison.pending, 0, n)
	}
	if l.rows != nil {
		l.state = laneBusy
		ls.do(&Quarantine{Lane: i, Rows: l.rows, Known: ls.queue.Snapshot()})
		return
	}
	if l.answers == nil && !ls.answering() {
		l.answers = ls.operator.take()
	}
	if l.answers != nil {
		l.state = laneBusy
		ls.do(&Respond{Lane: i, Answers: l.answers})
		return
	}
	g := ls.nextGroup()
	if g == nil {
		if l.beatAt != 0 && ls.now >= l.beatAt && !ls.draining {
			l.state, l.beating = laneBusy, true
			ls.do(&Beat{Lane: i})
		}
		return
	}
	l.state, l.group = laneBusy, g
	if g.Frontier {
		ls.committing.flushAt = 0
	}
	ls.begin(i, g)
}

// answering reports whether a lane writes answers: one does, so that they keep no other from installing.
func (ls *lanes) answering() bool {
	for i := range ls.all {
		if ls.all[i].answers != nil {
			return true
		}
	}
	return false
}

// chain gives a lane whose frontier group is in flight the next one, if it is a full one: it is on its
// way before the first is answered, and without effect if that is not committed.
func (ls *lanes) chain(i cohort.Lane) {
	l := &ls.all[i]
	if ls.draining || ls.stopped || ls.operator.pause.ID != 0 || ls.poison.breaker.open() || l.state != laneBusy || l.group == nil || !l.group.Frontier || l.next != nil {
		return
	}
	if g := ls.queue.NextChained(ls.now, ls.limits(), ls.reading.beyond()); g != nil {
		l.next = g
		ls.begin(i, g)
	}
}

func (ls *lanes) begin(i cohort.Lane, g *queue.Group) {
	tries := int32(0)
	for _, e := range g.Entries {
		e.Journey.Record(timing.QueueStatemapSent, ls.now)
		e.Journey.Attempts++
		tries = max(tries, e.Attempts)
		ls.sent = max(ls.sent, e.Version)
	}
	ls.do(&Install{Lane: i, Group: g, Uses: ls.cuts.uses(g), Ends: ls.poison.ends(g), LockWait: min(int64(lockWait)<<min(tries, 20), ls.opts.LockWait), Watch: tries >= aloneAfter})
}

func (ls *lanes) nextGroup() *queue.Group {
	if ls.operator.pause.ID != 0 {
		return nil
	}
	beyond := ls.reading.beyond()
	if !ls.draining && !ls.poison.breaker.open() {
		if g := ls.queue.NextFrontier(ls.now, ls.limits(), beyond); g != nil {
			return g
		}
	}
	drain := ls.draining && (ls.queue.Behind() > 0 || ls.queue.ResumeAt(beyond) > ls.committing.resume)
	if drain || (ls.committing.flushAt != 0 && ls.now >= ls.committing.flushAt) {
		if g := ls.queue.Flush(beyond); g != nil {
			return g
		}
	}
	if ls.draining || ls.opts.Order == OrderVersion || ls.poison.breaker.open() {
		return nil
	}
	return ls.queue.NextAhead(ls.now, ls.now-ls.opts.AheadAfter, ls.limits())
}

// aheadAt returns the instant at which whatever may goes ahead of a frontier that is converting or in
// flight; 0 is never.
func (ls *lanes) aheadAt() int64 {
	f := ls.queue.Frontier()
	if ls.opts.Order == OrderVersion || f == nil || f.Since() == 0 {
		return 0
	}
	return f.Since() + ls.opts.AheadAfter
}

// limits bounds the next group.
func (ls *lanes) limits() queue.Limits {
	lim := queue.Limits{Entries: ls.opts.GroupMax, Bytes: ls.opts.GroupBytesMax}
	if ls.pace > 0 {
		lim.Entries = int(min(int64(lim.Entries), max(1, groupTime/ls.pace)))
	}
	return lim
}

// unchain takes back the group that was chained to one which did not become durable.
func (ls *lanes) unchain(l *lane) {
	if l.next != nil {
		ls.queue.Undone(l.next)
		l.next = nil
	}
}

// idle makes a lane free for the next job, and says when it is asked whether it lives.
func (ls *lanes) idle(l *lane) {
	l.state, l.beating, l.beatAt = laneIdle, false, 0
	if ls.opts.Beat > 0 {
		l.beatAt = ls.now + ls.opts.Beat
	}
}

// down makes a lane wait before it connects again.
func (ls *lanes) down(l *lane, f Failure) {
	if l.state == laneBusy || l.state == laneIdle {
		l.downAt = ls.now
		ls.do(&Notice{Kind: LaneDisconnected, Failure: f})
	}
	l.state, l.failure, l.beating = laneDown, f, false
	l.failures++
	l.connect = ls.now + ls.backoff(l.failures)
	ls.timers.add(l.connect)
}
