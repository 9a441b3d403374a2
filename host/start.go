package host

import (
	"context"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// start takes the cohort over. Everything that can refuse is asked BEFORE the epoch is taken: a
// host with a wrong topic, a bad guest or a missing right must not end the one that works.
func (h *Host) start(ctx context.Context) (replicator.Start, error) {
	facts, err := h.prepare(ctx)
	if err != nil {
		return replicator.Start{}, err
	}
	var state installer.State
	err = h.retry(ctx, PhaseDatabase, installer.IsTransient, func() (err error) {
		state, err = h.installer.Take(ctx, facts.ClusterID, h.opts.Source.Topic)
		return err
	})
	if err != nil {
		return replicator.Start{}, fmt.Errorf("database: %w", err)
	}
	h.log.Info("took the cohort over", "epoch", state.Epoch, "snapshot", state.Snapshot, "owner", h.opts.Database.Owner)
	resume, _, err := h.checkLog(ctx, &state) // the owner before may have gone on meanwhile
	if err != nil {
		return replicator.Start{}, fmt.Errorf("source: %w", err)
	}
	var cuts [][]replicator.Cut
	err = h.retry(ctx, PhaseGuests, installer.IsTransient, func() (err error) {
		cuts, err = h.guests.start(ctx, state)
		return err
	})
	if err != nil {
		return replicator.Start{}, fmt.Errorf("guests: %w", err)
	}
	return replicator.Start{
		Snapshot: state.Snapshot, Resume: resume, Anchor: state.Anchor, Ledger: state.Ledger, Held: state.Held, Guests: cuts,
	}, nil
}

// prepare waits for the log and the database, and makes sure that the log is the one that the
// database was left with, that the role may do what a host does, and that the database takes the
// guests' SQL.
func (h *Host) prepare(ctx context.Context) (kafka.Facts, error) {
	if h.opts.Database.Init {
		if err := h.retry(ctx, PhaseDatabase, installer.IsTransient, func() error { return h.installer.Init(ctx) }); err != nil {
			return kafka.Facts{}, fmt.Errorf("database: %w", err)
		}
	}
	var state installer.State
	err := h.retry(ctx, PhaseDatabase, installer.IsTransient, func() (err error) {
		state, err = h.installer.Read(ctx)
		return err
	})
	if err != nil {
		return kafka.Facts{}, fmt.Errorf("database: %w", err)
	}
	_, facts, err := h.checkLog(ctx, &state)
	if err != nil {
		return facts, fmt.Errorf("source: %w", err)
	}
	if err := h.retry(ctx, PhaseGuests, installer.IsTransient, func() error { return h.guests.prepare(ctx, state) }); err != nil {
		return facts, fmt.Errorf("guests: %w", err)
	}
	return facts, nil
}

// retry tries until it succeeds, ctx ends, or the error can not pass by itself; /readyz shows the
// phase and the error meanwhile. One line is logged when the waiting begins, and one when it ends.
func (h *Host) retry(ctx context.Context, phase Phase, mayPass func(error) bool, try func() error) error {
	wait, begun := 100*time.Millisecond, time.Time{}
	h.health.phase(phase, "")
	for {
		err := try()
		switch {
		case err == nil && !begun.IsZero():
			h.log.Info("no longer waiting", "for", phase, "after", time.Since(begun).Round(time.Millisecond))
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !mayPass(err):
			return err
		}
		h.health.phase(phase, err.Error())
		if begun.IsZero() {
			begun = time.Now()
			h.log.Warn("waiting", "for", phase, "because", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Second)
	}
}

// sourceMayPass reports whether an error of the log may pass by itself.
func sourceMayPass(err error) bool { return kafka.ClassOf(err).Retryable() }

// checkLog returns where to read from, after making sure that it is on the log that was left.
func (h *Host) checkLog(ctx context.Context, state *installer.State) (resume talos.Position, facts kafka.Facts, err error) {
	err = h.retry(ctx, PhaseSource, sourceMayPass, func() (err error) {
		resume, facts, err = checkLog(ctx, h.source, state, h.opts.Source.Start)
		return err
	})
	if err == nil && !state.HasResume && state.Snapshot > 0 {
		h.log.Info("the database was served by another replicator: reading on after its snapshot", "snapshot", state.Snapshot)
	}
	return resume, facts, err
}

// checkLog asks the log once. A run and a check share it.
func checkLog(ctx context.Context, source *kafka.Log, state *installer.State, start StartPolicy) (talos.Position, kafka.Facts, error) {
	facts, err := source.Facts(ctx)
	if err != nil {
		return 0, facts, err
	}
	resume, err := resumePoint(state, &facts, start)
	if err != nil || state.Anchor.Position < 0 {
		return resume, facts, err
	}
	found, there, err := source.Anchor(ctx, state.Anchor.Position)
	if err != nil {
		return resume, facts, err
	}
	return resume, facts, checkAnchor(state.Anchor, found, there, facts.End)
}
