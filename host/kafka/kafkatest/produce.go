package kafkatest

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Header is one header of a message; a nil Value is null on the wire.
type Header struct {
	Name  string
	Value []byte
}

// Message is what is produced. A nil Key or Value is null on the wire; a zero Time is now.
type Message struct {
	Time    time.Time
	Key     []byte
	Value   []byte
	Headers []Header
}

// Compression is how the records of a batch are packed.
type Compression string

// The compressions that Kafka knows.
const (
	Uncompressed Compression = "none"
	Gzip         Compression = "gzip"
	Snappy       Compression = "snappy"
	LZ4          Compression = "lz4"
	Zstd         Compression = "zstd"
)

// codec returns the client's word for c; Uncompressed is also the empty string.
func (c Compression) codec() kgo.CompressionCodec {
	switch c {
	case Gzip:
		return kgo.GzipCompression()
	case Snappy:
		return kgo.SnappyCompression()
	case LZ4:
		return kgo.Lz4Compression()
	case Zstd:
		return kgo.ZstdCompression()
	default:
		return kgo.NoCompression()
	}
}

// Produce appends messages in their order to partition 0 and returns the offset of the first.
func (b *Broker) Produce(ctx context.Context, topic string, c Compression, messages ...Message) (int64, error) {
	largest := 0
	for i := range messages {
		largest = max(largest, messages[i].size())
	}
	p, err := b.newProducer(topic, c, largest)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	return p.Produce(ctx, messages...)
}

// Producer appends to partition 0 of a topic over one connection.
type Producer struct {
	client *kgo.Client
	topic  string
}

// NewProducer returns a producer for messages of up to a megabyte, to be closed by the caller.
func (b *Broker) NewProducer(topic string, c Compression) (*Producer, error) {
	return b.newProducer(topic, c, 0)
}

func (b *Broker) newProducer(topic string, c Compression, largest int) (*Producer, error) {
	client, err := b.newClient(producing(c, largest)...)
	if err != nil {
		return nil, err
	}
	return &Producer{client: client, topic: topic}, nil
}

// usualBatch is what producers put in one batch, as they do by default.
const usualBatch = 1_000_000

// producing returns a producer's options for messages of up to largest bytes.
func producing(c Compression, largest int) []kgo.Opt {
	return []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(c.codec()),
		kgo.ProducerBatchMaxBytes(int32(max(usualBatch, largest+4096))),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1 << 20),
	}
}

// Produce appends messages in their order, waits until they are acknowledged and returns the
// offset of the first.
func (p *Producer) Produce(ctx context.Context, messages ...Message) (int64, error) {
	records := make([]*kgo.Record, len(messages))
	for i := range messages {
		records[i] = messages[i].record(p.topic)
	}
	results := p.client.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return 0, fmt.Errorf("produce to %s: %w", p.topic, err)
	}
	if len(records) == 0 {
		return 0, nil
	}
	return records[0].Offset, nil
}

// Close ends the producer's connection.
func (p *Producer) Close() { p.client.Close() }

// size returns how many bytes the message takes, without what frames them.
func (m *Message) size() int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

func (m *Message) record(topic string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Key: m.Key, Value: m.Value, Timestamp: m.Time}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
	return r
}

// Transaction is a producer's open transaction on partition 0 of one topic.
type Transaction struct {
	broker   *Broker
	producer Producer
}

// Begin opens a transaction under a transactional id; an older one under the same id is
// fenced. End it with Commit or Abort.
func (b *Broker) Begin(topic, id string) (*Transaction, error) {
	client, err := b.newClient(append(producing(Uncompressed, 0), kgo.TransactionalID(id))...)
	if err != nil {
		return nil, err
	}
	if err := client.BeginTransaction(); err != nil {
		client.Close()
		return nil, err
	}
	return &Transaction{broker: b, producer: Producer{client: client, topic: topic}}, nil
}

// Produce appends messages to the transaction, as Producer.Produce.
func (t *Transaction) Produce(ctx context.Context, messages ...Message) (int64, error) {
	first, err := t.producer.Produce(ctx, messages...)
	if err != nil {
		return 0, err
	}
	// The client hands the first records of a topic to their broker before it keeps the topic's partitions. Where
	// it is told to commit between the two, it finds no partition that it produced to, and aborts without an error.
	return first, until(ctx, func() (bool, error) {
		leader, _, err := t.producer.client.PartitionLeader(t.producer.topic, 0)
		return leader >= 0, err
	})
}

// Commit ends the transaction and waits until its marker is in the log.
func (t *Transaction) Commit(ctx context.Context) error { return t.end(ctx, kgo.TryCommit) }

// Abort ends the transaction so that its records are not to be read, and waits until its
// marker is in the log.
func (t *Transaction) Abort(ctx context.Context) error { return t.end(ctx, kgo.TryAbort) }

// end waits for the log to grow: brokers acknowledge the end of a transaction before
// the marker is written. Nothing else may be produced to the topic meanwhile.
func (t *Transaction) end(ctx context.Context, how kgo.TransactionEndTry) error {
	defer t.producer.Close()
	before, err := t.broker.End(ctx, t.producer.topic)
	if err != nil {
		return err
	}
	if err := t.producer.client.EndTransaction(ctx, how); err != nil {
		return fmt.Errorf("end transaction on %s: %w", t.producer.topic, err)
	}
	return t.broker.grown(ctx, t.producer.topic, before+1)
}

// grown waits until the topic's high watermark is at least end.
func (b *Broker) grown(ctx context.Context, topic string, end int64) error {
	return until(ctx, func() (bool, error) {
		now, err := b.End(ctx, topic)
		return err == nil && now >= end, nil
	})
}
