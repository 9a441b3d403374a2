package workload

import (
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/examples/certification"
)

// Options say what happens in the bank. The zero value of a field means its default.
type Options struct {
	Seed uint64
	// Accounts is how many accounts there are, 0001 and on; default 1,000, at least 4.
	Accounts int
	// Transfers is how many single transfers are to be committed before the generator ends;
	// 0 means that only Finish ends it.
	Transfers int
	// Hot is how many of the accounts are hot, default a fiftieth of them and at least 2, and
	// HotShare how often one of these is picked, default 0.05; below 0 means never.
	Hot      int
	HotShare float64
	// MaxDelay, Prune, Plain and Now are certification.Options's. A plain workload has single transfers only.
	MaxDelay int
	Prune    int
	Plain    bool
	Now      func() time.Time
}

// New returns a generator of the bank's traffic, or an error when the options contradict each other.
func New(options Options) (*certification.Generator, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	return certification.New(&bank{options}, certification.Options{
		Seed: options.Seed, Cohort: "banking", Goal: options.Transfers, MaxDelay: options.MaxDelay, Prune: options.Prune,
		Plain: options.Plain, Now: options.Now,
	})
}

func (o Options) withDefaults() (Options, error) {
	if o.Accounts == 0 {
		o.Accounts = 1000
	}
	if o.Hot == 0 {
		o.Hot = max(2, o.Accounts/50)
	}
	if o.HotShare == 0 {
		o.HotShare = 0.05
	}
	switch {
	case o.Accounts < 4:
		return o, errors.New("a workload needs at least 4 accounts")
	case o.Hot < 2 || o.Hot > o.Accounts:
		return o, errors.New("at least 2 accounts must be hot, and at most all of them")
	}
	return o, nil
}
