// Package session is one run of a core: the goroutines around it, and the channels between them. It
// carries out what the core asks for and tells it what happened; it decides nothing.
package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/spans"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/telemetry"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Parts are what a session works with. All are safe for use by several goroutines.
type Parts struct {
	Source    *kafka.Log
	Installer *installer.Installer
	Guests    *rollout.Guests
	Health    *status.Health
	Metrics   *telemetry.Metrics
	Trace     io.Writer         // of the core's events and actions; nil for none
	Observers []timing.Observer // receive each finished journey, on the core's goroutine
	Early     []timing.Observer // receive a copy of each that is installed above the snapshot, there too
	XIDs      *XIDs             // of the candidates that are read
	Spans     *spans.Sender     // is told which traces decisions name; nil for none
	Log       *slog.Logger

	Unrouted        rollout.UnroutedPolicy
	Lanes           int
	Conversions     int           // conversion tasks under way at once
	ShutdownTimeout time.Duration // bounds the draining
	PolicyEvery     time.Duration // between two looks whether the topic is compacted by now
}

// Session is one run of a core with the goroutines around it. Only the core's goroutine
// touches the core; the others get work over a channel and answer over answers. A channel's
// capacity is what the core allows to be under way, so that no send ever waits for the core.
type Session struct {
	Parts
	core    *replicator.Core
	notices telemetry.Notices
	limit   telemetry.Limiter
	asides  *telemetry.Incidents
	detail  *telemetry.Detail
	trace   *telemetry.Trace

	batches   chan []replicator.Event // from follow; not received from while paused
	answers   chan []replicator.Event // from everybody else
	lanes     []chan replicator.Action
	converts  chan *replicator.Convert
	refetch   chan *replicator.Refetch
	publish   chan talos.Position
	seek      chan talos.Position
	armed     chan rollout.Armed
	questions chan question

	stopFollowing atomic.Pointer[context.CancelCauseFunc] // ends the reading that goes on

	from   talos.Position
	anchor talos.Anchor // of the newest record below from
	held   Held         // from there on
	paused bool
	stop   *replicator.Stop
	shown  int64 // when the status was last shown, ns
	ebb    ebb
	// offered is the newest resume point that was to be published.
	offered talos.Position

	quit context.CancelCauseFunc // ends every goroutine of the session at once
	life context.Context         //nolint:containedctx // what the context bounds is the session itself
	wg   sync.WaitGroup
}

// New returns a session of a core that New of package replicator makes of opts and start, and that is given
// first what is held of the log from the resume point on.
func New(parts Parts, opts replicator.Options, start replicator.Start, held Held) *Session {
	s := &Session{
		Parts: parts, core: replicator.New(opts, start), from: start.Resume, anchor: start.Anchor, held: held, detail: telemetry.NewDetail(parts.Log),
		batches:   make(chan []replicator.Event, 1),
		answers:   make(chan []replicator.Event, 2*parts.Lanes+parts.Conversions+3),
		lanes:     make([]chan replicator.Action, parts.Lanes),
		converts:  make(chan *replicator.Convert, parts.Conversions),
		refetch:   make(chan *replicator.Refetch, 1),
		publish:   make(chan talos.Position, 1),
		seek:      make(chan talos.Position, 1),
		armed:     make(chan rollout.Armed, 1),
		questions: make(chan question),
	}
	s.trace = telemetry.NewTrace(parts.Trace, opts, start, parts.Log)
	s.asides = telemetry.NewIncidents(parts.Log, parts.Health.Outage)
	s.notices = telemetry.Notices{Log: parts.Log, Limit: &s.limit, Incidents: s.asides}
	s.life, s.quit = context.WithCancelCause(context.Background())
	return s
}

// question asks the core where a version stands. The answer's channel has room for it.
type question struct {
	version talos.Version
	answer  chan replicator.Explanation
}

// Explain asks the core where a version stands; any goroutine may. It fails when ctx or the session ends.
func (s *Session) Explain(ctx context.Context, v talos.Version) (replicator.Explanation, error) {
	q := question{v, make(chan replicator.Explanation, 1)}
	select {
	case s.questions <- q:
		return <-q.answer, nil
	case <-ctx.Done():
		return replicator.Explanation{}, context.Cause(ctx)
	case <-s.life.Done():
		return replicator.Explanation{}, context.Cause(s.life)
	}
}

// errEnded ends the goroutines of a session whose core has stopped.
var errEnded = errors.New("the session has ended")

// Run drives the core until it stops, drains it when ctx ends, and returns after every goroutine has ended.
func (s *Session) Run(ctx context.Context) replicator.Stop {
	defer s.wg.Wait()
	defer s.quit(errEnded)
	s.wg.Go(s.follow)
	for i := range s.lanes {
		s.lanes[i] = make(chan replicator.Action, 2) // a group and one that is chained to it
		s.wg.Go(func() { s.install(cohort.Lane(i), s.lanes[i]) })
	}
	for range cap(s.converts) {
		s.wg.Go(s.convert)
	}
	s.wg.Go(s.besides)
	s.wg.Go(func() { s.Guests.Watch(s.life, s.arm) })
	s.wg.Go(func() { s.Guests.RunShadows(s.life) })
	s.wg.Go(func() { s.Installer.FollowRequests(s.life, s.asked) })
	s.loop(ctx)
	if s.stop.Reason == replicator.StopDrained && s.offered > 0 {
		s.publishOffset(s.offered) // BEFORE besides ends, which may not have come to it
	}
	return *s.stop
}

// loop is the core's goroutine: it takes one message at a time and carries out the answer.
func (s *Session) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	drain := ctx.Done()
	var deadline <-chan time.Time
	for s.stop == nil {
		batches := s.batches
		if s.paused || len(s.answers) > 0 { // a lane that waits goes before the log
			batches = nil
		}
		select {
		case events := <-batches:
			s.steps(events)
		case events := <-s.answers:
			s.steps(events)
		case a := <-s.armed:
			s.step(armedOf(a))
		case q := <-s.questions:
			q.answer <- s.core.Explain(q.version)
		case <-timer.C:
			s.step(&replicator.Tick{})
		case <-drain:
			drain, deadline = nil, time.After(s.ShutdownTimeout)
			s.Log.Info("draining: finishing what is in flight")
			s.step(&replicator.Drain{})
		case <-deadline:
			s.stop = &replicator.Stop{Reason: replicator.StopDrainOverdue}
			if drain != nil { // what is in flight ends when the next owner takes the cohort over
				s.stop.Reason = replicator.StopHandedOver
			}
		}
		if deadline == nil && s.core.HandingOver() {
			deadline = time.After(s.ShutdownTimeout)
			s.Log.Info("draining for another host: finishing what is in flight")
		}
		s.schedule(timer)
	}
	s.show()
	s.asides.Settle(s.shown, true)
}

// showEvery is how often the status is shown while something happens.
const showEvery = 20 * time.Millisecond

// schedule sets the timer to the core's deadline, or to when the status must be shown again.
func (s *Session) schedule(timer *time.Timer) {
	wait := time.Second
	if at := s.core.Deadline(); at != 0 {
		wait = time.Duration(at - status.Now())
	}
	if since := time.Duration(status.Now() - s.shown); since >= showEvery {
		s.show()
	} else {
		wait = min(wait, showEvery-since)
	}
	timer.Reset(max(wait, 0))
}

func (s *Session) show() {
	s.shown = status.Now()
	s.trace.Flush()
	core := s.core.Status()
	s.Health.Show(core)
	if s.ebb.fell(core.Bytes) {
		go debug.FreeOSMemory() // it takes a while, and nobody waits for it
	}
	s.asides.Settle(s.shown, false)
}

func (s *Session) steps(events []replicator.Event) {
	at := status.Now()
	for _, ev := range events {
		s.stepAt(at, ev)
	}
}

func (s *Session) step(ev replicator.Event) { s.stepAt(status.Now(), ev) }

func (s *Session) stepAt(at int64, ev replicator.Event) {
	actions := s.core.Step(at, ev)
	s.trace.Step(at, ev, actions)
	for _, a := range actions {
		s.perform(at, a)
	}
}

// perform carries out an action of an instant, or hands it to the goroutine that does.
func (s *Session) perform(at int64, a replicator.Action) {
	switch a := a.(type) {
	case *replicator.Connect:
		s.lanes[a.Lane] <- a
	case *replicator.Install:
		s.Metrics.Handed(len(a.Group.Entries)) // BEFORE the lane may take it
		s.lanes[a.Lane] <- a
	case *replicator.Beat:
		s.lanes[a.Lane] <- a
	case *replicator.Disconnect:
		s.lanes[a.Lane] <- a
	case *replicator.Quarantine:
		s.lanes[a.Lane] <- a
	case *replicator.Respond:
		s.lanes[a.Lane] <- a
	case *replicator.Convert:
		s.converts <- a
	case *replicator.Refetch:
		s.refetch <- a
	case *replicator.Seek:
		s.seek <- a.To
		(*s.stopFollowing.Load())(errSeek)
	case *replicator.Publish:
		s.publishLatest(a.Resume)
	case *replicator.PauseFetch:
		s.paused = true
	case *replicator.ResumeFetch:
		s.paused = false
	case *replicator.Finished:
		tell(s.Observers, a.Journeys)
	case *replicator.Ahead:
		tell(s.Early, a.Journeys)
	case *replicator.CutOver:
		s.Guests.Activated(a.Generation, a.From, a.Why)
	case *replicator.Proven:
		s.Guests.Proven(a.Generation)
	case *replicator.Bring:
		s.Guests.Bring(a)
	case *replicator.Retire:
		s.Guests.Release(a.Generation)
	case *replicator.Notice:
		s.notices.Write(at, a)
	case *replicator.Stop:
		s.stop = a
	}
}

// publishLatest leaves the newest resume point to be published; an older one that is still there is
// replaced.
func (s *Session) publishLatest(p talos.Position) {
	select {
	case <-s.publish:
	default:
	}
	s.publish <- p
	s.offered = p
}

// answer hands events to the core, unless the session ends.
func (s *Session) answer(events ...replicator.Event) {
	select {
	case s.answers <- events:
	case <-s.life.Done():
	}
}

// armedOf says in the core's words what became of a generation.
func armedOf(a rollout.Armed) replicator.Event {
	if a.Refused != "" {
		return &replicator.GuestRefused{Request: a.Request, Words: a.Refused}
	}
	return &replicator.GuestArmed{Guest: a.Guest, Generation: a.Generation, Request: a.Request, Believed: a.Believed}
}

// arm tells the core of a generation that may convert; false when the session ends.
func (s *Session) arm(a rollout.Armed) bool {
	select {
	case s.armed <- a:
		return true
	case <-s.life.Done():
		return false
	}
}

// tell gives journeys to who watches.
func tell(observers []timing.Observer, journeys []*timing.Journey) {
	for _, j := range journeys {
		for _, o := range observers {
			o.Observe(j)
		}
	}
}
