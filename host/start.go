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

// started is what a session begins with.
type started struct{ core replicator.Start }

// start takes the cohort over. Everything that can refuse is asked BEFORE the epoch is taken: a
// host with a wrong topic or a bad guest must not end the one that works.
func (h *Host) start(ctx context.Context) (started, error) {
	facts, err := h.prepare(ctx)
	if err != nil {
		return started{}, err
	}
	var state installer.State
	err = h.insist(ctx, PhaseDatabase, func() (err error) {
		state, err = h.installer.Take(ctx, facts.ClusterID, h.opts.Source.Topic)
		return err
	}, installer.IsTransient)
	if err != nil {
		return started{}, fmt.Errorf("database: %w", err)
	}
	h.log.Info("took the cohort over", "epoch", state.Epoch, "snapshot", state.Snapshot, "owner", h.opts.Database.Owner)
	resume, err := h.checkLog(ctx, state) // the owner before may have gone on meanwhile
	if err != nil {
		return started{}, fmt.Errorf("source: %w", err)
	}
	cuts, err := h.guests.start(ctx, state)
	if err != nil {
		return started{}, fmt.Errorf("guests: %w", err)
	}
	return started{core: replicator.Start{
		Snapshot: state.Snapshot, Resume: resume, Anchor: state.Anchor, Ledger: state.Ledger, Guests: cuts,
	}}, nil
}

// prepare waits for the log and the database, and makes sure that the log is the one that the
// database was left with and that the guests can be loaded.
func (h *Host) prepare(ctx context.Context) (kafka.Facts, error) {
	var facts kafka.Facts
	err := h.insist(ctx, PhaseSource, func() (err error) {
		facts, err = h.source.Facts(ctx)
		return err
	}, func(err error) bool { return kafka.ClassOf(err).Retryable() })
	if err != nil {
		return facts, fmt.Errorf("source: %w", err)
	}
	if h.opts.Database.Init {
		if err := h.insist(ctx, PhaseDatabase, func() error { return h.installer.Init(ctx) }, installer.IsTransient); err != nil {
			return facts, fmt.Errorf("database: %w", err)
		}
	}
	var state installer.State
	err = h.insist(ctx, PhaseDatabase, func() (err error) {
		state, err = h.installer.Read(ctx)
		return err
	}, installer.IsTransient)
	if err != nil {
		return facts, fmt.Errorf("database: %w", err)
	}
	if _, err := h.checkLog(ctx, state); err != nil {
		return facts, fmt.Errorf("source: %w", err)
	}
	if err := h.guests.prepare(ctx); err != nil {
		return facts, fmt.Errorf("guests: %w", err)
	}
	return facts, nil
}

// insist tries until it succeeds, as long as waiting may help, and shows the reason meanwhile.
func (h *Host) insist(ctx context.Context, phase Phase, try func() error, worthwhile func(error) bool) error {
	wait := 100 * time.Millisecond
	for {
		err := try()
		if err == nil || ctx.Err() != nil || !worthwhile(err) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		if h.health.phase(phase, err.Error()) {
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

// LogGapError says that the log does not reach down to where the database was left, or that
// nobody knows where to begin. It is never passed over: an operator decides.
type LogGapError struct {
	Resume, Start talos.Position
	What          string
}

// Error implements error.
func (e *LogGapError) Error() string { return e.What }

// checkLog returns where to read from, after making sure that it is on the log that was left.
func (h *Host) checkLog(ctx context.Context, state installer.State) (talos.Position, error) {
	var facts kafka.Facts
	err := h.insist(ctx, PhaseSource, func() (err error) {
		facts, err = h.source.Facts(ctx)
		return err
	}, func(err error) bool { return kafka.ClassOf(err).Retryable() })
	if err != nil {
		return 0, err
	}
	resume, err := h.resumePoint(state, facts)
	if err != nil {
		return 0, err
	}
	if facts.Start > resume {
		return 0, &kafka.TruncatedError{Asked: resume, Start: facts.Start}
	}
	if facts.End < resume {
		return 0, &kafka.DivergedError{Asked: resume, End: facts.End}
	}
	return resume, h.checkAnchor(ctx, state.Anchor)
}

func (h *Host) resumePoint(state installer.State, facts kafka.Facts) (talos.Position, error) {
	switch {
	case state.HasResume:
		return state.Resume, nil
	case state.Snapshot > 0:
		h.log.Info("the database was served by another replicator: reading on after its snapshot", "snapshot", state.Snapshot)
		return talos.Position(state.Snapshot) + 1, nil
	case facts.Start > 0 && h.opts.Source.Start != StartEarliest:
		return 0, &LogGapError{Start: facts.Start, What: fmt.Sprintf(
			"nothing was ever installed into this database, and the log starts at position %d: what came before is gone; restore the database, or accept it with source.start: %s",
			facts.Start, StartEarliest)}
	}
	return facts.Start, nil
}

// checkAnchor compares the newest record below the resume point with what stands there now.
func (h *Host) checkAnchor(ctx context.Context, kept talos.Anchor) error {
	if kept.Position < 0 {
		return nil
	}
	var found talos.Anchor
	var there bool
	err := h.insist(ctx, PhaseSource, func() (err error) {
		found, there, err = h.source.Anchor(ctx, kept.Position)
		return err
	}, func(err error) bool { return kafka.ClassOf(err).Retryable() })
	switch {
	case err != nil:
		return err
	case !there:
		h.log.Info("retention took the record by which this log would be recognised: not checked", "position", kept.Position)
	case found.Hash != kept.Hash:
		return &kafka.DivergedError{Asked: kept.Position, Reason: fmt.Sprintf(
			"another record stands at position %d than the one this database was left with: the topic was recreated or is another one", kept.Position)}
	}
	return nil
}
