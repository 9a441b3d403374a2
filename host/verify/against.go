package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Pair is what a comparison of two cohorts of one log came to.
type Pair struct {
	Snapshot talos.Version `json:"snapshot"`
	Other    talos.Version `json:"other_snapshot"`
	// Apart says why their rows cannot be compared with each other; "" if they were.
	Apart  string         `json:"apart,omitempty"`
	Tables []*TableReport `json:"tables,omitempty"` // what is wanted is the other's
	// Replays are the verifications of the two, this one's first. With a scratch database they say which of
	// them is wrong, and since which version.
	Replays [2]*Report `json:"replays"`
}

// OK reports whether nothing differs and neither of the two is wrong.
func (p *Pair) OK() bool {
	differs := slices.ContainsFunc(p.Tables, func(t *TableReport) bool { return t.Different > 0 })
	return p.Apart == "" && !differs && p.Replays[0].OK() && p.Replays[1].OK()
}

// Against compares two cohorts' databases: with each other where they stand at the same snapshot, and each
// with its log. Both follow the log of the options.
func Against(ctx context.Context, o Options, other *installer.Installer) (*Pair, error) {
	p := &Pair{}
	theirs := o
	theirs.Database = other
	var err error
	if p.Replays[0], err = Run(ctx, o); err != nil {
		return nil, err
	}
	if p.Replays[1], err = Run(ctx, theirs); err != nil {
		return nil, fmt.Errorf("the other cohort: %w", err)
	}
	return p, p.compare(ctx, o, other)
}

func (p *Pair) compare(ctx context.Context, o Options, other *installer.Installer) error {
	var sides [2]*verification
	for i, in := range []*installer.Installer{o.Database, other} {
		reader, err := in.OpenReader(ctx)
		if err != nil {
			return fmt.Errorf("database: %w", err)
		}
		defer reader.Close()
		sides[i] = &verification{Options: o, reader: reader, report: p.Replays[i]}
		if sides[i].e, err = readEvidence(ctx, reader); err != nil {
			return err
		}
	}
	mine, theirs := sides[0].e, sides[1].e
	p.Snapshot, p.Other = mine.Snapshot, theirs.Snapshot
	if mine.Snapshot != theirs.Snapshot || !slices.Equal(mine.Ledger, theirs.Ledger) {
		p.Apart = fmt.Sprintf("they stand at snapshots %d and %d, with %d and %d versions ahead: let both install all of the log while nobody writes to it", mine.Snapshot, theirs.Snapshot, len(mine.Ledger), len(theirs.Ledger))
		return nil
	}
	if p.Apart = sides[0].unreplayable(); p.Apart != "" {
		return nil
	}
	tables, err := sides[0].tablesOfHistory(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		r, err := compareTable(ctx, t, sides[1].reader, sides[0].reader, func(string) bool { return false })
		if err != nil {
			return err
		}
		p.Tables = append(p.Tables, r)
	}
	return nil
}
