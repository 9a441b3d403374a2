package certification

import (
	"errors"
	"time"
)

// Options say how a Generator certifies. The zero value of a field means its default.
type Options struct {
	Seed   uint64
	Cohort string // what candidates call it
	// Goal is how many requests that count are to be committed before the generator ends; 0 means
	// that only Finish ends it.
	Goal int
	// MaxDelay is how many messages a decision may come after its candidate; default 40.
	MaxDelay int
	// Prune is how many candidates the certifier keeps when it prunes; 0 means that it never
	// prunes. Pruning makes its safepoints too low, as it does in the real one.
	Prune int
	// Plain leaves out everything but the source's plain requests and their decisions.
	Plain bool
	// Now is the clock; nil is one that moves a millisecond with each candidate, so that
	// messages depend on nothing but these options.
	Now func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxDelay == 0 {
		o.MaxDelay = 40
	}
	if o.MaxDelay < 0 || o.Goal < 0 || o.Prune < 0 {
		return o, errors.New("delay, goal and prune must not be negative")
	}
	return o, nil
}
