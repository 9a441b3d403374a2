package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// batchMax is how many versions are converted by one call.
const batchMax = 128

// errPassed ends the reading of the log behind the range.
var errPassed = errors.New("the range is passed")

// compare converts the range twice.
func (r *replay) compare(ctx context.Context) error {
	r.Say("converting versions %d to %d by both", r.report.Range.From, r.report.Range.To)
	err := r.Source.Read(ctx, func(record *books.Record) error {
		v := talos.Version(record.Position)
		switch {
		case v > r.report.Range.To:
			return errPassed
		case v < r.report.Range.From, r.log.Class(v) != books.Installable:
			return nil
		}
		var c talos.Candidate
		if err := talos.DecodeCandidate(v, record.Value, &c); err != nil {
			return fmt.Errorf("version %d is another record than before: %w", v, err)
		}
		return r.take(ctx, &c)
	})
	if err == nil || errors.Is(err, errPassed) {
		err = r.flush(ctx)
	}
	r.report.Compared = r.compared.Report()
	return err
}

// take puts a version to those that are converted together.
func (r *replay) take(ctx context.Context, c *talos.Candidate) error {
	by, err := r.by(c)
	switch {
	case err != nil:
		return err
	case by.Guest != r.Guest:
		r.report.Elsewhere++
		return nil
	}
	if by.Digest != r.digest || len(r.pending) == batchMax {
		if err := r.flush(ctx); err != nil {
			return err
		}
		r.digest = by.Digest
	}
	r.pending = append(r.pending, guest.RecordOf(c.Version, r.log.Safepoint(c.Version), c))
	return nil
}

// flush converts what was put together by both, and compares.
func (r *replay) flush(ctx context.Context) error {
	if len(r.pending) == 0 {
		return nil
	}
	before, was, err := convert(ctx, r.old, r.digest, r.pending)
	if err != nil {
		return err
	}
	now, is, err := convert(ctx, r.new, r.report.New.Digest, r.pending)
	if err != nil {
		return err
	}
	for i := range r.pending {
		r.compared.Add(shadow.Compare(&r.pending[i],
			shadow.Side{Manifest: before.Generation.Manifest(), Conversion: &was[i]},
			shadow.Side{Manifest: now.Generation.Manifest(), Conversion: &is[i]}))
	}
	r.note(before, len(r.pending))
	r.report.New.Versions += len(r.pending)
	r.pending = r.pending[:0]
	return nil
}

func convert(ctx context.Context, by *rollout.Archive, digest string, records []guest.Record) (*rollout.Loaded, []guest.Conversion, error) {
	l, err := by.Load(ctx, digest)
	if err != nil {
		return nil, nil, err
	}
	var into guest.Conversions
	if err := l.Generation.Convert(ctx, records, &into); err != nil {
		return nil, nil, fmt.Errorf("convert by guest %s of digest %s: %w", l.Name, l.Short(), err)
	}
	return l, into.Results, nil
}

// note counts what a module of the history converted.
func (r *replay) note(l *rollout.Loaded, versions int) {
	at := slices.IndexFunc(r.report.Old, func(m Module) bool { return m.Digest == l.Digest })
	if at < 0 {
		at = len(r.report.Old)
		r.report.Old = append(r.report.Old, Module{Digest: l.Digest, Version: l.Version})
	}
	r.report.Old[at].Versions += versions
}
