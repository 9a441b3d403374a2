package kafka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Follow fetches from a position on, of a log that has the record of the anchor (NoAnchor for none),
// for ever, and hands each answer to deliver, also those without records (so that the caller sees the
// log's ends move). The caller pauses it by not returning from deliver.
//
// A failure that may mend itself is handed to trouble and tried again after a pause that
// doubles from BackoffMin to BackoffMax; the next deliver means that it is over. After trouble, and
// before records are delivered that came later than sureFor after what was known of the log, the last
// record delivered is looked up again: another log that took the place of ours is found out even where
// it reaches further.
//
// It ends with the context's cause, deliver's error, or at once with a TruncatedError, a
// DivergedError or a PartitionsError, none of which goes away by itself.
func (l *Log) Follow(ctx context.Context, from talos.Position, anchor talos.Anchor, deliver func(Batch) error, trouble func(error)) error {
	f := follower{log: l, next: from, last: anchor, size: l.opts.MaxBytes}
	failures := 0
	for {
		b, err := f.step(ctx)
		switch class := ClassOf(err); {
		case err == nil:
			if failures > 0 {
				l.log.Debug("the log is readable again", "position", int64(f.next), "failures", failures)
			}
			failures = 0
			l.metrics.fetched.Set(float64(b.Next))
			if err := deliver(b); err != nil {
				return err
			}
		case ctx.Err() != nil || !class.Retryable():
			return err
		default:
			f.suspicious = true
			trouble(err)
			if err := sleep(ctx, l.pause(failures)); err != nil {
				return err
			}
			failures++
		}
	}
}

// follower is the state of one Follow.
type follower struct {
	log  *Log
	next talos.Position
	high talos.Position // the highest end seen
	last talos.Anchor   // of the last record delivered, or from before
	// sure is an instant, by the wall clock, at which the log still had the record of last.
	sure time.Time
	// size is what a fetch asks for: of batches that are compressed less, so that no more is held than
	// what others take, and nothing is fetched twice.
	size int
	// suspicious is set when the log may be another one than before.
	suspicious bool
}

// sureFor is how long after that instant an answer is believed to be of the same log. In less a topic
// would have to be deleted, made again and filled beyond where we read. To look again costs a request,
// and under load records come quicker than that.
const sureFor = 25 * time.Millisecond

// step does one fetch from exactly the next position.
func (f *follower) step(ctx context.Context) (Batch, error) {
	if err := f.verify(ctx); err != nil {
		return Batch{}, err
	}
	sent := wallClock()
	b, err := f.log.fetch(ctx, f.next, toTheEnd, f.size, f.log.opts.MaxWait)
	if err != nil {
		return Batch{}, err
	}
	if b.plain > f.log.opts.MaxBytes {
		f.size = f.log.ask(f.size * f.log.opts.MaxBytes / b.plain)
	} else {
		f.size = f.log.ask(2 * f.size)
	}
	// A topic may have been made again while this process was stopped or did something else, or while
	// no records came; an answer without any tells nothing. The wall clock goes on while a process is
	// stopped.
	if b.Next > f.next {
		if since := wallClock().Sub(f.sure); since < 0 || since > sureFor {
			f.suspicious = true
			if err := f.verify(ctx); err != nil {
				return Batch{}, err
			}
		}
		f.sure = later(f.sure, sent)
	}
	if b.HighWatermark < f.high {
		// A log does not shrink. Its new end is still above us, or the broker would have
		// refused the position, so only the last record can tell whether it is ours.
		f.suspicious = true
		if err := f.verify(ctx); err != nil {
			return Batch{}, err
		}
	}
	f.high = b.HighWatermark
	return b, f.advance(&b)
}

// advance moves on by one answer, asserting that it neither goes back nor skips.
func (f *follower) advance(b *Batch) error {
	before := f.next - 1
	for i := range b.Records {
		if p := b.Records[i].Position; p <= before || p >= b.Next {
			return fmt.Errorf("kafka: record at %d after %d, next %d: broken promise of this package", p, before, b.Next)
		}
		before = b.Records[i].Position
	}
	if b.Next < f.next {
		return fmt.Errorf("kafka: next position %d after %d: broken promise of this package", b.Next, f.next)
	}
	f.next = b.Next
	if n := len(b.Records); n > 0 {
		newest := &b.Records[n-1]
		f.last = talos.Anchor{Position: newest.Position, Hash: Hash(newest)}
	}
	return nil
}

// verify looks the last record up again when the log is suspicious.
func (f *follower) verify(ctx context.Context) error {
	if !f.suspicious || f.last == talos.NoAnchor {
		f.suspicious = false
		return nil
	}
	sent := wallClock()
	now, there, err := f.log.Anchor(ctx, f.last.Position)
	if err != nil {
		return err
	}
	if there && now != f.last {
		return &DivergedError{Asked: f.next, End: f.high, Reason: fmt.Sprintf("another record stands at position %d", now.Position)}
	}
	f.suspicious, f.sure = false, sent
	return nil
}

// wallClock returns the time without the monotonic reading, which stands still while a process is
// stopped on some systems.
func wallClock() time.Time { return time.Now().Round(0) }

// later returns the later of two instants.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// pause returns how long to wait after so many failures in a row: half of it is chance,
// so that hosts which lost a broker together do not return together.
func (l *Log) pause(failures int) time.Duration {
	d := l.opts.BackoffMax
	if failures < 30 {
		d = min(d, l.opts.BackoffMin<<failures)
	}
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d/2+1)
}

// sleep waits, or returns the context's cause.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
