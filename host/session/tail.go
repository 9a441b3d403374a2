package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Tail reads the log while another host owns the cohort, and holds what lies above that host's resume point,
// decoded: whoever takes the cohort over begins with it, and reads on from its end. It is bounded; when it is
// full it goes on as the resume point passes what it holds. NewTail makes one; its methods may be called from
// any goroutine.
type Tail struct {
	parts Parts
	most  int // bytes

	stop  context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	from   talos.Position // what lies below is passed; everything from here up to next is held
	next   talos.Position
	anchor talos.Anchor // of the newest record below next
	slices []slice
	bytes  int
	full   bool
	freed  chan struct{} // has something when there may be room
}

// slice is what the core is given at once; a BatchRead is its end.
type slice struct {
	events []replicator.Event
	next   talos.Position // of its BatchRead
	bytes  int
}

// Held is what was read of the log already, from a resume point on. The zero value is nothing.
type Held struct {
	slices []slice
	next   talos.Position // where the log is read on
	anchor talos.Anchor   // of the newest record below next
}

// Bytes returns about how much is held.
func (h *Held) Bytes() (n int) {
	for i := range h.slices {
		n += h.slices[i].bytes
	}
	return n
}

// eventBytes is about what an event takes beside its payload.
const eventBytes = 160

// tailPause is how long a tail waits before it reads a log again that could not be read on.
const tailPause = time.Second

// NewTail returns a tail that reads from a position on, of a log that has the record of the anchor (NoAnchor for
// none), and holds so many bytes at most. It reads until Take or Close.
func NewTail(parts Parts, most int, from talos.Position, anchor talos.Anchor) *Tail {
	ctx, stop := context.WithCancel(context.Background())
	t := &Tail{
		parts: parts, most: most, stop: stop, ended: make(chan struct{}),
		from: from, next: from, anchor: anchor, freed: make(chan struct{}, 1),
	}
	go func() {
		defer close(t.ended)
		for ctx.Err() == nil {
			t.follow(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(tailPause):
			}
		}
	}()
	return t
}

// follow reads until ctx ends or the log cannot be read on. Then what is held is let go, and it begins anew
// where the owner is by that time: what the owner thinks of that log ends the owner, not a host that waits.
func (t *Tail) follow(ctx context.Context) {
	d := newDecoder(&t.parts)
	from, anchor := t.end()
	d.last = anchor
	trouble := func(err error) { t.parts.Health.SourceFailed(fmt.Sprintf("%s: %v", kafka.ClassOf(err), err)) }
	t.parts.Health.SourceAsked()
	err := t.parts.Source.Follow(ctx, from, anchor, func(b kafka.Batch) error {
		if needed := t.begin(); b.Start > needed {
			// What is held here may be let go any time: whoever takes the cohort over reads from there.
			trouble(&kafka.TruncatedError{Asked: needed, Start: b.Start})
		} else {
			t.parts.Health.SourceAnswered(logOf(&b))
		}
		defer t.parts.Health.SourceAsked()
		return d.decode(b, func(events []replicator.Event) error { return t.hold(ctx, events, d.last) })
	}, trouble)
	if ctx.Err() == nil {
		trouble(err)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.slices, t.bytes, t.next, t.anchor = nil, 0, t.from, talos.NoAnchor
	}
}

// begin returns the owner's resume point, as far as it is known.
func (t *Tail) begin() talos.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from
}

// logOf returns what an answer says of the log.
func logOf(b *kafka.Batch) status.Log {
	return status.Log{Start: b.Start, StableEnd: b.StableEnd, HighWatermark: b.HighWatermark}
}

func (t *Tail) end() (talos.Position, talos.Anchor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next, t.anchor
}

// hold keeps what the decoder made of some records, as soon as there is room; more than has room at all is
// kept alone.
func (t *Tail) hold(ctx context.Context, events []replicator.Event, anchor talos.Anchor) error {
	s := slice{events: events, next: events[len(events)-1].(*replicator.BatchRead).Next}
	for _, ev := range events {
		s.bytes += eventBytes
		if c, is := ev.(*replicator.Candidate); is {
			s.bytes += c.Payload.Bytes()
		}
	}
	for !t.keep(&s, anchor) {
		select {
		case <-t.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// keep returns false when there is no room.
func (t *Tail) keep(s *slice, anchor talos.Anchor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.full = s.next > t.from && t.bytes > 0 && t.bytes+s.bytes > t.most
	if t.full {
		return false
	}
	if s.next > t.from {
		t.slices = append(t.slices, *s)
		t.bytes += s.bytes
	}
	t.next, t.anchor = s.next, anchor
	return true
}

// Passed lets go of what lies below the owner's resume point.
func (t *Tail) Passed(resume talos.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.from = max(t.from, resume)
	n := 0
	for ; n < len(t.slices) && t.slices[n].next <= resume; n++ {
		t.bytes -= t.slices[n].bytes
	}
	t.slices = slices.Delete(t.slices, 0, n)
	select {
	case t.freed <- struct{}{}:
	default:
	}
	t.parts.Health.Waits(status.Tail{Next: t.next, Bytes: t.bytes, Full: t.full})
}

// Close ends the reading.
func (t *Tail) Close() {
	t.stop()
	<-t.ended
}

// Take ends the reading and returns what is held from a resume point on: nothing, where what lies there was let
// go, or was not read yet.
func (t *Tail) Take(resume talos.Position) Held {
	t.Close()
	if resume < t.from || resume > t.next {
		return Held{}
	}
	t.Passed(resume)
	if len(t.slices) > 0 {
		t.slices[0].events = above(t.slices[0].events, resume)
	}
	return Held{slices: t.slices, next: t.next, anchor: t.anchor}
}

// above leaves out what was read of positions below a resume point.
func above(events []replicator.Event, resume talos.Position) []replicator.Event {
	return slices.DeleteFunc(events, func(ev replicator.Event) bool {
		switch ev := ev.(type) {
		case *replicator.Candidate:
			return talos.Position(ev.Version) < resume
		case *replicator.Refused:
			return talos.Position(ev.Version) < resume
		case *replicator.Decision:
			return ev.Position < resume
		case *replicator.Hole:
			return ev.To <= resume
		}
		return false
	})
}
