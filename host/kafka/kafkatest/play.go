package kafkatest

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Recorded is one entry of a recorded log.
type Recorded struct {
	Offset int64
	Message
	Aborted bool // a record of an aborted transaction
	Marker  bool // a transaction marker: no message
}

// Play appends a recorded log to a topic so that every record gets the offset that it
// was recorded at; the topic's end must be at or below the first. Offsets that the log
// lacks are filled with what a read-committed reader passes over: markers and aborted
// records. It fails when a record lands elsewhere, which means that somebody else produces too.
func (b *Broker) Play(ctx context.Context, topic string, log []Recorded) error {
	largest := 0
	for i := range log {
		largest = max(largest, log[i].size())
	}
	producer, err := b.newProducer(topic, Uncompressed, largest)
	if err != nil {
		return err
	}
	defer producer.Close()
	p := player{broker: b, topic: topic, producer: producer}
	if p.next, err = b.End(ctx, topic); err != nil {
		return err
	}
	for i := 0; i < len(log); {
		n, err := p.entry(ctx, log[i:])
		if err != nil {
			return fmt.Errorf("play offset %d: %w", log[i].Offset, err)
		}
		i += n
	}
	if p.open != nil {
		return p.open.Abort(ctx)
	}
	return nil
}

// player is the state of one Play.
type player struct {
	broker   *Broker
	topic    string
	producer *Producer
	next     int64
	open     *Transaction // of aborted records, until the next marker
}

// playBatch is how many records are produced together.
const playBatch = 4096

// entry plays the first entries of log that can be produced together; it returns how many.
func (p *player) entry(ctx context.Context, log []Recorded) (int, error) {
	first := &log[0]
	if first.Offset < p.next {
		return 0, fmt.Errorf("the topic is already at %d", p.next)
	}
	if err := p.fill(ctx, first.Offset-p.next); err != nil {
		return 0, err
	}
	switch {
	case first.Marker:
		return 1, p.marker(ctx)
	case first.Aborted:
		return 1, p.aborted(ctx, first)
	default:
		return p.run(ctx, log)
	}
}

// run produces the records that follow one another.
func (p *player) run(ctx context.Context, log []Recorded) (int, error) {
	var messages []Message
	for i := range log {
		if r := &log[i]; r.Marker || r.Aborted || r.Offset != p.next+int64(i) || i == playBatch {
			break
		}
		messages = append(messages, log[i].Message)
	}
	first, err := p.producer.Produce(ctx, messages...)
	return len(messages), p.landed(first, len(messages), err)
}

func (p *player) aborted(ctx context.Context, r *Recorded) (err error) {
	if p.open == nil {
		if p.open, err = p.broker.Begin(p.topic, "play-"+p.topic); err != nil {
			return err
		}
	}
	first, err := p.open.Produce(ctx, r.Message)
	return p.landed(first, 1, err)
}

// marker ends the open transaction, or writes the marker of an empty one.
func (p *player) marker(ctx context.Context) error {
	if p.open == nil {
		return p.fill(ctx, 1)
	}
	err := p.open.Abort(ctx)
	p.open = nil
	p.next++
	return err
}

// landed checks that n records went to where they belong.
func (p *player) landed(first int64, n int, err error) error {
	if err == nil && first != p.next {
		err = fmt.Errorf("landed at %d", first)
	}
	p.next += int64(n)
	return err
}

// fill makes the log n offsets longer without a record to read.
func (p *player) fill(ctx context.Context, n int64) error {
	if n <= 0 {
		return nil
	}
	p.next += n
	if n == 1 {
		return p.broker.emptyTransaction(ctx, p.topic)
	}
	gap, err := p.broker.Begin(p.topic, "gap-"+p.topic)
	if err != nil {
		return err
	}
	filler := make([]Message, min(n-1, playBatch))
	for left := n - 1; left > 0; left -= int64(len(filler)) {
		filler = filler[:min(left, int64(len(filler)))]
		if _, err := gap.Produce(ctx, filler...); err != nil {
			return errors.Join(err, gap.Abort(ctx))
		}
	}
	return gap.Abort(ctx)
}

// emptyTransaction writes the marker of a transaction without records: one offset.
func (b *Broker) emptyTransaction(ctx context.Context, topic string) error {
	before, err := b.End(ctx, topic)
	if err != nil {
		return err
	}
	client, err := b.newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := until(ctx, func() (bool, error) {
		err := endEmpty(ctx, client, topic)
		if errors.Is(err, kerr.ConcurrentTransactions) {
			return false, nil // the last one's markers are still being written
		}
		return err == nil, err
	}); err != nil {
		return fmt.Errorf("empty transaction on %s: %w", topic, err)
	}
	return b.grown(ctx, topic, before+1)
}

// endEmpty begins a transaction, adds the partition to it and commits.
func endEmpty(ctx context.Context, client *kgo.Client, topic string) error {
	id := "empty-" + topic
	begin := kmsg.NewPtrInitProducerIDRequest()
	begin.TransactionalID, begin.TransactionTimeoutMillis = &id, 60_000
	began, err := begin.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(began.ErrorCode); err != nil {
		return err
	}
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch = id, began.ProducerID, began.ProducerEpoch
	added := kmsg.NewAddPartitionsToTxnRequestTopic()
	added.Topic, added.Partitions = topic, []int32{0}
	add.Topics = append(add.Topics, added)
	with, err := add.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range with.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = id, began.ProducerID, began.ProducerEpoch, true
	ended, err := end.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(ended.ErrorCode)
}
