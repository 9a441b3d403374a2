package sim

import (
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// lane is the goroutine of a lane in host/session together with installer.Lane: one connection, and one
// job at a time or a group and the one that is chained to it.
type lane struct {
	host     *host
	number   int
	jobs     []replicator.Action // that wait
	job      replicator.Action   // under way that is no Install; nil for none
	answer   *batch              // to it
	under    []*underWay         // groups, the oldest first
	follows  bool                // what a chained group follows is under way, or was committed
	conn     *backend            // nil for no connection
	former   *backend            // of the connection before
	claim    claim               // of the lane's row
	claimed  bool                // while it connects: it has the claim
	tries    int                 // to take the fence
	deadline int64               // of the job, or the oldest group
	sleeps   int64               // does nothing until then, ns
}

// underWay is a group whose result has not come.
type underWay struct {
	job    *replicator.Install
	answer *batch // nil while it cannot be on the wire
}

// work is on whose behalf a transaction installs, for the checker.
type work struct {
	host  *host // nil for the initiator
	own   ownership
	group *queue.Group
	uses  map[talos.Version]int // by version, the digest that converted it
}

// deadline of a group and of a connect, ns: installer.deadline, and what Connect allows itself.
const (
	groupDeadline   = 15e9
	connectDeadline = 10e9
)

// busy reports whether something is under way.
func (l *lane) busy() bool { return l.job != nil || len(l.under) > 0 }

// ready reports whether the lane can go on now.
func (l *lane) ready(now int64) bool {
	return l.sleeps <= now && (l.canBegin() || l.busy() && (l.answered() || now >= l.deadline))
}

// canBegin reports whether the next job can be begun beside what is under way.
func (l *lane) canBegin() bool { return len(l.jobs) > 0 && l.job == nil && len(l.under) < 2 }

// answered reports whether the oldest that is under way has its answer. When it failed, that of the one
// chained to it is waited for too.
func (l *lane) answered() bool {
	switch {
	case l.conn == nil || l.conn.lost():
		return true
	case l.job != nil:
		return l.answer.over
	}
	first := l.under[0].answer
	if len(l.under) > 1 && first.over && first.code != "" && l.under[1].answer != nil {
		return l.under[1].answer.over
	}
	return first.over
}

// step begins the next job, or takes the answer to what is under way.
func (l *lane) step() {
	begin := l.canBegin()
	if begin && l.busy() && (l.answered() || l.host.world.now >= l.deadline) {
		begin = l.host.world.network.below(2) == 0
	}
	switch {
	case begin:
		l.begin()
	case l.job == nil:
		l.finish()
	default:
		l.jobAnswered()
	}
}

// begin begins the next job.
func (l *lane) begin() {
	job := l.jobs[0]
	l.jobs = slices.Delete(l.jobs, 0, 1)
	install, isInstall := job.(*replicator.Install)
	if isInstall && install.Group.Chained && !l.follows {
		return // what it follows was not committed: the core knows by that
	}
	if !l.busy() {
		l.deadline = l.host.world.now + groupDeadline
	}
	if l.follows = false; isInstall {
		l.install(install)
		return
	}
	switch job := job.(type) {
	case *replicator.Disconnect:
		l.close()
	case *replicator.Connect:
		l.job = job
		l.connect()
	case *replicator.Beat:
		if l.connected() {
			l.job, l.answer = job, l.conn.send(1e9, ask(l.owner()))
		}
	case *replicator.Respond:
		if l.connected() {
			batch := []statement{sqlBegin(false), fenceQuarantine(l.owner(), l.number, l.claim)}
			for _, a := range job.Answers {
				batch = append(batch, answerRequest(a))
			}
			l.job, l.answer = job, l.conn.send(1e9, append(batch, sqlCommit())...)
		}
	case *replicator.Quarantine:
		if l.connected() {
			batch := []statement{sqlBegin(false), fenceQuarantine(l.owner(), l.number, l.claim)}
			for _, r := range job.Rows {
				batch = append(batch, enterQuarantine(r.Version, r.Held))
			}
			l.job, l.answer = job, l.conn.send(1e9, append(batch, sqlCommit())...)
		}
	}
}

// connected reports whether there is a connection, and answers that there is none.
func (l *lane) connected() bool {
	if l.conn == nil {
		l.lost(connectionFailure("the lane has no connection"), false)
	}
	return l.conn != nil
}

// connecting reports whether a connect is under way.
func (l *lane) connecting() bool {
	_, connects := l.job.(*replicator.Connect)
	return connects
}

// owner returns what the host owns now: a statement that is executed later keeps it.
func (l *lane) owner() *ownership {
	own := l.host.own
	return &own
}

// close gives the connection away: the server hears of it.
func (l *lane) close() {
	if l.conn != nil {
		l.former = l.conn
		l.conn.cut(0, false)
		l.conn, l.claim = nil, 0
	}
}

// tell hands an event to the core.
func (l *lane) tell(ev replicator.Event) {
	l.job, l.answer, l.claimed, l.tries = nil, nil, false, 0
	l.host.answers = append(l.host.answers, []replicator.Event{ev})
}

// lost answers that there is no connection any more.
func (l *lane) lost(f replicator.Failure, inDoubt bool) {
	l.close()
	l.under, l.follows = nil, false
	l.tell(&replicator.LaneDown{Lane: cohort.Lane(l.number), Failure: f, InDoubt: inDoubt})
}

// connect opens a connection and renews the fence.
func (l *lane) connect() {
	l.close()
	w := l.host.world
	s := w.primary()
	l.deadline = w.now + connectDeadline
	switch {
	case s.down:
		l.lost(connectionFailure("the server is down"), false)
		return
	case s.full > w.now:
		w.met("too many connections")
		l.lost(replicator.Failure{Class: replicator.Transient, Kind: replicator.KindSQL, Code: "53300"}, false)
		return
	}
	l.conn, l.tries = s.connect(true), 0
	l.renew()
}

// renew sends what renews the fence; each statement is its own transaction.
func (l *lane) renew() {
	l.claimed, l.answer = false, l.conn.send(1e9, renewLane(l.owner(), l.number))
}

// loss returns why the connection is lost, and whether the group under way may have been committed: a
// backend that is shut down says so after its commit.
func (l *lane) loss(x *batch) (f replicator.Failure, inDoubt bool) {
	f = connectionFailure("the connection is lost")
	switch {
	case l.conn != nil && !l.conn.lost():
		f.Class = replicator.TimedOut
	case l.conn != nil && l.conn.fatal:
		f.Kind, f.Code = replicator.KindSQL, "57P01"
	}
	return f, x != nil && x.commits
}

// finish takes the answer to the oldest group.
func (l *lane) finish() {
	u, number := l.under[0], cohort.Lane(l.number)
	x := u.answer
	switch {
	case l.conn == nil || l.conn.lost() || !x.over:
		l.lost(l.loss(x))
	case x.code == codeClaim:
		l.host.world.met("another connection of the host renewed the fence late")
		l.lost(failureOf(x.code, x.own), x.commits)
	case x.code != "":
		f := failureOf(x.code, x.own)
		if len(l.under) > 1 && l.under[1].answer != nil && l.under[1].answer.tag {
			f = replicator.Failure{Class: replicator.Broken, Kind: replicator.KindAssertion, Message: "the second was committed and the first was not"}
		}
		l.under, l.follows = nil, false // the chained one had no effect
		l.tell(&replicator.Failed{Lane: number, Failure: f, Culprit: x.culprit})
	case !x.commits: // the counts of rows are as the templates promise
		u.answer = l.conn.send(u.job.LockWait, sqlCommit())
	case !x.tag:
		l.tell(&replicator.Failed{Lane: number, Failure: replicator.Failure{Class: replicator.Broken, Kind: replicator.KindAssertion, Message: "the server rolled the transaction back without an error"}})
	default:
		l.under = l.under[1:]
		l.deadline = l.host.world.now + groupDeadline
		if len(l.under) > 0 && l.under[0].answer == nil {
			l.write(l.under[0])
		}
		now := l.host.clock()
		l.tell(&replicator.Installed{Lane: number, Received: now, Begin: now, Complete: now})
	}
}

// jobAnswered takes the answer to a job that is no group.
func (l *lane) jobAnswered() {
	x, number := l.answer, cohort.Lane(l.number)
	connect, isConnect := l.job.(*replicator.Connect)
	switch {
	case l.conn == nil || l.conn.lost() || !x.over:
		f, _ := l.loss(x)
		l.lost(f, false)
	case isConnect:
		l.renewed(connect)
	case x.code == codeClaim:
		l.lost(failureOf(x.code, x.own), false)
	case x.code != "":
		l.tell(&replicator.Failed{Lane: number, Failure: failureOf(x.code, x.own), Culprit: x.culprit})
	default:
		now := l.host.clock()
		if _, ok := l.job.(*replicator.Beat); ok {
			l.tell(&replicator.Alive{Lane: number})
			return
		}
		l.tell(&replicator.Installed{Lane: number, Received: now, Begin: now, Complete: now})
	}
}

func connectionFailure(message string) replicator.Failure {
	return replicator.Failure{Class: replicator.Transient, Kind: replicator.KindConnection, Message: message}
}

// failureOf is installer.ClassOf, and what Lane.run makes of the host's own statements.
func failureOf(code string, own bool) replicator.Failure {
	f := replicator.Failure{Kind: replicator.KindSQL, Code: code, Class: replicator.Poison}
	switch code {
	case codeFenced:
		f.Class = replicator.Fenced
	case codeRegressed:
		f.Class, f.Code, f.Kind = replicator.Regressed, "", replicator.KindConnection
	case codeClaim:
		f.Class = replicator.Transient
	case "IC002", "IC003":
		f.Class = replicator.Broken
	case "40001", "40P01", "55P03":
		f.Class = replicator.Contention
	case "57014":
		f.Class = replicator.TimedOut
	default:
		for _, class := range []string{"08", "53", "57P0", "58"} {
			if strings.HasPrefix(code, class) {
				f.Class = replicator.Transient
			}
		}
	}
	if own && f.Class == replicator.Poison {
		if f.Class = replicator.Transient; code == "23505" {
			f.Class = replicator.Broken
		}
	}
	return f
}

// renewed takes an answer while the fence is renewed.
func (l *lane) renewed(job *replicator.Connect) {
	x := l.answer
	frontier := job.Doubt != nil && job.Doubt.Frontier
	switch {
	case x.code == "55P03" && l.tries < 3 && l.former != nil && !l.former.dead:
		// The server keeps the transaction of the connection before, which holds the fence.
		l.host.world.met("the backend before ended by its number")
		l.tries++
		l.former.terminate()
		l.renew()
	case x.code != "":
		l.lost(failureOf(x.code, false), false)
	case !l.claimed:
		l.claim, l.claimed = x.claim, true
		rest := []statement{renewState(l.owner(), frontier)}
		if job.Doubt != nil && !frontier {
			rest = append(rest, countLedger(job.Doubt))
		}
		l.answer = l.conn.send(1e9, rest...)
	default:
		l.host.stateClaim = max(l.host.stateClaim, x.state.claim)
		l.tell(&replicator.LaneUp{Lane: cohort.Lane(l.number), Snapshot: x.state.snapshot, Ledgered: int(x.count)})
	}
}

// install begins a group. The COMMIT of one whose counts of rows are checked is still to be sent when the
// next comes, which therefore waits.
func (l *lane) install(a *replicator.Install) {
	if !l.connected() {
		return
	}
	u := &underWay{job: a}
	l.under, l.follows = append(l.under, u), true
	if l.under[0] == u || !l.host.world.setup.checked {
		l.write(u)
	}
}

// write puts a group on the wire as one transaction.
func (l *lane) write(u *underWay) {
	h, a, g := l.host, u.job, u.job.Group
	by := &work{host: h, own: h.own, group: g, uses: map[talos.Version]int{}}
	begin := sqlBegin(false)
	run := begin.run
	begin.run = func(x *batch, t *transaction) answer {
		t.work = by
		return run(x, t)
	}
	all := []statement{begin}
	if g.Frontier {
		all = append(all, advance(&by.own, h.stateClaim, g))
	} else {
		all = append(all, ahead(&by.own, l.number, l.claim, g))
	}
	for _, use := range a.Uses {
		all = append(all, enterHistory(use.From, use.Only, h.digests[use.Generation]))
	}
	for _, e := range a.Ends {
		all = append(all, endQuarantine(e.Version, string(e.How)))
		if e.Request != 0 {
			all = append(all, answerRequest(replicator.Answer{Request: e.Request, Reply: replicator.ReplyDone}))
		}
	}
	for _, e := range g.Entries {
		c, ok := e.Conversion.(*conversion)
		if !ok {
			h.world.violated("version %d is to be installed without its statements", e.Version)
			break
		}
		if slices.Contains(h.retired, e.Generation) {
			h.world.violated("version %d is to be installed by what generation %d made of it, which is retired", e.Version, e.Generation)
		}
		by.uses[e.Version] = c.digest
		all = statementsOf(all, c.candidate, c.digest)
	}
	if !h.world.setup.checked {
		all = append(all, sqlCommit())
	}
	u.answer = l.conn.send(a.LockWait, all...)
}
