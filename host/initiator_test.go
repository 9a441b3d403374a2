package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// A cohort's initiator installs what it asked for itself, beside the host: whoever is first wins,
// no version counts twice, and neither keeps the other out. Each is first at times.
func TestBesideAnInitiator(t *testing.T) {
	const accounts, batch, batches = 20, 20, 100
	b := newBank(t, accounts)
	b.options.Core.Lanes, b.options.Core.GroupMax = 4, 16
	beside := initiator.New(initiator.Options{Brokers: []string{b.broker.Addr(kafkatest.Plain)}, Topic: b.topic, Database: b.db.DSN})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- beside.Run(ctx) }()
	b.start().shows("/readyz", `"ready":true`)

	random := rand.New(rand.NewPCG(1, 2))
	next := b.send(message("Other", "the first position is no version")) + 1
	last, balance := map[int]int{}, map[int]int{}
	for n := 0; n < batches || n < 10*batches && beside.Stats().Installed == 0; n++ {
		var messages []kafkatest.Message
		for i := range batch {
			from, to := 1+random.IntN(accounts), 1+random.IntN(accounts-1)
			if to >= from {
				to++
			}
			messages = append(messages, twoKeys(n*batch+i, from, to), commit(next, max(last[from], last[to])))
			last[from], last[to] = next, next
			balance[from]--
			balance[to]++
			next += 2
		}
		b.send(messages...)
		b.reaches(next - 2) // so that both begin with the next at once
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if s := beside.Stats(); s.Installed == 0 || s.Already == 0 || s.Deadlocks > 0 {
		t.Errorf("the initiator: %+v; want both to be first at times, and no deadlock", s)
	}
	for account := 1; account <= accounts; account++ {
		want := fmt.Sprintf("(%d.00000,%d)", 100000+balance[account], last[account])
		if got := b.text("select amount, version from bank_accounts where number = $1", fmt.Sprintf("%04d", account)); got != want {
			t.Errorf("account %d: %s, want %s", account, got, want)
		}
	}
	if got := b.text("select count(*) from ichor.quarantine"); got != "(0)" {
		t.Errorf("held: %s", got)
	}
	t.Logf("%+v", beside.Stats())
}

// twoKeys is a candidate that moves 1 from one account to another.
func twoKeys(n, from, to int) kafkatest.Message {
	return message("Candidate", fmt.Sprintf(`{"xid":"00000000-0000-4000-8000-%012d","agent":"a","cohort":"c","readset":["%04d","%04d"],"readvers":[],"snapshot":0,"writeset":["%04d","%04d"],"statemap":[{"TRANSFER":{"from":"%04d","to":"%04d","amount":1}}],"publishedAt":1}`,
		n, from, to, from, to, from, to))
}
