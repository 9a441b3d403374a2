package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// DefaultLookBack is how many versions below a snapshot are looked at.
const DefaultLookBack = 1000

// Below is what is looked at below the snapshot of a database that another replicator served.
type Below struct {
	Database *installer.Installer
	Snapshot talos.Version
	// From returns the log from a position on.
	From     func(talos.Position) Source
	Guests   rollout.Options
	LookBack int // how many versions; 0 is DefaultLookBack
	Log      *slog.Logger
}

// Holes are versions below a snapshot that are not wholly installed: a replicator that took the highest
// installed version for the snapshot leaves them behind, and nobody would ever install them.
type Holes struct {
	Looked int           `json:"looked"` // versions whose guarded statements were tried
	From   talos.Version `json:"from"`   // the first of those
	To     talos.Version `json:"to"`     // the last
	// Unguarded are those of them that have statements without a guard: of these nobody can say whether they
	// took effect.
	Unguarded int `json:"unguarded"`
	// Refused are those that the guest or the database refuse.
	Refused  []Refusal       `json:"refused,omitempty"`
	Count    int             `json:"count"`
	Versions []talos.Version `json:"versions,omitempty"` // the first of them
	Rows     []RowDifference `json:"rows,omitempty"`     // the first that would change: what is, and what would be
}

// OK reports whether nothing would change.
func (h *Holes) OK() bool { return h.Count == 0 }

// String says it for people.
func (h *Holes) String() string {
	if h.Looked == 0 {
		return "the log has no committed version up to the snapshot any more: whether all are installed cannot be looked at"
	}
	text := fmt.Sprintf("the guarded statements of the newest %d versions up to the snapshot, %d to %d, would change nothing", h.Looked, h.From, h.To)
	if h.Count > 0 {
		text = fmt.Sprintf("%d of the newest %d versions up to the snapshot, %d to %d, are not wholly installed, and would never be; the first are %v", h.Count, h.Looked, h.From, h.To, h.Versions)
		for _, row := range h.Rows {
			got, want := row.Sides()
			text += fmt.Sprintf("; row %s is %s, and version %s would make it %s", row.Key, got, row.Version, want)
		}
	}
	if h.Unguarded > 0 {
		text += fmt.Sprintf("; %d of them have statements without a guard, of which nobody can say", h.Unguarded)
	}
	if len(h.Refused) > 0 {
		text += fmt.Sprintf("; version %d is refused: %s", h.Refused[0].Version, h.Refused[0].Why)
	}
	return text
}

// FindHoles runs the guarded statements of the newest versions up to the snapshot, in their order, in a
// transaction that is rolled back. One that changes a row was not installed there.
func FindHoles(ctx context.Context, b Below) (h *Holes, err error) {
	if b.LookBack == 0 {
		b.LookBack = DefaultLookBack
	}
	log, source, err := b.newest(ctx)
	if err != nil {
		return nil, err
	}
	wanted := log.LastInstallable(b.Snapshot, b.LookBack)
	h = &Holes{Looked: len(wanted)}
	if len(wanted) == 0 {
		return h, nil
	}
	h.From, h.To = wanted[0], wanted[len(wanted)-1]
	archive, err := rollout.NewCurrent(b.Guests, b.Database, b.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	for _, digest := range archive.Digests() { // BEFORE rows are locked
		if _, err := archive.Load(ctx, digest); err != nil {
			return nil, err
		}
	}
	works, err := b.convert(ctx, h, log, source, archive, wanted)
	if err != nil {
		return nil, err
	}
	return h, b.try(ctx, h, archive, works)
}

// newest reads as much of the log as has so many versions up to the snapshot.
func (b *Below) newest(ctx context.Context) (*books.Log, Source, error) {
	for reach := talos.Position(4 * b.LookBack); ; reach *= 4 {
		from := max(0, talos.Position(b.Snapshot)-reach)
		source := b.From(from)
		log, err := ReadLog(ctx, source)
		if err != nil {
			return nil, nil, err
		}
		if log.Start > from || from == 0 || len(log.LastInstallable(b.Snapshot, b.LookBack)) >= b.LookBack {
			return log, source, nil
		}
	}
}

// collector keeps what is to be installed.
type collector struct{ works []*installer.Work }

// Install implements Installer.
func (c *collector) Install(_ context.Context, w *installer.Work) error {
	c.works = append(c.works, w)
	return nil
}

// guarded converts versions to their guarded statements alone.
type guarded struct {
	*rollout.Archive
	holes *Holes
}

// Of implements Guests: what has no route today may have had an installer of the replicator of before.
func (g guarded) Of(c *talos.Candidate) rollout.Converter {
	by := g.Archive.Of(c)
	by.Ignored = by.Guest == "" && !by.Divided
	return by
}

// Convert implements Guests.
func (g guarded) Convert(ctx context.Context, digest string, records []guest.Record) ([]rollout.Converted, error) {
	all, err := g.Archive.Convert(ctx, digest, records)
	for i := range all {
		if len(all[i].Guarded) < len(all[i].Statements) {
			g.holes.Unguarded++
		}
		all[i].Statements = all[i].Guarded
	}
	return all, err
}

func (b *Below) convert(ctx context.Context, h *Holes, log *books.Log, source Source, archive *rollout.Archive, wanted []talos.Version) ([]*installer.Work, error) {
	var all collector
	replay := &Replay{
		Log: log, Source: source, Guests: guarded{archive, h}, Into: &all,
		Wanted: func(v talos.Version) bool { _, found := slices.BinarySearch(wanted, v); return found },
	}
	done, err := replay.Run(ctx)
	if err != nil {
		return nil, err
	}
	h.Refused = done.Refused
	return all.works, nil
}

// try installs and rolls back.
func (b *Below) try(ctx context.Context, h *Holes, archive *rollout.Archive, works []*installer.Work) error {
	reader, err := b.Database.OpenReader(ctx) // sees the rows as they are
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer reader.Close()
	v := &verification{archive: archive, reader: reader}
	tables, err := v.findTables(ctx)
	if err != nil {
		return err
	}
	trial, err := b.Database.OpenTrial(ctx)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer trial.Close()
	for _, w := range works {
		err := trial.Install(ctx, w)
		var refused *installer.Error
		switch {
		case errors.As(err, &refused) && refused.Class == installer.Poison && !refused.Lost:
			h.Refused = append(h.Refused, Refusal{w.Version, err.Error()})
		case err != nil:
			return fmt.Errorf("the trial of version %d: %w", w.Version, err)
		case trial.Affected() > 0:
			h.Count++
			if len(h.Versions) < books.ShownMax {
				h.Versions = append(h.Versions, w.Version)
			}
		}
	}
	if h.Count == 0 {
		return nil
	}
	for _, t := range tables {
		if err := b.show(ctx, h, t, trial, reader); err != nil {
			return err
		}
	}
	return nil
}

// rowsShownMax is how many rows are shown of holes.
const rowsShownMax = 5

// show quotes the first rows that were written, as they are and as they would be.
func (b *Below) show(ctx context.Context, h *Holes, t *installer.Table, trial *installer.Serial, reader *installer.Reader) error {
	written, err := trial.Written(ctx, t, rowsShownMax-len(h.Rows))
	if err != nil {
		return err
	}
	for _, row := range written {
		d := RowDifference{Key: row.Key, Want: row.Text, Version: row.Version}
		if len(t.Key) > 0 {
			if d.Got, err = reader.Find(ctx, t, row.Key); err != nil {
				return err
			}
		}
		h.Rows = append(h.Rows, d)
	}
	return nil
}
