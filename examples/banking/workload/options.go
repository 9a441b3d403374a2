package workload

import (
	"errors"
	"time"
)

// Options say what a Generator makes. The zero value of a field means its default.
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
	// MaxDelay is how many messages a decision may come after its candidate; default 40.
	MaxDelay int
	// Prune is how many candidates the certifier keeps when it prunes; 0 means that it never
	// prunes. Pruning makes its safepoints too low, as it does in the real one.
	Prune int
	// Plain leaves out everything but single transfers and their decisions.
	Plain bool
	// Now is the clock; nil is one that moves a millisecond with each candidate, so that
	// messages depend on nothing but these options.
	Now func() time.Time
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
	if o.MaxDelay == 0 {
		o.MaxDelay = 40
	}
	switch {
	case o.Accounts < 4:
		return o, errors.New("a workload needs at least 4 accounts")
	case o.Hot < 2 || o.Hot > o.Accounts:
		return o, errors.New("at least 2 accounts must be hot, and at most all of them")
	case o.MaxDelay < 0 || o.Transfers < 0 || o.Prune < 0:
		return o, errors.New("delay, transfers and prune must not be negative")
	}
	return o, nil
}
