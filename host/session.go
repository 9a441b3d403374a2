package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// session is one run of a core with the goroutines around it. Only the core's goroutine
// touches the core; the others get work over a channel and answer over answers. A channel's
// capacity is what the core allows to be under way, so that no send ever waits for the core.
type session struct {
	*Host
	core *replicator.Core

	batches  chan []replicator.Event // from fetch; not received from while paused
	answers  chan []replicator.Event // from everybody else
	lanes    []chan replicator.Action
	converts chan *replicator.Convert
	refetch  chan []talos.Version
	publish  chan talos.Position
	seek     chan talos.Position
	armed    chan armed

	unfollow atomic.Pointer[context.CancelCauseFunc] // ends the reading that goes on

	from   talos.Position
	anchor talos.Anchor // of the newest record below from
	paused bool
	stop   *replicator.Stop
	shown  int64 // when the status was last shown
	// offered is the newest resume point that was to be published.
	offered talos.Position

	quit context.CancelCauseFunc // ends every goroutine of the session at once
	hard context.Context         //nolint:containedctx // what the context bounds is the session itself
	wg   sync.WaitGroup
}

// armed is a generation that may convert.
type armed struct{ guest, generation int32 }

func newSession(h *Host, core *replicator.Core, from talos.Position, anchor talos.Anchor) *session {
	lanes, conversions := h.opts.Core.Lanes, h.conversions()
	s := &session{
		Host: h, core: core, from: from, anchor: anchor,
		batches:  make(chan []replicator.Event, 1),
		answers:  make(chan []replicator.Event, 2*lanes+conversions+2),
		lanes:    make([]chan replicator.Action, lanes),
		converts: make(chan *replicator.Convert, conversions),
		refetch:  make(chan []talos.Version, 1),
		publish:  make(chan talos.Position, 1),
		seek:     make(chan talos.Position, 1),
		armed:    make(chan armed, 1),
	}
	s.hard, s.quit = context.WithCancelCause(context.Background())
	return s
}

// conversions is how many conversion tasks the core gives out at once.
func (h *Host) conversions() int {
	if h.opts.Core.Conversions > 0 {
		return h.opts.Core.Conversions
	}
	return replicator.DefaultConversions
}

// errEnded ends the goroutines of a session whose core has stopped.
var errEnded = errors.New("the session has ended")

// run drives the core until it stops, and returns after every goroutine has ended.
func (s *session) run(ctx context.Context) replicator.Stop {
	defer s.wg.Wait()
	defer s.quit(errEnded)
	s.wg.Go(s.fetch)
	for i := range s.lanes {
		s.lanes[i] = make(chan replicator.Action, 2) // a group and one that is chained to it
		s.wg.Go(func() { s.install(i, s.lanes[i]) })
	}
	for range cap(s.converts) {
		s.wg.Go(s.convert)
	}
	s.wg.Go(s.errands)
	s.wg.Go(func() { s.guests.watch(s.hard, s.arm) })
	s.loop(ctx)
	if s.stop.Reason == replicator.StopDrained && s.offered > 0 {
		s.publishOffset(s.offered) // BEFORE the errands end, which may not have come to it
	}
	return *s.stop
}

// loop is the core's goroutine: it takes one message at a time and carries out the answer.
func (s *session) loop(ctx context.Context) {
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
			s.step(&replicator.GuestArmed{Guest: a.guest, Generation: a.generation})
		case <-timer.C:
			s.step(&replicator.Tick{})
		case <-drain:
			drain, deadline = nil, time.After(s.opts.ShutdownTimeout)
			s.log.Info("draining: finishing what is in flight")
			s.step(&replicator.Drain{})
		case <-deadline:
			s.stop = &replicator.Stop{Reason: replicator.StopDrainOverdue}
		}
		s.schedule(timer)
	}
	s.show()
}

// showEvery is how often the status is shown while something happens.
const showEvery = 20 * time.Millisecond

// schedule sets the timer to the core's deadline, or to when the status must be shown again.
func (s *session) schedule(timer *time.Timer) {
	wait := time.Second
	if at := s.core.Deadline(); at != 0 {
		wait = time.Duration(at - now())
	}
	if since := time.Duration(now() - s.shown); since >= showEvery {
		s.show()
	} else {
		wait = min(wait, showEvery-since)
	}
	timer.Reset(max(wait, 0))
}

func (s *session) show() {
	s.shown = now()
	s.health.show(s.core.Status())
}

func (s *session) steps(events []replicator.Event) {
	at := now()
	for _, ev := range events {
		for _, a := range s.core.Step(at, ev) {
			s.perform(a)
		}
	}
}

func (s *session) step(ev replicator.Event) {
	for _, a := range s.core.Step(now(), ev) {
		s.perform(a)
	}
}

// perform carries out an action, or hands it to the goroutine that does.
func (s *session) perform(a replicator.Action) {
	switch a := a.(type) {
	case *replicator.Connect:
		s.lanes[a.Lane] <- a
	case *replicator.Install:
		s.lanes[a.Lane] <- a
	case *replicator.Beat:
		s.lanes[a.Lane] <- a
	case *replicator.Disconnect:
		s.lanes[a.Lane] <- a
	case *replicator.Quarantine:
		s.lanes[a.Lane] <- a
	case *replicator.Convert:
		s.converts <- a
	case *replicator.Refetch:
		s.refetch <- a.Versions
	case *replicator.Seek:
		s.seek <- a.To
		(*s.unfollow.Load())(errSeek)
	case *replicator.Publish:
		s.offer(a.Resume)
	case *replicator.PauseFetch:
		s.paused = true
	case *replicator.ResumeFetch:
		s.paused = false
	case *replicator.Finished:
		s.finished(a)
	case *replicator.CutOver:
		s.guests.active(a.Generation, a.From)
	case *replicator.Retire:
		s.guests.retire(a.Generation)
	case *replicator.Notice:
		s.notice(a)
	case *replicator.Stop:
		s.stop = a
	}
}

// offer leaves the newest resume point for the errands; an older one that is still there is
// replaced.
func (s *session) offer(p talos.Position) {
	select {
	case <-s.publish:
	default:
	}
	s.publish <- p
	s.offered = p
}

// answer hands events to the core, unless the session ends.
func (s *session) answer(events ...replicator.Event) {
	select {
	case s.answers <- events:
	case <-s.hard.Done():
	}
}

// arm tells the core of a generation that may convert; false when the session ends.
func (s *session) arm(a armed) bool {
	select {
	case s.armed <- a:
		return true
	case <-s.hard.Done():
		return false
	}
}

func (s *session) finished(a *replicator.Finished) {
	for _, j := range a.Journeys {
		s.book.Observe(j)
		s.metrics.observe(j)
		if s.opts.Observer != nil {
			s.opts.Observer.Observe(j)
		}
	}
}
