package main

import (
	"context"

	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/talos"
)

// ends looks, after all faults, at what only a host shows that nothing disturbs: that in the end the log's end is
// the resume point and published (L1), and that a host counts each record once, as what it is (I11).
func (w *world) ends(ctx context.Context) error {
	if err := w.publishes(ctx); err != nil {
		return err
	}
	if err := w.host.Stop(); err != nil {
		return err
	}
	_, resume, err := w.published(ctx, w.server.URL(database))
	if err != nil {
		return err
	}
	if err := w.host.Start(); err != nil {
		return err
	}
	if err := w.host.Ready(ctx, 2*w.options.Patience); err != nil {
		return err
	}
	if err := w.traffic.strange(ctx); err != nil {
		return err
	}
	if err := w.traffic.batch(ctx, 2*chunk, 0); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{w.settles, w.publishes, w.once} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return w.counted(ctx, talos.Position(resume))
}

// counted holds what the host counted since it started against the topic.
func (w *world) counted(ctx context.Context, from talos.Position) error {
	log, err := verdict.Read(ctx, []string{w.broker.other}, topic)
	if err != nil {
		return err
	}
	counts, err := w.host.Counts(ctx)
	if err != nil {
		return err
	}
	if wrong := counts.Against(log, from); wrong != nil {
		return violated("%v", wrong)
	}
	w.counts = counts
	return nil
}
