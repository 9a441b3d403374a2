package verify

import (
	"context"
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// Guests convert versions as they were converted.
type Guests interface {
	Of(c *talos.Candidate) rollout.Converter
	Convert(ctx context.Context, digest string, records []guest.Record) ([]rollout.Converted, error)
}

// Installer installs versions one after the other.
type Installer interface {
	Install(ctx context.Context, w *installer.Work) error
}

// Refusal is a version that a replay could not install as the books say that it was.
type Refusal struct {
	Version talos.Version `json:"version"`
	Why     string        `json:"why"`
}

// Replayed is what a serial replay came to.
type Replayed struct {
	From      talos.Version `json:"from"` // exclusively: what the scratch database had
	To        talos.Version `json:"to"`
	Installed int           `json:"installed"`
	Skipped   int           `json:"skipped"` // by the guest, or without a route
	Refused   []Refusal     `json:"refused,omitempty"`
	Refusals  int           `json:"refusals"`
}

func (r *Replayed) refuse(v talos.Version, why string) {
	r.Refusals++
	if len(r.Refused) < books.ShownMax {
		r.Refused = append(r.Refused, Refusal{v, why})
	}
}

// batchMax is how many versions are converted by one call.
const batchMax = 128

// Replay is a serial replay of a log: the versions for which Wanted is true, in their order, each by the
// guest that the history names.
type Replay struct {
	Log    *books.Log
	Source Source
	Guests Guests
	Into   Installer
	Wanted func(talos.Version) bool
	// After is called after each version that was installed; nil is nobody.
	After func(ctx context.Context, w *installer.Work) error

	done    Replayed
	digest  string
	pending []guest.Record
}

// Run replays. An error is one of the log, of the scratch database's connection or of a module that
// cannot be loaded; what the database or the guest refuse stands in the answer.
func (r *Replay) Run(ctx context.Context) (*Replayed, error) {
	r.done, r.digest, r.pending = Replayed{}, "", nil
	err := r.Source.Read(ctx, func(record *books.Record) error {
		v := talos.Version(record.Position)
		if r.Log.Class(v) != books.Installable || !r.Wanted(v) {
			return nil
		}
		var c talos.Candidate
		if err := talos.DecodeCandidate(v, record.Value, &c); err != nil {
			return fmt.Errorf("version %d is another record than before: %w", v, err)
		}
		return r.take(ctx, &c)
	})
	if err == nil {
		err = r.flush(ctx)
	}
	done := r.done
	return &done, err
}

// take puts a version to those that are converted together.
func (r *Replay) take(ctx context.Context, c *talos.Candidate) error {
	by := r.Guests.Of(c)
	switch {
	case by.Divided:
		r.done.refuse(c.Version, "guests.routes does not give all of its items to the same guest")
		return nil
	case by.Ignored:
		r.done.Skipped++
		return nil
	case by.Guest == "":
		r.done.refuse(c.Version, fmt.Sprintf("cohort %q has no route in guests.routes", c.Cohort))
		return nil
	case by.Digest == "":
		r.done.refuse(c.Version, fmt.Sprintf("the history names no module of guest %s for it", by.Guest))
		return nil
	}
	if by.Digest != r.digest || len(r.pending) == batchMax {
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.digest = by.Digest
	}
	r.pending = append(r.pending, guest.RecordOf(c.Version, r.Log.Safepoint(c.Version), c))
	return nil
}

// flush converts and installs what was put together.
func (r *Replay) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	all, err := r.Guests.Convert(ctx, r.digest, r.pending)
	if err != nil {
		return err
	}
	r.pending = r.pending[:0]
	for i := range all {
		if err := r.install(ctx, &all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Replay) install(ctx context.Context, c *rollout.Converted) error {
	switch c.Status {
	case guest.Skipped:
		r.done.Skipped++
		return nil
	case guest.Rejected:
		r.done.refuse(c.Version, "the guest rejects it: "+c.Reason)
		return nil
	}
	w := &installer.Work{Version: c.Version, Statements: c.Statements}
	err := r.Into.Install(ctx, w)
	var refused *installer.Error
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Class == installer.Poison && !refused.Lost:
		r.done.refuse(c.Version, "the scratch database refuses it: "+err.Error())
		return nil
	default:
		return fmt.Errorf("version %d: %w", c.Version, err)
	}
	r.done.Installed++
	if r.After == nil {
		return nil
	}
	return r.After(ctx, w)
}
