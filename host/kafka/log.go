// Package kafka is the log: it reads the certification topic as a read-committed client,
// names the log by an anchor, and publishes the resume point for others to see.
//
// It is the host's only importer of kafka-go, of which it uses the transport and the
// message types: no reader, no consumer group. What the log says is checked before it
// is believed: checksums, positions that only grow, one partition.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/segmentio/kafka-go/sasl"
)

// Log is one topic on one cluster. Its methods may be called from any goroutine; a
// long poll in one does not hold up the others, since each takes its own connection.
type Log struct {
	opts    Options
	log     *slog.Logger
	metrics *Metrics
	dialer  *dialer
	scratch sync.Pool // *scratch

	mu        sync.Mutex
	sasl      sasl.Mechanism
	transport *kafkago.Transport
	brokers   []string // those that the transport begins with
	known     []string // those of the options, and all that metadata ever named
	// life ends with Close; kafka-go's transport takes its context as a field.
	life context.Context //nolint:containedctx // what the context bounds is the log itself
	end  context.CancelFunc
}

// scratch is what one fetch works in and the next one takes over.
type scratch struct {
	frame   []byte
	decoder *decoder
}

// New returns a log that has not connected yet. It fails on settings: what Validate
// says, unreadable certificates, metrics registered twice. reg may be nil.
func New(opts Options, log *slog.Logger, reg prometheus.Registerer) (*Log, error) {
	opts.Fill()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	secured, err := opts.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	mechanism, err := opts.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("source.sasl: %w", err)
	}
	metrics, err := newMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("kafka metrics: %w", err)
	}
	l := &Log{
		opts:    opts,
		log:     log.With("component", "kafka", "topic", opts.Topic),
		metrics: metrics,
		dialer:  &dialer{opts: opts, tls: secured, open: map[*conn]struct{}{}},
		sasl:    mechanism,
	}
	l.scratch.New = func() any { return &scratch{decoder: newDecoder(opts.MaxFrame)} }
	l.known = slices.Clone(opts.Brokers)
	l.brokers = slices.Clone(l.known)
	l.life, l.end = context.WithCancel(context.Background())
	l.transport = l.newTransport()
	return l, nil
}

// newTransport returns a transport that knows nothing of the cluster yet. TLS is the
// dialer's work, so the transport is not told of it.
func (l *Log) newTransport() *kafkago.Transport {
	return &kafkago.Transport{
		Dial:           l.dialer.dial,
		DialTimeout:    l.opts.DialTimeout,
		MetadataTTL:    l.opts.MetadataTTL,
		MetadataTopics: []string{l.opts.Topic},
		ClientID:       l.opts.ClientID,
		SASL:           l.sasl,
		Context:        l.life,
	}
}

// Close ends every connection, running calls included, and returns when they are
// closed. No method may be called after it.
func (l *Log) Close() {
	l.end()
	l.mu.Lock()
	l.transport.CloseIdleConnections()
	l.mu.Unlock()
	l.dialer.close()
}

// address names the brokers to start from: also those that metadata named before, for the ones
// of the options may be gone by now.
func (l *Log) address() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return kafkago.TCP(l.brokers...)
}

// brokersMax bounds the brokers that are remembered.
const brokersMax = 64

// learn remembers brokers that metadata names. It takes effect with the next transport, for a
// transport keeps its connections by the whole list.
func (l *Log) learn(m *metadata.Response) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range m.Brokers {
		address := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
		if len(l.known) < brokersMax && !slices.Contains(l.known, address) {
			l.known = append(l.known, address)
		}
	}
}

// current returns the transport in use.
func (l *Log) current() *kafkago.Transport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transport
}

// renew replaces failed, unless another call did already. A fresh transport asks for
// the leader and connects anew, where the old one would believe its cache for a while.
func (l *Log) renew(failed *kafkago.Transport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.transport == failed && l.life.Err() == nil {
		failed.CloseIdleConnections()
		l.transport = l.newTransport()
		l.brokers = slices.Clone(l.known)
	}
}

// attempt runs one exchange with the brokers, bounded by the request time-out and
// extra. It counts and types the error, and leaves a fresh transport after one.
func (l *Log) attempt(ctx context.Context, extra time.Duration, do func(context.Context, *kafkago.Transport) error) error {
	limited, cancel := context.WithTimeout(ctx, l.opts.RequestTimeout+extra)
	defer cancel()
	t := l.current()
	err := l.classify(ctx, do(limited, t))
	if err == nil {
		return nil
	}
	if l.life.Err() != nil {
		return errClosed
	}
	l.metrics.failed(err)
	if class := ClassOf(err); class != ClassNone && class.Retryable() {
		if class == ClassRefused {
			l.rereadPassword()
		}
		l.renew(t)
	}
	return err
}

// topology asks what the transport knows of the topic. The first call connects, and
// its error tells why that failed, which kafka-go's other requests hide.
func (l *Log) topology(ctx context.Context, t *kafkago.Transport) (*metadata.Response, error) {
	got, err := t.RoundTrip(ctx, l.address(), &metadata.Request{TopicNames: []string{l.opts.Topic}})
	if err != nil {
		return nil, err
	}
	m := got.(*metadata.Response)
	l.learn(m)
	if len(m.Topics) != 1 {
		return nil, errors.New("the answer does not mention the topic")
	}
	topic := &m.Topics[0]
	if topic.ErrorCode != 0 {
		return m, kafkago.Error(topic.ErrorCode)
	}
	if len(topic.Partitions) != 1 {
		return m, &PartitionsError{Topic: l.opts.Topic, Partitions: len(topic.Partitions)}
	}
	if code := topic.Partitions[0].ErrorCode; code != 0 {
		return m, kafkago.Error(code)
	}
	return m, nil
}
