package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// traffic writes candidates and their decisions. Nobody else writes to the topic, so a candidate's version
// is known before its decision is.
type traffic struct {
	sending  sync.Mutex // a batch at a time
	broker   *kafkatest.Broker
	random   *rand.Rand
	accounts []string
	sent     int            // candidates, for their xids
	touched  map[string]int // by account: the last committed version
	last     atomic.Int64   // the highest version; who waits for it reads it meanwhile
	decided  atomic.Int64   // the highest version up to which the log has every decision
}

// chunk is how many candidates are sent before decisions come between.
const chunk = 10

// decided is a candidate that was sent, and what became of it, in the order of versions.
type decided struct {
	version   int
	before    int // the version below
	accounts  []string
	abort     bool
	safepoint int // the highest committed version below that touches one of the accounts
}

// certify decides a candidate as the certifier does, which goes by versions.
func (t *traffic) certify(d *decided) {
	for _, a := range d.accounts {
		d.safepoint = max(d.safepoint, t.touched[a])
	}
	if d.abort {
		return
	}
	for _, a := range d.accounts {
		t.touched[a] = d.version
	}
}

// begin takes position 0, which is never a version, and sends a first few.
func (t *traffic) begin(ctx context.Context) error {
	_, err := t.broker.Produce(ctx, topic, kafkatest.Uncompressed, kafkatest.Message{Value: []byte("{}")})
	if err != nil {
		return err
	}
	return t.batch(ctx, chunk, 0)
}

// batch sends candidates over some time, and then whatever decisions are left. Decisions come late and
// shuffled, some are repeated, and some contradict the first, which binds. It waits for a batch that another sends.
func (t *traffic) batch(ctx context.Context, candidates int, over time.Duration) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	var open []decided
	chunks := (candidates + chunk - 1) / chunk
	for range chunks {
		first, sent, err := t.candidates(ctx)
		if err != nil {
			return err
		}
		for i := range sent {
			sent[i].version, sent[i].before = first+i, int(t.last.Load())
			t.certify(&sent[i])
			t.last.Store(int64(sent[i].version))
		}
		open = append(open, sent...)
		keep := t.random.IntN(2 * chunk)
		if open, err = t.decide(ctx, open, keep); err != nil {
			return err
		}
		if err := hosttest.Sleep(ctx, over/time.Duration(chunks)); err != nil {
			return err
		}
	}
	_, err := t.decide(ctx, open, 0)
	return err
}

func (t *traffic) candidates(ctx context.Context) (first int, sent []decided, err error) {
	var messages []kafkatest.Message
	for range chunk {
		from, to := t.random.IntN(len(t.accounts)), t.random.IntN(len(t.accounts)-1)
		if to >= from {
			to++
		}
		if t.random.IntN(4) == 0 { // a few accounts are hot
			from = t.random.IntN(2)
			to = 2 + t.random.IntN(2)
		}
		a, b := t.accounts[from], t.accounts[to]
		statemap := fmt.Sprintf(`[{"TRANSFER":{"from":%q,"to":%q,"amount":%d}}]`, a, b, 1+t.random.IntN(500))
		keys := []string{a, b}
		if t.random.IntN(5) == 0 {
			statemap, keys = fmt.Sprintf(`[{"DEPOSIT":{"account":%q,"amount":%d}}]`, a, 1+t.random.IntN(500)), keys[:1]
		}
		messages = append(messages, candidateMessage(t.sent, keys, statemap))
		sent = append(sent, decided{accounts: keys, abort: t.random.IntN(10) == 0})
		t.sent++
	}
	at, err := t.broker.Produce(ctx, topic, kafkatest.Uncompressed, messages...)
	return int(at), sent, err
}

// decide sends decisions about all but so many of the open candidates, nearly in their order, and returns
// the rest.
func (t *traffic) decide(ctx context.Context, open []decided, keep int) ([]decided, error) {
	var messages []kafkatest.Message
	for len(open) > keep {
		i := t.random.IntN(min(len(open), 4))
		d := open[i]
		open = append(open[:i:i], open[i+1:]...)
		messages = append(messages, decisionMessage(d.version, d.safepoint, d.abort))
		switch t.random.IntN(30) {
		case 0:
			messages = append(messages, decisionMessage(d.version, d.safepoint, d.abort))
		case 1:
			messages = append(messages, decisionMessage(d.version, d.safepoint, !d.abort))
		}
	}
	if len(messages) == 0 {
		return open, nil
	}
	_, err := t.broker.Produce(ctx, topic, kafkatest.Uncompressed, messages...)
	switch {
	case err != nil:
	case len(open) > 0:
		t.decided.Store(int64(open[0].before))
	default:
		t.decided.Store(t.last.Load())
	}
	return open, err
}

func candidateMessage(n int, keys []string, statemap string) kafkatest.Message {
	set := fmt.Sprintf("%q", keys[0])
	if len(keys) > 1 {
		set += fmt.Sprintf(",%q", keys[1])
	}
	return kafkatest.Message{Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Candidate")}}, Value: fmt.Appendf(nil,
		`{"xid":"00000000-0000-4000-8000-%012d","agent":"chaos","cohort":"bank","readset":[%s],"readvers":[],"snapshot":0,"writeset":[%s],"statemap":%s,"publishedAt":1}`, n, set, set, statemap)}
}

func decisionMessage(version, safepoint int, abort bool) kafkatest.Message {
	outcome := fmt.Sprintf(`"decision":"committed","safepoint":%d`, safepoint)
	if abort {
		outcome = `"decision":"aborted"`
	}
	return kafkatest.Message{Headers: []kafkatest.Header{{Name: "messageType", Value: []byte("Decision")}}, Value: fmt.Appendf(nil,
		`{"xid":"00000000-0000-4000-8000-000000000000","agent":"chaos","cohort":"bank",%s,"suffixStart":1,"version":%d,"metrics":{"candidatePublished":1,"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}}`, outcome, version)}
}
