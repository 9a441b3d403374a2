package verify

import (
	"context"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
)

// skipping are guests that note which versions have no effects. Nothing is installed.
type skipping struct {
	Guests
	skipped []talos.Version
}

// Of implements Guests.
func (s *skipping) Of(c *talos.Candidate) rollout.Converter {
	by := s.Guests.Of(c)
	if by.Ignored {
		s.skipped = append(s.skipped, c.Version)
	}
	return by
}

// Convert implements Guests.
func (s *skipping) Convert(ctx context.Context, digest string, records []guest.Record) ([]rollout.Converted, error) {
	all, err := s.Guests.Convert(ctx, digest, records)
	for i := range all {
		if all[i].Status == guest.Skipped {
			s.skipped = append(s.skipped, all[i].Version)
		}
	}
	return all, err
}

// Install implements Installer.
func (s *skipping) Install(context.Context, *installer.Work) error { return nil }

// askGuests finds out which versions above the snapshot have no effects, of those that the books do not have: no host
// writes that down before the snapshot passes them.
func (v *verification) askGuests(ctx context.Context) error {
	s := &skipping{Guests: v.guests}
	replay := &Replay{
		Log: v.log, Source: v.Source, Guests: s, Into: s,
		Wanted: func(version talos.Version) bool { return version > v.e.Snapshot && !v.installed.Has(version) },
	}
	_, err := replay.Run(ctx)
	v.e.Skipped = s.skipped
	return err
}

// going looks at what went on past versions that hold the snapshot, when there was time for it.
func (v *verification) going(ctx context.Context) error {
	g, err := ReadGoing(ctx, v.Source, v.log, v.e, v.InOrder)
	if err == nil && !g.OK() && v.guests != nil { // it may only look so
		if err = v.askGuests(ctx); err == nil {
			g, err = ReadGoing(ctx, v.Source, v.log, v.e, v.InOrder)
		}
	}
	if err == nil {
		v.report.Books.Went(g)
	}
	return err
}
