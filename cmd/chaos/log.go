package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/status"
)

// logFaults are the faults of a log that answers, and hides what it has.
var logFaults = []fault{
	{"a stranger's transaction stays open", 1, strangers, false, lasting(holdLog)},
	{"a stranger's transaction stays open, with nothing to do", 1, strangers, false, holdIdleLog},
	{"records that say nothing", 1, nil, false, manyRecords},
	{"the topic is compacted", 1, ends, false, compactTopic},
}

var strangers = []status.Reason{status.OpenTransaction}

// stranger is the transactional id of another client.
const stranger = "a stranger"

// holdLog has another client keep a transaction open for a while, so that nobody may read what comes after.
func holdLog(ctx context.Context, w *world, d time.Duration) error {
	broker := kafkatest.Elsewhere(w.broker.other)
	held, err := broker.Begin(topic, stranger)
	if err != nil {
		return err
	}
	_, err = held.Produce(ctx, kafkatest.Message{Value: []byte("not yet")})
	err = errors.Join(err, hosttest.Sleep(ctx, d))
	w.over = time.Now()
	return errors.Join(err, held.Abort(ctx), broker.Stop())
}

// holdIdleLog does so when all is installed: nothing that is decided waits, and the host says it nevertheless.
func holdIdleLog(ctx context.Context, w *world) error {
	if err := errors.Join(hosttest.Sleep(ctx, time.Second), w.settles(ctx)); err != nil { // after the batch
		return err
	}
	return errors.Join(holdLog(ctx, w, long), w.hasSaid(status.OpenTransaction))
}

const (
	// policySetting is the topic's setting that says what the brokers take out of it.
	policySetting = "cleanup.policy"
	// policyEvery is how often a host that runs asks for it.
	policyEvery = time.Minute
)

// compactTopic has the brokers compact the topic under a host that runs. It ends when it asks the next time, and says why, for
// what it has not read yet may go; so does each start until the policy is set back, and none takes the cohort over. The cleaner of
// these brokers comes once an hour, so nothing is taken meanwhile and nothing may be missing in the end.
func compactTopic(ctx context.Context, w *world) error {
	policy := []string{"compact", "compact,delete"}[w.random.IntN(2)]
	broker := kafkatest.Elsewhere(w.broker.other)
	if err := broker.AlterTopic(ctx, topic, policySetting, policy); err != nil {
		return errors.Join(err, broker.Stop())
	}
	why := fmt.Sprintf("has %s=%s", policySetting, policy)
	err := w.amid(ctx, func() error {
		err := w.endsBy(ctx, policyEvery+w.options.Patience, fmt.Sprintf("%s: topic %q %s", logCompacted, topic, why))
		if err == nil {
			err = w.startIsRefused(ctx, why)
		}
		return errors.Join(err, broker.AlterTopic(ctx, topic, policySetting, "delete"))
	})
	if err == nil {
		w.over = time.Now()
		err = w.host.Start()
	}
	return errors.Join(err, broker.Stop())
}

// hasSaid checks that a host said a reason since the fault began.
func (w *world) hasSaid(reason status.Reason) error {
	if !w.ready.heard(reason) {
		return violated("no host said %s", reason)
	}
	return nil
}
