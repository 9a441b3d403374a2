package certification

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Target says where the messages go and how fast.
type Target struct {
	Brokers []string
	Topic   string // of one partition, and empty
	// Rate is how many candidates are sent a second; 0 means as many as the broker takes.
	Rate float64
	// Until ends the workload when it returns true; nil means that the generator's options
	// alone do. It is called from the sending goroutine before each message.
	Until func(Counts) bool
	// Progress is called from the sending goroutine about every progressEvery, and once at the
	// end; nil means nobody asks.
	Progress func(Counts)
}

const (
	progressEvery = 100 * time.Millisecond
	flushEvery    = 2 * time.Millisecond // a batch waits no longer for more messages
)

// Produce sends the generator's messages to the topic, in order, and returns when the broker
// has taken all of them. A version is the offset that its candidate came to lie at; a topic
// where somebody else writes too gives other offsets than the decisions name, and an error. A
// context that ends stops it between two messages.
func Produce(ctx context.Context, g *Generator, target Target) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(target.Brokers...),
		kgo.DefaultProduceTopic(target.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MaxProduceRequestsInflightPerBroker(1), // one at a time, so that order is kept
		kgo.ProducerLinger(flushEvery),
		kgo.MaxBufferedRecords(5_000),
	)
	if err != nil {
		return fmt.Errorf("certification: connect: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := sender{generator: g, target: target, client: client, fail: cancel, begun: time.Now(), before: g.Counts().Candidates}
	if err := s.send(ctx); err != nil {
		return fmt.Errorf("certification: %w", err)
	}
	if err := client.Flush(ctx); err != nil {
		return fmt.Errorf("certification: flush: %w", errors.Join(err, context.Cause(ctx)))
	}
	if target.Progress != nil {
		target.Progress(g.Counts())
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("certification: %w", err)
	}
	return nil
}

// sender is the state of one Produce.
type sender struct {
	generator *Generator
	target    Target
	client    *kgo.Client
	fail      context.CancelCauseFunc
	begun     time.Time
	before    int // candidates
	shown     time.Time
	stopped   atomic.Bool // the first failure is enough
}

func (s *sender) send(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.pace(ctx); err != nil {
			break
		}
		message, ok := s.generator.Next()
		if !ok {
			return nil
		}
		s.client.Produce(ctx, record(message), func(r *kgo.Record, err error) {
			if err == nil && talos.Position(r.Offset) != message.Position {
				err = fmt.Errorf("a message for position %v lies at %d: somebody else writes to the topic", message.Position, r.Offset)
			}
			if err != nil && !s.stopped.Swap(true) {
				s.fail(err)
			}
		})
	}
	return context.Cause(ctx)
}

// pace waits until the next message is due, and tells how far the workload is.
func (s *sender) pace(ctx context.Context) error {
	now := time.Now()
	if s.target.Until != nil && s.target.Until(s.generator.Counts()) {
		s.generator.Finish()
	}
	if s.target.Progress != nil && now.Sub(s.shown) >= progressEvery {
		s.shown = now
		s.target.Progress(s.generator.Counts())
	}
	if s.target.Rate <= 0 {
		return nil
	}
	due := s.begun.Add(time.Duration(float64(s.generator.Counts().Candidates-s.before) / s.target.Rate * float64(time.Second)))
	if wait := due.Sub(now); wait > time.Millisecond { // shorter waits make up for themselves
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return nil
}

func record(m Message) *kgo.Record {
	r := &kgo.Record{Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
	return r
}
