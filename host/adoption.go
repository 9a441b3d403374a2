package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify"
)

// Foreign reports whether a database was served by another replicator, and by no host yet.
func Foreign(state *installer.State) bool { return !state.HasResume && state.Snapshot > 0 }

// HolesError says that another replicator left versions below its snapshot that are not wholly
// installed.
type HolesError struct{ Holes *verify.Holes }

// Error implements error.
func (e *HolesError) Error() string {
	return e.Holes.String() + ": let the replicator that served the cohort finish, or install them by hand; " +
		"to begin all the same, run ichor db adopt --accept-holes"
}

// FindHoles looks at the newest versions up to the snapshot of a database that another replicator served.
// The rows that it tries are locked for as long as that takes.
func FindHoles(ctx context.Context, opts Options, snapshot talos.Version, lookBack int) (*verify.Holes, error) {
	opts.Fill()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	in, err := installer.New(opts.Database.Options, quiet)
	if err != nil {
		return nil, err
	}
	log, err := kafka.New(opts.Source.Options, quiet, nil)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	return verify.FindHoles(ctx, verify.Below{
		Database: in, Snapshot: snapshot, Guests: opts.Guests, LookBack: lookBack, Log: quiet,
		From: func(from talos.Position) verify.Source { return verify.TopicFrom(log, from) },
	})
}

// checkHoles has the time that it takes: it reads a part of the log, and loads the guests.
func checkHoles(ctx context.Context, opts Options, state *installer.State, lookBack int) status.Finding {
	f := status.Finding{What: "adoption"}
	begun := time.Now()
	holes, err := FindHoles(ctx, opts, state.Snapshot, lookBack)
	switch {
	case err != nil:
		f.Err = fmt.Errorf("look below the snapshot of the replicator that served the cohort: %w", err)
	case holes.OK():
		f.Note = holes.String()
	default:
		f.Err = &HolesError{holes}
	}
	f.Took = time.Since(begun)
	return f
}
