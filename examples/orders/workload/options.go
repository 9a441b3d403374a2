package workload

import (
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/examples/certification"
)

// Options say what happens in the shop. The zero value of a field means its default.
type Options struct {
	Seed uint64
	// Articles is how many articles there are; default 200.
	Articles int
	// Changes is how many requests that change something are to be committed before the generator ends;
	// 0 means that only Finish ends it.
	Changes int
	// MaxDelay, Prune, Plain and Now are certification.Options's. In a plain workload orders are placed, and
	// nothing else happens.
	MaxDelay int
	Prune    int
	Plain    bool
	Now      func() time.Time
}

// New returns a generator of the shop's traffic, or an error when the options contradict each other.
func New(options Options) (*certification.Generator, error) {
	if options.Articles == 0 {
		options.Articles = 200
	}
	if options.Articles < 0 {
		return nil, errors.New("workload: the number of articles is negative")
	}
	g, err := certification.New(newShop(options.Articles), certification.Options{
		Seed: options.Seed, Cohort: "orders", Goal: options.Changes, MaxDelay: options.MaxDelay, Prune: options.Prune,
		Plain: options.Plain, Now: options.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	return g, nil
}
