package main

import (
	"context"

	"github.com/ichor-replicator/ichor/examples/banking/initiator"
)

// initiatorEvery is how many transfers there are to one that the cohort's initiator asked for: it
// installs that itself, as the host does.
const initiatorEvery = 4

// beside runs an initiator beside the host. The function that it returns ends it, and returns what
// it did.
func (s *stage) beside(ctx context.Context) func() (initiator.Stats, error) {
	ctx, cancel := context.WithCancel(ctx)
	i := initiator.New(initiator.Options{Brokers: []string{s.brokers()}, Topic: topic, Database: s.dsn, Every: initiatorEvery})
	ended := make(chan error, 1)
	go func() { ended <- i.Run(ctx) }()
	return func() (initiator.Stats, error) {
		cancel()
		err := <-ended
		return i.Stats(), err
	}
}
