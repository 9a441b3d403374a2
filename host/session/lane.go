package session

import (
	"errors"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// install is the goroutine of a lane: one connection, and one job at a time or a group and the one
// that is chained to it.
func (s *Session) install(number cohort.Lane, jobs <-chan replicator.Action) {
	lane := s.Installer.Lane(int(number))
	defer lane.Close()
	var under []underWay // oldest first
	follows := false     // what a chained group follows is under way, or was committed
	for {
		select {
		case <-s.life.Done():
			return
		case job := <-jobs:
			a, ok := job.(*replicator.Install)
			if !ok {
				follows = false
				s.job(lane, number, job)
				continue
			}
			if n := len(a.Group.Entries); n > 0 {
				s.Metrics.Received(n, a.Group.Entries[n-1].Version)
			}
			if a.Group.Chained && !follows {
				continue // what it follows was not committed: the core knows by that
			}
			u := underWay{job: a, group: s.groupOf(a), received: status.Now()}
			if err := lane.Begin(u.group); err != nil {
				s.answer(down(number, err))
				continue
			}
			under, follows = append(under, u), true
		case answer := <-lane.Answers():
			r, done := lane.Finish(answer)
			if !done {
				continue
			}
			u := under[0]
			if under = under[1:]; r.Err != nil {
				under, follows = nil, false // the chained one had no effect
				s.answer(failed(number, r.Err))
				continue
			}
			s.Metrics.Installed(len(u.group.Works), r.Unchanged)
			ev := &replicator.Installed{Lane: number, Received: u.received, Begin: status.At(r.Begin), Complete: status.Now()}
			s.sayInstalled(u.job.Group, u.group, ev)
			s.answer(ev)
		}
	}
}

// underWay is a group whose result has not come.
type underWay struct {
	job      *replicator.Install
	group    *installer.Group
	received int64 // ns
}

// job does what is not an Install, while nothing is under way.
func (s *Session) job(lane *installer.Lane, number cohort.Lane, job replicator.Action) {
	received := status.Now()
	var err error
	var ev replicator.Event
	switch job := job.(type) {
	case *replicator.Disconnect:
		lane.Close()
		return
	case *replicator.Connect:
		var connected installer.Connected
		if connected, err = lane.Connect(s.life, doubtOf(job.Doubt)); err != nil {
			s.answer(down(number, err))
			return
		}
		ev = &replicator.LaneUp{Lane: number, Snapshot: connected.Snapshot, Ledgered: connected.Ledgered}
	case *replicator.Beat:
		err = lane.Beat(s.life)
		ev = &replicator.Alive{Lane: number}
	case *replicator.Respond:
		err = lane.Respond(s.life, answersOf(job.Answers))
		ev = &replicator.Installed{Lane: number, Received: received, Begin: received, Complete: status.Now()}
	case *replicator.Quarantine:
		err = lane.Quarantine(s.life, s.rowsOf(job))
		ev = &replicator.Installed{Lane: number, Received: received, Begin: received, Complete: status.Now()}
	}
	if err != nil {
		ev = failed(number, err)
	}
	s.answer(ev)
}

// sayInstalled tells of a group that was committed, at debug.
func (s *Session) sayInstalled(group *queue.Group, g *installer.Group, ev *replicator.Installed) {
	if !s.detail.Wanted() || len(group.Entries) == 0 {
		return
	}
	statements := 0
	for i := range g.Works {
		statements += len(g.Works[i].Statements)
	}
	s.detail.Say("installed", "lane", ev.Lane, "from", group.Entries[0].Version, "to", group.Entries[len(group.Entries)-1].Version,
		"versions", len(group.Entries), "statements", statements, "frontier", group.Frontier, "took", time.Duration(ev.Complete-ev.Begin))
}

// failed says what became of a transaction that did not succeed.
func failed(number cohort.Lane, err error) replicator.Event {
	var e *installer.Error
	if errors.As(err, &e) && !e.Lost {
		return &replicator.Failed{Lane: number, Failure: failureOf(err), Culprit: e.Culprit}
	}
	return down(number, err)
}

func down(number cohort.Lane, err error) replicator.Event {
	var e *installer.Error
	return &replicator.LaneDown{Lane: number, Failure: failureOf(err), InDoubt: errors.As(err, &e) && e.InDoubt}
}

// failureOf says an installer's error in the core's words.
func failureOf(err error) replicator.Failure {
	f := replicator.Failure{Class: replicator.Transient, Kind: replicator.KindConnection, Message: err.Error(), Cause: err}
	var e *installer.Error
	if errors.As(err, &e) {
		f.Code, f.Detail = e.Code, e.Detail
		if e.Code != "" {
			f.Kind = replicator.KindSQL
		}
		if installer.IsNoLongerTaken(err) {
			f.Kind = replicator.KindTemplate
		}
		f.Class = [...]replicator.Class{
			installer.Transient: replicator.Transient, installer.Contention: replicator.Contention,
			installer.TimedOut: replicator.TimedOut, installer.Poison: replicator.Poison, installer.Fenced: replicator.Fenced,
			installer.Regressed: replicator.Regressed, installer.Broken: replicator.Broken,
		}[e.Class]
	}
	return f
}

func doubtOf(g *queue.Group) *installer.Doubt {
	if g == nil {
		return nil
	}
	d := &installer.Doubt{Frontier: g.Frontier}
	for _, e := range g.Entries {
		d.Versions = append(d.Versions, e.Version)
	}
	return d
}

// groupOf says a group of the core in the installer's words.
func (s *Session) groupOf(job *replicator.Install) *installer.Group {
	g := &installer.Group{Works: make([]installer.Work, len(job.Group.Entries)), LockWait: time.Duration(job.LockWait), Watch: job.Watch}
	if job.Group.Frontier {
		g.Advance = &installer.Advance{
			From: job.Group.From, Snapshot: job.Group.Snapshot, Resume: job.Group.Resume,
			Anchor: job.Group.Anchor, Ledgered: job.Group.Ledgered,
		}
	}
	for i, e := range job.Group.Entries {
		c := e.Conversion.(*conversion)
		g.Works[i] = installer.Work{Version: e.Version, Statements: c.statements}
	}
	for _, u := range job.Uses {
		l := s.Guests.Get(u.Generation)
		g.Uses = append(g.Uses, cohort.Use{Guest: l.Name, Digest: l.Digest, From: u.From, Only: u.Only})
	}
	for _, end := range job.Ends {
		row := installer.QuarantineEnd{Version: end.Version, How: string(end.How), Request: end.Request}
		if l := s.Guests.Get(end.Generation); l != nil {
			row.Digest = l.Digest
		}
		g.Ends = append(g.Ends, row)
	}
	return g
}

func (s *Session) rowsOf(job *replicator.Quarantine) []installer.Quarantined {
	rows := make([]installer.Quarantined, len(job.Rows))
	for i, p := range job.Rows {
		rows[i] = installer.Quarantined{
			Version: p.Version, Safepoint: p.Safepoint, Snapshot: job.Known, Held: p.Held,
			Kind: p.Failure.Kind, Code: p.Failure.Code, Message: p.Failure.Message, Candidate: p.Candidate,
		}
		if p.Failure.Detail != "" {
			rows[i].Message = p.Failure.Detail
		}
		if l := s.Guests.Get(p.Generation); l != nil {
			rows[i].Digest = l.Digest
		}
	}
	return rows
}
