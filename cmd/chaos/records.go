package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// manyRecords sends, under traffic, what a log may hold beside what initiators and a certifier that are well write to it.
func manyRecords(ctx context.Context, w *world) error {
	return w.amid(ctx, func() error { return w.traffic.strange(ctx) })
}

// strange sends what says nothing, decisions that decide nothing, a large version, and transactions that are aborted. Each is as if it were
// not there.
func (t *traffic) strange(ctx context.Context) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	_, err := t.broker.Produce(ctx, topic, kafkatest.Uncompressed, meaningless()...)
	for _, send := range []func(context.Context) error{t.early, t.large, t.rolledBack} {
		if err == nil {
			err = send(ctx)
		}
	}
	return err
}

func typed(name string, value []byte) kafkatest.Message {
	return kafkatest.Message{Headers: []kafkatest.Header{{Name: "messageType", Value: []byte(name)}}, Value: value}
}

// meaningless is what is no candidate and no decision, and candidates that the certifier refuses.
func meaningless() []kafkatest.Message {
	candidate, decision := candidateMessage(0, []string{"0001"}, "[]").Value, decisionMessage(1, 0, true).Value
	all := []kafkatest.Message{{Value: []byte("no header")}, {Value: nil}, typed("Something", []byte("else")), typed("candidate", candidate), typed("Candidate", []byte("{}")), typed("Decision", []byte("{}"))}
	for _, is := range []struct {
		kind  string
		whole []byte
	}{{"Candidate", candidate}, {"Decision", decision}} {
		for _, bad := range [][]byte{
			nil, []byte("no JSON"), is.whole[:len(is.whole)-1], []byte(strings.Repeat("[", 100_000)),
			bytes.Replace(is.whole, []byte("chaos"), []byte("\xff"), 1),
			bytes.Replace(is.whole, []byte("{"), []byte(`{"agent":"again",`), 1),
			bytes.Replace(bytes.Replace(is.whole, []byte(`"snapshot":0`), []byte(`"snapshot":18446744073709551616`), 1), []byte(`"version":1`), []byte(`"version":18446744073709551616`), 1),
		} {
			all = append(all, typed(is.kind, bad))
		}
	}
	return all
}

// early commits a version before its candidate, and a position that is no version, which decides nothing; and then aborts the candidate,
// which it would be wrong to install.
func (t *traffic) early(ctx context.Context) error {
	end, err := t.broker.End(ctx, topic)
	if err != nil {
		return err
	}
	version := int(end) + 3
	first, err := t.broker.Produce(ctx, topic, kafkatest.Uncompressed,
		decisionMessage(version, 0, false), decisionMessage(0, 0, false), decisionMessage(int(end), 0, true), t.deposit(""))
	if err == nil && first != end {
		err = fmt.Errorf("the topic ended at %d, and what was sent next stands at %d", end, first)
	}
	if err != nil {
		return err
	}
	return t.settle(ctx, version, true)
}

// largeVersion is how much larger than others a large version is.
const largeVersion = 4 << 20

// large sends a version that is large, which is committed.
func (t *traffic) large(ctx context.Context) error {
	at, err := t.broker.Produce(ctx, topic, kafkatest.Uncompressed, t.deposit(strings.Repeat("x", largeVersion)))
	if err != nil {
		return err
	}
	return t.settle(ctx, int(at), false)
}

// deposit is a candidate that pays something in on a hot account, with a field that means nothing.
func (t *traffic) deposit(padding string) kafkatest.Message {
	keys := t.accounts[:1]
	m := candidateMessage(t.sent, keys, fmt.Sprintf(`[{"DEPOSIT":{"account":%q,"amount":1}}]`, keys[0]))
	m.Value = bytes.Replace(m.Value, []byte("{"), fmt.Appendf(nil, `{"padding":%q,`, padding), 1)
	t.sent++
	return m
}

// settle decides the deposit at a position.
func (t *traffic) settle(ctx context.Context, version int, abort bool) error {
	d := decided{version: version, before: int(t.last.Load()), accounts: t.accounts[:1], abort: abort}
	t.certify(&d)
	t.last.Store(int64(version))
	_, err := t.decide(ctx, []decided{d}, 0)
	return err
}

// aborted is how many records of a transaction that is aborted stand between two that may be read.
const aborted = 500

// rolledBack sends candidates and decisions about them in a transaction that is aborted, which leaves a gap, and begins one with one record.
func (t *traffic) rolledBack(ctx context.Context) error {
	end, err := t.broker.End(ctx, topic)
	if err != nil {
		return err
	}
	var messages []kafkatest.Message
	for i := range aborted / 2 {
		messages = append(messages, t.deposit(""), decisionMessage(int(end)+2*i, 0, false))
	}
	for _, sent := range [][]kafkatest.Message{messages, messages[:1]} {
		held, err := t.broker.Begin(topic, "rolled back")
		if err == nil {
			_, err = held.Produce(ctx, sent...)
		}
		if err == nil {
			err = held.Abort(ctx)
		}
		if err != nil {
			return errors.Join(errors.New("a transaction that is aborted"), err)
		}
	}
	return nil
}
