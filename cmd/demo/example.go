package main

import (
	"context"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
)

// example is a cohort that can be shown. Its methods are called in this order, one at a time.
type example interface {
	// open makes the example's tables in a database of the stage.
	open(ctx context.Context, on *stage.Stage) (stage.Cohort, error)
	// beside runs another writer of the cohort beside the host, if the example has one. The function that it
	// returns ends it, and reports what it did.
	beside(ctx context.Context, brokers []string) func(*report) error
	// generator returns the workload.
	generator() (*certification.Generator, error)
	// read reads the topic as somebody who knows no host.
	read(ctx context.Context, brokers []string) (*transcript.Log, error)
	// judge holds the database against the log.
	judge(ctx context.Context, log *transcript.Log, r *report) error

	// counted is what the workload is counted in.
	counted() string
	// table is a table to look at, and hold a statement that has the next version that writes a certain row held.
	table() string
	hold() (statement, what string)
}

// newExample returns the example of a name.
func newExample(o options) example {
	if o.Example == stage.Orders {
		return &shop{options: o}
	}
	return &bank{options: o}
}
