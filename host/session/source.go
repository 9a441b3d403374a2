package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// follow is the goroutine that reads the log, from the end of what is held of it, or from where the core
// seeks.
func (s *Session) follow() {
	from, anchor, held, sought := s.from, s.anchor, s.held, false
	s.held = Held{}
	d := newDecoder(&s.Parts)
	for s.life.Err() == nil {
		d.last = talos.NoAnchor
		to, again := s.followFrom(d, from, anchor, held, sought)
		if !again {
			return
		}
		held = Held{}
		if from, sought = to, true; d.last != talos.NoAnchor {
			anchor = d.last
		}
	}
}

// errSeek ends following so that it can begin elsewhere.
var errSeek = errors.New("read from elsewhere")

// followFrom reads until the session ends, the log ends it, or the core seeks.
func (s *Session) followFrom(d *decoder, from talos.Position, anchor talos.Anchor, held Held, sought bool) (talos.Position, bool) {
	ctx, cancel := context.WithCancelCause(s.life)
	defer cancel(nil)
	s.stopFollowing.Store(&cancel)
	if sought {
		if err := s.deliver(ctx, []replicator.Event{&replicator.SeekDone{}}); err != nil {
			return 0, false
		}
	}
	err := s.read(ctx, d, from, anchor, held)
	if errors.Is(context.Cause(ctx), errSeek) {
		return <-s.seek, true
	}
	if s.life.Err() == nil {
		s.lost(err)
	}
	return 0, false
}

// read gives the core what is held of the log, and follows the log from there.
func (s *Session) read(ctx context.Context, d *decoder, from talos.Position, anchor talos.Anchor, held Held) error {
	for i := range held.slices {
		if err := s.deliver(ctx, held.slices[i].events); err != nil {
			return err
		}
		held.slices[i] = slice{} // it is the core's, and counts there
	}
	if held.next > from {
		from, anchor = held.next, held.anchor
	}
	s.Health.SourceAsked()
	return s.Source.Follow(ctx, from, anchor, func(b kafka.Batch) error {
		s.Health.SourceAnswered(logOf(&b))
		if len(b.Records) > 0 {
			s.detail.Say("read", "from", b.Records[0].Position, "next", b.Next, "records", len(b.Records), "log_end", b.HighWatermark)
		}
		defer s.Health.SourceAsked() // the time that the core takes for a batch is not the log's
		return d.decode(b, func(events []replicator.Event) error { return s.deliver(ctx, events) })
	}, func(err error) {
		s.Health.SourceFailed(fmt.Sprintf("%s: %v", kafka.ClassOf(err), err))
		s.asides.Say(status.Now(), slog.LevelInfo, "the log could not be read: asking again", "error", err)
	})
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
