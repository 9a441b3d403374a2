package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic makes a topic. settings are the topic's, nil for none; records up
// to LargestMessage are allowed unless they say otherwise.
func (b *Broker) CreateTopic(ctx context.Context, name string, partitions int, settings map[string]string) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	all := map[string]*string{"max.message.bytes": kadm.StringPtr(strconv.Itoa(LargestMessage))}
	for k, v := range settings {
		all[k] = kadm.StringPtr(v)
	}
	if _, err := admin.CreateTopic(ctx, int32(partitions), 1, all, name); err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	// A new topic takes a moment to have a leader.
	return until(ctx, func() (bool, error) {
		listed, err := admin.ListEndOffsets(ctx, name)
		return err == nil && listed.Error() == nil && len(listed[name]) == partitions, nil
	})
}

// AlterTopic changes one of the topic's settings, and waits until the broker says the new value.
func (b *Broker) AlterTopic(ctx context.Context, name, setting, value string) error {
	admin, err := b.admin()
	if err != nil {
		return err
	}
	answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: setting, Value: &value}}, name)
	if err == nil && len(answers) == 1 {
		err = answers[0].Err
	}
	if err != nil {
		return fmt.Errorf("alter topic %s: %w", name, err)
	}
	return until(ctx, func() (bool, error) {
		described, err := admin.DescribeTopicConfigs(ctx, name)
		if err != nil || len(described) != 1 || described[0].Err != nil {
			return false, err
		}
		return slices.ContainsFunc(described[0].Configs, func(c kadm.Config) bool {
			return c.Key == setting && c.MaybeValue() == value
		}), nil
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

// Leader returns the node that leads partition 0 of a topic. It asks anew, where a client believes for a while what
// it heard.
func (b *Broker) Leader(ctx context.Context, topic string) (int32, error) {
	if _, err := b.admin(); err != nil {
		return 0, err
	}
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	answer, err := request.RequestWith(ctx, b.client)
	if err != nil {
		return 0, fmt.Errorf("leader of %s: %w", topic, err)
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) == 0 {
		return 0, fmt.Errorf("leader of %s: there is no such topic", topic)
	}
	return answer.Topics[0].Partitions[0].Leader, nil
}

// GroupOffset returns what a group has published of a topic, -1 for nothing.
func (b *Broker) GroupOffset(ctx context.Context, group, topic string) (int64, error) {
	admin, err := b.admin()
	if err != nil {
		return 0, err
	}
	all, err := admin.FetchOffsets(ctx, group)
	if err == nil {
		err = all.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	if published, found := all.Lookup(topic, 0); found {
		return published.At, nil
	}
	return -1, nil
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
