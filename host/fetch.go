package host

import (
	"context"
	"errors"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// fetch is the goroutine that reads the log, from the resume point or from where the core
// seeks.
func (s *session) fetch() {
	from, sought := s.from, false
	d := &decoder{routes: s.guests.index, unrouted: s.opts.Guests.Unrouted, metrics: s.metrics, log: s.log}
	anchor := s.anchor
	for s.hard.Err() == nil {
		d.last = talos.NoAnchor
		to, again := s.follow(d, from, anchor, sought)
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

// follow reads until the session ends, the log ends it, or the core seeks.
func (s *session) follow(d *decoder, from talos.Position, anchor talos.Anchor, sought bool) (talos.Position, bool) {
	ctx, cancel := context.WithCancelCause(s.hard)
	defer cancel(nil)
	s.unfollow.Store(&cancel)
	if sought {
		if err := s.deliver(ctx, []replicator.Event{&replicator.SeekDone{}}); err != nil {
			return 0, false
		}
	}
	err := s.source.Follow(ctx, from, anchor, func(b kafka.Batch) error {
		s.health.source(nil, b)
		if len(b.Records) > 0 {
			s.detail.say("read", "from", b.Records[0].Position, "next", b.Next, "records", len(b.Records), "log_end", b.HighWatermark)
		}
		return d.decode(b, func(events []replicator.Event) error { return s.deliver(ctx, events) })
	}, func(err error) {
		s.health.source(err, kafka.Batch{})
	})
	if errors.Is(context.Cause(ctx), errSeek) {
		return <-s.seek, true
	}
	if s.hard.Err() == nil {
		s.lost(err)
	}
	return 0, false
}

// deliver waits until the core takes the events: that is how reading pauses.
func (s *session) deliver(ctx context.Context, events []replicator.Event) error {
	select {
	case s.batches <- events:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lost stops the session because the log can not be read on: it was truncated, or is another one.
func (s *session) lost(err error) {
	s.answer(&replicator.Halt{Failure: replicator.Failure{
		Class: replicator.Broken, Kind: string(kafka.ClassOf(err)), Message: err.Error(), Cause: err,
	}})
}

// errands is the goroutine that fetches payloads again and publishes the resume point.
func (s *session) errands() {
	policy := time.NewTicker(policyEvery)
	defer policy.Stop()
	for {
		select {
		case <-policy.C:
			s.checkPolicy()
		case <-s.hard.Done():
			return
		case versions := <-s.refetch:
			s.fetchAgain(versions)
		case p := <-s.publish:
			s.publishOffset(p)
		}
	}
}

// policyEvery is how often a running host asks whether its topic is compacted by now.
const policyEvery = time.Minute

// checkPolicy stops the session when the brokers began to take records out of the topic's middle.
func (s *session) checkPolicy() {
	_, err := s.source.Facts(s.hard)
	if kafka.ClassOf(err) == kafka.ClassCompacted {
		s.lost(err)
	}
}

func (s *session) publishOffset(p talos.Position) {
	ctx, cancel := context.WithTimeout(s.hard, 5*time.Second)
	defer cancel()
	err := s.source.Publish(ctx, p)
	if err != nil && s.hard.Err() == nil && s.metrics.allow("publish") {
		s.log.Warn("the group's offset was not published; it is only for others to see", "position", p, "error", err)
	}
}

// fetchAgain reads the payloads of versions once more. What the log no longer has is answered
// as lost; any other failure is tried again, for ever.
func (s *session) fetchAgain(versions []talos.Version) {
	for wait := 50 * time.Millisecond; len(versions) > 0; wait = min(2*wait, 5*time.Second) {
		rest, err := s.readAgain(versions)
		versions = rest
		if err == nil || s.hard.Err() != nil {
			return
		}
		if s.metrics.allow("refetch") {
			s.log.Warn("payloads can not be read again yet", "from", versions[0], "error", err)
		}
		select {
		case <-s.hard.Done():
			return
		case <-time.After(wait):
		}
	}
}

// readAgain answers as many versions as it can, and returns the rest with the reason.
func (s *session) readAgain(versions []talos.Version) ([]talos.Version, error) {
	events := make([]replicator.Event, 0, len(versions))
	next := 0
	lose := func(below talos.Position) {
		for next < len(versions) && talos.Position(versions[next]) < below {
			events = append(events, &replicator.Refetched{Version: versions[next]})
			next++
		}
	}
	from, to := talos.Position(versions[0]), talos.Position(versions[len(versions)-1])+1
	err := s.source.FetchRange(s.hard, from, to, func(r kafka.Record) error {
		lose(r.Position)
		if next < len(versions) && talos.Position(versions[next]) == r.Position {
			ev := &replicator.Refetched{Version: versions[next]}
			c := new(talos.Candidate)
			if err := talos.DecodeCandidate(ev.Version, r.Value, c); err == nil {
				ev.Payload, ev.Keys = c, talos.Keys(c.ReadSet, c.WriteSet)
				c.ReadSet, c.WriteSet = nil, nil // as in decode: what the core needs are the keys
			}
			events = append(events, ev)
			next++
		}
		return nil
	})
	var truncated *kafka.TruncatedError
	switch {
	case err == nil:
		lose(to)
	case errors.As(err, &truncated):
		lose(truncated.Start)
		if next == len(versions) {
			err = nil
		}
	}
	if len(events) > 0 {
		s.answer(events...)
	}
	return versions[next:], err
}
