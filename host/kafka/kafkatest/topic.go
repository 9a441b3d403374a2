package kafkatest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
)

// CreateTopic makes a topic. configs are the topic's settings, nil for none; records up
// to LargestMessage are allowed unless they say otherwise.
func (b *Broker) CreateTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	settings := map[string]*string{"max.message.bytes": kadm.StringPtr(strconv.Itoa(LargestMessage))}
	for k, v := range configs {
		settings[k] = kadm.StringPtr(v)
	}
	if _, err := admin.CreateTopic(ctx, int32(partitions), 1, settings, name); err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	// A new topic takes a moment to have a leader.
	return until(ctx, func() (bool, error) {
		listed, err := admin.ListEndOffsets(ctx, name)
		return err == nil && listed.Error() == nil && len(listed[name]) == partitions, nil
	})
}

// DeleteTopic deletes a topic and waits until it is gone.
func (b *Broker) DeleteTopic(ctx context.Context, name string) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	if _, err := admin.DeleteTopic(ctx, name); err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	return until(ctx, func() (bool, error) {
		topics, err := admin.ListTopics(ctx, name)
		return err == nil && !topics.Has(name), nil
	})
}

// DeleteRecordsBefore makes offset the topic's first, as retention would.
func (b *Broker) DeleteRecordsBefore(ctx context.Context, topic string, offset int64) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, At: offset, LeaderEpoch: -1})
	answers, err := admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return fmt.Errorf("delete records of %s: %w", topic, err)
	}
	return nil
}

// End returns the topic's high watermark.
func (b *Broker) End(ctx context.Context, topic string) (int64, error) {
	admin, err := b.admin()
	if err != nil {
		return 0, err
	}
	listed, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("end of %s: %w", topic, err)
	}
	end, _ := listed.Lookup(topic, 0)
	return end.Offset, nil
}

// StableEnd returns the offset below which no transaction is open.
func (b *Broker) StableEnd(ctx context.Context, topic string) (int64, error) {
	admin, err := b.admin()
	if err != nil {
		return 0, err
	}
	listed, err := admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("stable end of %s: %w", topic, err)
	}
	end, _ := listed.Lookup(topic, 0)
	return end.Offset, nil
}
