package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds a whole case; nothing is measured against it.
const patience = 2 * time.Minute

// stage is what a case runs on: a broker and a topic of its own.
type stage struct {
	*testing.T
	ctx    context.Context
	apache *kafkatest.Broker // nil: each case gets embedded brokers
	topic  string
}

func newStage(t *testing.T, apache *kafkatest.Broker) *stage {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' || r == ',' {
			return '-'
		}
		return r
	}, t.Name())
	return &stage{T: t, ctx: ctx, apache: apache, topic: name}
}

// broker returns a running broker that has such a listener.
func (s *stage) broker(l kafkatest.Listener) *kafkatest.Broker {
	s.Helper()
	if s.apache != nil {
		return s.apache
	}
	b, err := kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{Listener: l})
	s.must(err)
	s.Cleanup(func() { s.must(b.Stop()) })
	return b
}

// ready returns a broker and the stage's topic with one partition on it.
func (s *stage) ready() *kafkatest.Broker {
	s.Helper()
	b := s.broker(kafkatest.Plain)
	s.must(b.CreateTopic(s.ctx, s.topic, 1, nil))
	return b
}

// open returns a log on the stage's topic that is closed at the end.
func (s *stage) open(b *kafkatest.Broker, l kafkatest.Listener, change ...func(*kafka.Options)) *kafka.Log {
	s.Helper()
	opts := kafka.Options{
		Brokers:    []string{b.Addr(l)},
		Topic:      s.topic,
		MaxWait:    100 * time.Millisecond,
		BackoffMin: time.Millisecond,
		BackoffMax: 50 * time.Millisecond,
	}
	for _, c := range change {
		c(&opts)
	}
	log, err := kafka.New(opts, discard(), nil)
	s.must(err)
	s.Cleanup(log.Close)
	return log
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// seen is what a reader got between two positions.
type seen struct {
	records                []kafka.Record
	aborted, markers, gaps int
	last                   kafka.Batch
}

// read fetches from one position until the next one is at least to.
func (s *stage) read(log *kafka.Log, from, to talos.Position) seen {
	s.Helper()
	var got seen
	for next := from; next < to; {
		b, err := log.Fetch(s.ctx, next)
		s.must(err)
		got.records = append(got.records, b.Records...)
		got.aborted += b.Aborted
		got.markers += b.Markers
		got.gaps += b.Gaps
		got.last = b
		next = b.Next
	}
	return got
}

// values returns the records as "position=value".
func (g seen) values() []string {
	var out []string
	for _, r := range g.records {
		out = append(out, fmt.Sprintf("%d=%s", r.Position, r.Value))
	}
	return out
}

func (s *stage) equal(what string, got, want any) {
	s.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		s.Fatalf("%s: got %s, want %s", what, g, w)
	}
}

// produce appends one message a value.
func (s *stage) produce(b *kafkatest.Broker, values ...string) {
	s.Helper()
	_, err := b.Produce(s.ctx, s.topic, kafkatest.Uncompressed, messages(values...)...)
	s.must(err)
}

func messages(values ...string) []kafkatest.Message {
	out := make([]kafkatest.Message, len(values))
	for i, v := range values {
		out[i] = kafkatest.Message{Value: []byte(v)}
	}
	return out
}

// startApache returns the one Apache Kafka that all cases share.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
