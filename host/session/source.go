package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// follow is the goroutine that reads the log, from the resume point or from where the core
// seeks.
func (s *Session) follow() {
	from, sought := s.from, false
	d := &decoder{guests: s.Guests, unrouted: s.Unrouted, metrics: s.Metrics, xids: s.XIDs, limit: &s.limit, log: s.Log}
	anchor := s.anchor
	for s.life.Err() == nil {
		d.last = talos.NoAnchor
		to, again := s.followFrom(d, from, anchor, sought)
		if !again {
			return
		}
		if from, sought = to, true; d.last != talos.NoAnchor {
			anchor = d.last
		}
	}
}

// errSeek ends following so that it can begin elsewhere.
var errSeek = errors.New("read from elsewhere")

// followFrom reads until the session ends, the log ends it, or the core seeks.
func (s *Session) followFrom(d *decoder, from talos.Position, anchor talos.Anchor, sought bool) (talos.Position, bool) {
	ctx, cancel := context.WithCancelCause(s.life)
	defer cancel(nil)
	s.stopFollowing.Store(&cancel)
	if sought {
		if err := s.deliver(ctx, []replicator.Event{&replicator.SeekDone{}}); err != nil {
			return 0, false
		}
	}
	err := s.Source.Follow(ctx, from, anchor, func(b kafka.Batch) error {
		s.Health.SourceAnswered(status.Log{StableEnd: b.StableEnd, HighWatermark: b.HighWatermark})
		if len(b.Records) > 0 {
			s.detail.Say("read", "from", b.Records[0].Position, "next", b.Next, "records", len(b.Records), "log_end", b.HighWatermark)
		}
		return d.decode(b, func(events []replicator.Event) error { return s.deliver(ctx, events) })
	}, func(err error) {
		s.Health.SourceFailed(fmt.Sprintf("%s: %v", kafka.ClassOf(err), err))
	})
	if errors.Is(context.Cause(ctx), errSeek) {
		return <-s.seek, true
	}
	if s.life.Err() == nil {
		s.lost(err)
	}
	return 0, false
}

// deliver waits until the core takes the events: that is how reading pauses.
func (s *Session) deliver(ctx context.Context, events []replicator.Event) error {
	select {
	case s.batches <- events:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lost stops the session because the log cannot be read on: it was truncated, or is another one.
func (s *Session) lost(err error) {
	s.answer(&replicator.Halt{Failure: replicator.Failure{
		Class: replicator.Broken, Kind: string(kafka.ClassOf(err)), Message: err.Error(), Cause: err,
	}})
}
