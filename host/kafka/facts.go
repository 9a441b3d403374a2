package kafka

import (
	"context"
	"errors"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Facts are what the brokers say of the log.
type Facts struct {
	ClusterID  string
	Partitions int
	Start      talos.Position // the first position that can be read
	End        talos.Position // the high watermark: one above the last record
	StableEnd  talos.Position // below it no transaction is open; at most End
	// Cleanup is the topic's cleanup.policy; empty where the brokers do not let us ask.
	Cleanup string
}

// Facts asks the brokers anew. With a PartitionsError the cluster and the number of
// partitions are filled in, with other errors nothing is to be relied on. A topic that is
// compacted is a CompactedError.
func (l *Log) Facts(ctx context.Context) (Facts, error) {
	l.renew(l.current())
	var facts Facts
	err := l.attempt(ctx, 0, func(ctx context.Context, t *kafkago.Transport) (err error) {
		facts, err = l.facts(ctx, t)
		return err
	})
	return facts, err
}

func (l *Log) facts(ctx context.Context, t *kafkago.Transport) (Facts, error) {
	var facts Facts
	m, err := l.topology(ctx, t)
	if m != nil {
		facts.ClusterID, facts.Partitions = m.ClusterID, partitionsOf(m)
	}
	if err != nil {
		return facts, err
	}
	if facts.Cleanup, err = l.cleanup(ctx, t); err != nil {
		return facts, err
	}
	if strings.Contains(facts.Cleanup, "compact") {
		return facts, &CompactedError{Topic: l.opts.Topic, Policy: facts.Cleanup}
	}
	if facts.Start, err = l.edge(ctx, t, firstOffset, readUncommitted); err != nil {
		return facts, err
	}
	if facts.StableEnd, err = l.edge(ctx, t, lastOffset, readCommitted); err != nil {
		return facts, err
	}
	// The end is asked last, so that it is not below the stable end.
	facts.End, err = l.edge(ctx, t, lastOffset, readUncommitted)
	return facts, err
}

// topicResource is the protocol's number for a topic among the things that have settings.
const topicResource = 2

// cleanup returns the topic's cleanup.policy, and nothing where the brokers do not allow the
// question.
func (l *Log) cleanup(ctx context.Context, t *kafkago.Transport) (string, error) {
	got, err := t.RoundTrip(ctx, l.address(), &describeconfigs.Request{Resources: []describeconfigs.RequestResource{
		{ResourceType: topicResource, ResourceName: l.opts.Topic, ConfigNames: []string{"cleanup.policy"}},
	}})
	if err != nil {
		return "", err
	}
	for _, r := range got.(*describeconfigs.Response).Resources {
		switch code := kafkago.Error(r.ErrorCode); code {
		case 0:
		case kafkago.TopicAuthorizationFailed, kafkago.ClusterAuthorizationFailed:
			return "", nil
		default:
			return "", code
		}
		for _, entry := range r.ConfigEntries {
			if entry.ConfigName == "cleanup.policy" {
				return entry.ConfigValue, nil
			}
		}
	}
	return "", nil
}

func partitionsOf(m *metadata.Response) int {
	if len(m.Topics) == 0 {
		return 0
	}
	return len(m.Topics[0].Partitions)
}

// The protocol's numbers for ListOffsets and for isolation levels.
const (
	firstOffset = -2
	lastOffset  = -1

	readUncommitted = 0
	readCommitted   = 1
)

// edge asks for the first or the last position of the log.
func (l *Log) edge(ctx context.Context, t *kafkago.Transport, which int64, isolation int8) (talos.Position, error) {
	got, err := t.RoundTrip(ctx, l.address(), &listoffsets.Request{
		ReplicaID:      -1,
		IsolationLevel: isolation,
		Topics: []listoffsets.RequestTopic{{
			Topic:      l.opts.Topic,
			Partitions: []listoffsets.RequestPartition{{CurrentLeaderEpoch: -1, Timestamp: which}},
		}},
	})
	if err != nil {
		return 0, err
	}
	topics := got.(*listoffsets.Response).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return 0, errors.New("list offsets: not one topic and partition in the answer")
	}
	p := topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return 0, kafkago.Error(p.ErrorCode)
	}
	return talos.Position(p.Offset), nil
}

// bounds returns why a position is out of range: a TruncatedError below the log, a DivergedError
// above it.
func (l *Log) bounds(ctx context.Context, t *kafkago.Transport, asked talos.Position) error {
	start, err := l.edge(ctx, t, firstOffset, readUncommitted)
	if err != nil {
		return err
	}
	end, err := l.edge(ctx, t, lastOffset, readUncommitted)
	if err != nil {
		return err
	}
	switch {
	case asked < start:
		return &TruncatedError{Asked: asked, Start: start}
	case asked > end:
		return &DivergedError{Asked: asked, End: end}
	default:
		return kafkago.OffsetOutOfRange // it came back into range between the two questions
	}
}
