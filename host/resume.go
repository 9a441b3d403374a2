package host

import (
	"context"
	"fmt"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/talos"
)

// LogGapError says that nobody knows where to begin on this log. It is never passed over: an
// operator decides.
type LogGapError struct {
	Start talos.Position // of the log
}

// Error implements error.
func (e *LogGapError) Error() string {
	return fmt.Sprintf("nothing was ever installed into this database, and the log starts at position %d: what came before is gone; "+
		"restore the database, or accept it with source.start: %s", e.Start, StartEarliest)
}

// resumePoint says where a host reads from, given what the database and the log say, or why on
// this log no host may. A database whose cohort_snapshot was moved and that no Ichor ever ran on
// was served by the reference's replicator: what lies above that snapshot is not installed.
func resumePoint(state *installer.State, facts *kafka.Facts, start StartPolicy) (talos.Position, error) {
	resume := facts.Start
	switch {
	case state.HasResume:
		resume = state.Resume
	case state.Snapshot > 0:
		resume = talos.Position(state.Snapshot) + 1
	case facts.Start > 0 && start != StartEarliest:
		return 0, &LogGapError{Start: facts.Start}
	}
	switch {
	case facts.Start > resume:
		return 0, &kafka.TruncatedError{Asked: resume, Start: facts.Start}
	case facts.End < resume:
		return 0, &kafka.DivergedError{Asked: resume, End: facts.End}
	}
	return resume, nil
}

// checkAnchor compares the newest record below the resume point, as the database has it, with what
// stands at its position now. A record that retention took says nothing.
func checkAnchor(kept, found talos.Anchor, there bool, end talos.Position) error {
	if !there || kept.Position < 0 || found.Hash == kept.Hash {
		return nil
	}
	return &kafka.DivergedError{Asked: kept.Position, End: end, Reason: "another record stands than the one that this database was left with"}
}

// checkLog asks the log where to read from, and makes sure that it is the one that the database was
// left with. A run and a check share it.
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
