package transcript

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Read reads partition 0 of the topic from its beginning to the end that it has now, without
// the records of aborted Kafka transactions. understand is NewLog's.
func Read(ctx context.Context, brokers []string, topic string, understand func(Item) error) (*Log, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last record may be one
	)
	if err != nil {
		return nil, fmt.Errorf("transcript: connect: %w", err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("transcript: end of %s: %w", topic, err)
	}
	end, ok := ends.Lookup(topic, 0)
	if !ok {
		return nil, fmt.Errorf("transcript: topic %s has no partition 0", topic)
	}
	log := NewLog(understand)
	if err := readTo(ctx, client, end.Offset, log); err != nil {
		return nil, fmt.Errorf("transcript: read %s: %w", topic, err)
	}
	log.End = talos.Position(end.Offset)
	return log, nil
}

func readTo(ctx context.Context, client *kgo.Client, end int64, log *Log) error {
	for next := int64(0); next < end; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			next = r.Offset + 1
			if r.Attrs.IsControl() || r.Offset >= end {
				continue
			}
			log.Add(Record{talos.Position(r.Offset), messageType(r), r.Value})
		}
	}
	return nil
}

// messageType returns the last header of that name that has a value.
func messageType(r *kgo.Record) (name string) {
	for _, h := range r.Headers {
		if h.Key == "messageType" && h.Value != nil {
			name = string(h.Value)
		}
	}
	return name
}
