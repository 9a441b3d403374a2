package replicator

import (
	"math/rand/v2"

	"github.com/ichor-replicator/ichor/host/queue"
)

// step is what all parts of the core share while they take an event: the instant, the queue, and the
// actions that were decided so far. It keeps the rule that nothing is asked for after a Stop.
type step struct {
	opts     Options
	now      int64 // ns, never steps back
	queue    *queue.Queue
	timers   timers
	jitter   *rand.Rand
	stats    Stats
	out      []Action
	draining bool
	// handingOver says that it drains for another host.
	handingOver bool
	stopped     bool
}

func (s *step) do(a Action) {
	if !s.stopped {
		s.out = append(s.out, a)
	}
}

func (s *step) stop(reason StopReason, f Failure) {
	s.do(&Stop{Reason: reason, Failure: f})
	s.stopped = true
}

// backoff doubles from retryMin to retryMax and takes a random half off.
func (s *step) backoff(failures int) int64 {
	d := int64(retryMin) << min(max(failures-1, 0), 10)
	d = min(d, retryMax)
	return d/2 + s.jitter.Int64N(d/2+1)
}

// earlier returns the earlier of two instants, where 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
