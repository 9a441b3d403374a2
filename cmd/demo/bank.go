package main

import (
	"context"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
)

// initiatorEvery is how many transfers there are to one that the cohort's initiator asked for:
// it installs that itself, as the host does.
const initiatorEvery = 4

// bank is the banking example.
type bank struct {
	options options
	bank    *stage.Bank
}

func (b *bank) open(ctx context.Context, on *stage.Stage) (stage.Cohort, error) {
	var err error
	if b.bank, err = on.OpenBank(ctx, database, b.options.Accounts); err != nil {
		return stage.Cohort{}, err
	}
	return b.bank.Cohort, nil
}

// beside runs the cohort's initiator.
func (b *bank) beside(ctx context.Context, brokers []string) func(*report) error {
	ctx, cancel := context.WithCancel(ctx)
	i := initiator.New(initiator.Options{Brokers: brokers, Topic: topic, Database: b.bank.URL, Every: initiatorEvery})
	ended := make(chan error, 1)
	go func() { ended <- i.Run(ctx) }()
	return func(r *report) error {
		cancel()
		err := <-ended
		stats := i.Stats()
		r.Initiator = &stats
		return err
	}
}

func (b *bank) generator() (*certification.Generator, error) {
	return workload.New(workload.Options{Seed: b.options.Seed, Accounts: b.options.Accounts, Prune: b.options.Prune, Now: time.Now})
}

func (b *bank) read(ctx context.Context, brokers []string) (*transcript.Log, error) {
	return verdict.Read(ctx, brokers, topic)
}

func (b *bank) judge(ctx context.Context, log *transcript.Log, r *report) error {
	v, err := verdict.Check(ctx, log, b.bank.Opening, b.bank.URL)
	if err == nil {
		r.Check, r.Money = &v.Verdict, &v.Money
	}
	return err
}

func (b *bank) counted() string { return "transfers" }

func (b *bank) table() string { return "bank_accounts" }

func (b *bank) hold() (statement, what string) {
	return "alter table bank_accounts add constraint frozen check (number <> '0001') not valid", "the next version that writes this account"
}
