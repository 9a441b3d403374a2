package kafka

import (
	"context"
	"fmt"
	"math"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Batch is the answer to one fetch.
type Batch struct {
	Records []Record // in order of position; none at the log's end
	// Next is where to read on: past everything that was passed over.
	Next talos.Position
	// Start, HighWatermark and StableEnd are the log's as of this answer. A StableEnd that
	// stays below HighWatermark is somebody's open transaction: nothing above it is readable.
	Start, HighWatermark, StableEnd talos.Position
	// Asked is when the fetch was sent.
	Asked time.Time
	// Passed over: records of aborted transactions, transaction markers, and positions
	// where the log has nothing (compaction).
	Aborted, Markers, Gaps int
	// Holes are the gaps, in order of position.
	Holes []Hole

	bytes int // of the answer
	plain int // of the records handed out, after decompression
}

// Hole is a range of positions at which the log has nothing: no record, no marker, and no record
// of an aborted transaction.
type Hole struct{ From, To talos.Position } // To is not part of it

// Fetch makes one attempt to read records from a position on. At the log's end it waits
// up to MaxWait for one to come, and returns none if none did.
//
// Errors: TruncatedError, DivergedError, PartitionsError, MissingTopicError, RefusedError,
// CorruptError, TransientError; the cause of the context when that ended.
func (l *Log) Fetch(ctx context.Context, from talos.Position) (Batch, error) {
	return l.fetch(ctx, from, toTheEnd, l.opts.MaxBytes, l.opts.MaxWait)
}

// toTheEnd bounds a fetch that has no other bound.
const toTheEnd = talos.Position(math.MaxInt64)

// fetch leaves batches alone that begin at a position or above it.
func (l *Log) fetch(ctx context.Context, from, below talos.Position, size int, wait time.Duration) (Batch, error) {
	var b Batch
	err := l.attempt(ctx, wait, func(ctx context.Context, t *kafkago.Transport) (err error) {
		if _, err = l.topology(ctx, t); err != nil {
			return err
		}
		b, err = l.exchange(ctx, t, from, below, size, wait)
		return err
	})
	if err != nil {
		return Batch{}, err
	}
	l.metrics.saw(&b)
	return b, nil
}

// exchange fetches and decodes.
func (l *Log) exchange(ctx context.Context, t *kafkago.Transport, from, below talos.Position, size int, wait time.Duration) (Batch, error) {
	s := l.scratch.Get().(*scratch)
	defer l.scratch.Put(s)
	e := l.request(from, size, wait)
	// An exchange given up by the context may still write to its buffer, so the buffer
	// comes back to scratch only with an answer.
	e.buffer, s.frame = s.frame, nil
	asked := time.Now()
	got, err := t.RoundTrip(ctx, l.address(), e)
	if err != nil {
		return Batch{}, err
	}
	frame := got.(*answer).frame
	if cap(frame) <= keptBuffer {
		s.frame = frame
	}
	p, err := got.(*answer).parse()
	if err != nil {
		return Batch{}, &CorruptError{Position: from, What: "the answer cannot be read", Cause: err}
	}
	switch kafkago.Error(p.code) {
	case 0:
	case kafkago.OffsetOutOfRange:
		return Batch{}, l.bounds(ctx, t, from)
	case kafkago.InvalidMessage:
		return Batch{}, &CorruptError{Position: from, What: "the broker found it so"}
	default:
		return Batch{}, kafkago.Error(p.code)
	}
	b, err := assemble(p, from, below, s.decoder, inflation*l.opts.MaxBytes)
	b.bytes, b.Asked = len(frame), asked
	return b, err
}

// inflation is how many times MaxBytes a fetch hands out when batches are compressed;
// what is left of the answer is fetched again. One batch is bounded by MaxFrame alone.
const inflation = 2

func (l *Log) request(from talos.Position, size int, wait time.Duration) *exchange {
	return &exchange{
		clientID: l.opts.ClientID,
		maxFrame: l.opts.MaxFrame,
		Request: &fetch.Request{
			ReplicaID:      -1,
			MaxWaitTime:    int32(wait.Milliseconds()),
			MinBytes:       1,
			MaxBytes:       int32(size),
			IsolationLevel: readCommitted,
			SessionEpoch:   -1, // no fetch session
			Topics: []fetch.RequestTopic{{
				Topic: l.opts.Topic,
				Partitions: []fetch.RequestPartition{{
					CurrentLeaderEpoch: -1,
					FetchOffset:        int64(from),
					LogStartOffset:     -1,
					PartitionMaxBytes:  int32(size),
				}},
			}},
		},
	}
}

// FetchRange reads again what stands at the positions from up to, not including, to, and
// calls yield for each record; it ends with yield's error if that returns one. About size bytes are
// wanted of it. It makes one attempt a fetch, on a connection of its own, and does not wait: a range
// that reaches above the log's end is a DivergedError, above the stable end a TransientError.
func (l *Log) FetchRange(ctx context.Context, from, to talos.Position, size int, yield func(Record) error) error {
	size = l.ask(size)
	for next := from; next < to; {
		b, err := l.fetch(ctx, next, to, size, 0)
		if err != nil {
			return err
		}
		for _, r := range b.Records {
			if r.Position >= to {
				return nil
			}
			if err := yield(r); err != nil {
				return err
			}
		}
		switch {
		case b.Next > next:
			next = b.Next
		case b.HighWatermark < to:
			return &DivergedError{Asked: to, End: b.HighWatermark}
		default:
			return &TransientError{Cause: fmt.Errorf("position %d is not readable yet, the stable end is %d", next, b.StableEnd)}
		}
	}
	return nil
}

// askBytesMin is the least that a fetch of records asks for: a request costs as much as that.
const askBytesMin = 64 << 10

// ask bounds what a fetch asks for.
func (l *Log) ask(size int) int { return min(max(size, askBytesMin), l.opts.MaxBytes) }

// Anchor returns the anchor of the record at exactly pos. It returns false when the log
// starts above pos, so that nothing can be said. A log that ends below pos, or that has
// no record there, is a DivergedError; other errors are those of Fetch.
func (l *Log) Anchor(ctx context.Context, pos talos.Position) (talos.Anchor, bool, error) {
	b, err := l.fetch(ctx, pos, pos+1, anchorBytes, 0)
	switch ClassOf(err) {
	case ClassNone:
	case ClassTruncated:
		return talos.NoAnchor, false, nil
	default:
		return talos.NoAnchor, false, err
	}
	if err != nil {
		return talos.NoAnchor, false, err
	}
	if len(b.Records) == 0 || b.Records[0].Position != pos {
		return talos.NoAnchor, false, &DivergedError{Asked: pos, End: b.HighWatermark, Reason: "no record stands there"}
	}
	return talos.Anchor{Position: pos, Hash: Hash(&b.Records[0])}, true, nil
}

// anchorBytes is what an anchor's fetch asks for: brokers return one batch at least.
const anchorBytes = 1
