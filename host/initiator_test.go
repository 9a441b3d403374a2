package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// A cohort's initiator installs what it asked for itself, beside the host: whoever is first wins,
// no version counts twice, and neither keeps the other out.
func TestBesideAnInitiator(t *testing.T) {
	const accounts, transfers = 20, 2000
	b := newBank(t, accounts)
	b.options.Core.Lanes, b.options.Core.GroupMax = 4, 16
	beside := initiator.New(initiator.Options{Brokers: []string{b.broker.Addr(kafkatest.Plain)}, Topic: b.topic, Database: b.db.DSN})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- beside.Run(ctx) }()

	random := rand.New(rand.NewPCG(1, 2))
	first := b.send(message("Other", "the first position is no version")) + 1
	var messages []kafkatest.Message
	last, balance := map[int]int{}, map[int]int{}
	for i := range transfers {
		from, to := 1+random.IntN(accounts), 1+random.IntN(accounts-1)
		if to >= from {
			to++
		}
		v := first + 2*i
		messages = append(messages, twoKeys(i, from, to), commit(v, max(last[from], last[to])))
		last[from], last[to] = v, v
		balance[from]--
		balance[to]++
		if len(messages) == 40 || i == transfers-1 {
			b.send(messages...)
			messages = nil
		}
		if i == 100 { // the initiator installs what waits for nothing before there is a host at all
			hosttest.Until(t, func() bool { return beside.Stats().Installed > 0 }, func() string { return "the initiator installs nothing" })
			b.start()
		}
	}
	b.eventually(fmt.Sprintf("(%d)", first+2*(transfers-1)), "select version from cohort_snapshot")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
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
