package kafka

import (
	"context"
	"errors"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Publish writes the resume point as the group's offset, for lag tools and for others to
// take over from. The host never reads it back, so a failure costs nothing but that.
// It is without effect when no group is set. A coordinator that is still loading is
// asked again until the request time-out; other failures are returned at once.
func (l *Log) Publish(ctx context.Context, next talos.Position) error {
	if l.opts.Group == "" {
		return nil
	}
	err := l.attempt(ctx, 0, func(ctx context.Context, t *kafkago.Transport) error {
		return l.whileLoading(ctx, func() error { return l.commit(ctx, t, next) })
	})
	if err == nil {
		l.metrics.published.Set(float64(next))
	}
	return err
}

// Published returns what the group says, and whether it says anything. It is for status
// and tests: the resume point is in the database.
func (l *Log) Published(ctx context.Context) (talos.Position, bool, error) {
	if l.opts.Group == "" {
		return 0, false, nil
	}
	offset := int64(-1)
	err := l.attempt(ctx, 0, func(ctx context.Context, t *kafkago.Transport) error {
		return l.whileLoading(ctx, func() (err error) {
			offset, err = l.committed(ctx, t)
			return err
		})
	})
	return talos.Position(max(offset, 0)), err == nil && offset >= 0, err
}

// whileLoading repeats do while the group's coordinator is not ready: a broker's first
// answers after its start.
func (l *Log) whileLoading(ctx context.Context, do func() error) error {
	for failures := 0; ; failures++ {
		err := do()
		var code kafkago.Error
		if !errors.As(err, &code) {
			return err
		}
		switch code {
		case kafkago.GroupLoadInProgress, kafkago.GroupCoordinatorNotAvailable, kafkago.NotCoordinatorForGroup:
		default:
			return err
		}
		if sleep(ctx, l.pause(failures)) != nil {
			return err
		}
	}
}

// coordinator asks who the group's coordinator is. kafka-go asks too, but drops the
// error code of the answer.
func (l *Log) coordinator(ctx context.Context, t *kafkago.Transport) error {
	if _, err := l.topology(ctx, t); err != nil {
		return err
	}
	got, err := t.RoundTrip(ctx, l.address(), &findcoordinator.Request{Key: l.opts.Group})
	if err != nil {
		return err
	}
	if code := got.(*findcoordinator.Response).ErrorCode; code != 0 {
		return kafkago.Error(code)
	}
	return nil
}

// commit sends the offset as a client that is no member of the group.
func (l *Log) commit(ctx context.Context, t *kafkago.Transport, next talos.Position) error {
	if err := l.coordinator(ctx, t); err != nil {
		return err
	}
	got, err := t.RoundTrip(ctx, l.address(), &offsetcommit.Request{
		GroupID:         l.opts.Group,
		GenerationID:    -1,
		RetentionTimeMs: -1,
		Topics: []offsetcommit.RequestTopic{{
			Name:       l.opts.Topic,
			Partitions: []offsetcommit.RequestPartition{{CommittedOffset: int64(next), CommittedLeaderEpoch: -1}},
		}},
	})
	if err != nil {
		return err
	}
	for _, topic := range got.(*offsetcommit.Response).Topics {
		for _, p := range topic.Partitions {
			if p.ErrorCode != 0 {
				return kafkago.Error(p.ErrorCode)
			}
		}
	}
	return nil
}

// groupIDNotFound is what some brokers answer for a group that never was.
const groupIDNotFound = kafkago.Error(69)

// committed returns the group's offset, -1 for none.
func (l *Log) committed(ctx context.Context, t *kafkago.Transport) (int64, error) {
	if err := l.coordinator(ctx, t); err != nil {
		return -1, err
	}
	got, err := t.RoundTrip(ctx, l.address(), &offsetfetch.Request{
		GroupID: l.opts.Group,
		Topics:  []offsetfetch.RequestTopic{{Name: l.opts.Topic, PartitionIndexes: []int32{0}}},
	})
	if err != nil {
		return -1, err
	}
	m := got.(*offsetfetch.Response)
	code, offset := kafkago.Error(m.ErrorCode), int64(-1)
	for _, topic := range m.Topics {
		for _, p := range topic.Partitions {
			offset = p.CommittedOffset
			if p.ErrorCode != 0 {
				code = kafkago.Error(p.ErrorCode)
			}
		}
	}
	switch code {
	case 0:
		return offset, nil
	case groupIDNotFound:
		return -1, nil
	default:
		return -1, code
	}
}
