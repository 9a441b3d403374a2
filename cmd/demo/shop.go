package main

import (
	"context"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/examples/orders"
	"github.com/ichor-replicator/ichor/examples/orders/workload"
	"github.com/ichor-replicator/ichor/examples/orders/workload/verdict"
)

// shop is the orders example. It has no initiator: one that installed its own orders would count them, and the host
// would count them again, for the counter has no guard.
type shop struct {
	options options
	cohort  stage.Cohort
}

func (s *shop) open(ctx context.Context, on *stage.Stage) (c stage.Cohort, err error) {
	s.cohort, err = on.OpenCohort(ctx, database, orders.Open)
	return s.cohort, err
}

func (s *shop) beside(context.Context, []string) func(*report) error {
	return func(*report) error { return nil }
}

func (s *shop) generator() (*certification.Generator, error) {
	return workload.New(workload.Options{Seed: s.options.Seed, Articles: s.options.Accounts, Prune: s.options.Prune, Now: time.Now})
}

func (s *shop) read(ctx context.Context, brokers []string) (*transcript.Log, error) {
	return verdict.Read(ctx, brokers, topic)
}

func (s *shop) judge(ctx context.Context, log *transcript.Log, r *report) (err error) {
	r.Check, err = verdict.Check(ctx, log, s.cohort.URL)
	return err
}

func (s *shop) counted() string { return "changes of orders" }

func (s *shop) table() string { return "shop.orders" }

func (s *shop) hold() (statement, what string) {
	return "alter table shop.sales add constraint frozen check (sku <> 'article-001') not valid", "the next version that counts this article"
}
