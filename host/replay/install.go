package replay

import (
	"context"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// Installed is what the two modules left in the scratch database.
type Installed struct {
	// Below is the replay of what comes before the range, by the modules of the history: both begin there.
	Below *verify.Replayed `json:"below"`
	Old   *verify.Replayed `json:"old"` // of the range, by the modules of the history
	New   *verify.Replayed `json:"new"` // of the range, by the new module
	// Tables are those that one of the modules writes. What is wanted is what the old modules left, what is
	// got what the new one left.
	Tables []*verify.TableReport `json:"tables"`
}

// Same reports whether both left the same rows, of the same versions.
func (i *Installed) Same() bool {
	differs := slices.ContainsFunc(i.Tables, func(t *verify.TableReport) bool { return t.Different > 0 })
	return !differs && i.Old.Installed == i.New.Installed && i.Old.Refusals == i.New.Refusals
}

// install installs the range twice, from one start, and compares the rows.
func (r *replay) install(ctx context.Context) (err error) {
	is, err := r.reader.Identity(ctx)
	if err != nil {
		return err
	}
	serial, err := r.Scratch.OpenSerial(ctx, is, false)
	if err != nil {
		return err
	}
	defer serial.Close()
	below, err := r.below(ctx, serial)
	if err != nil {
		return err
	}
	i := &Installed{}
	r.report.Installed = i
	span := r.report.Range
	r.Say("installing what comes before version %d", span.From)
	if i.Below, err = r.installed(ctx, serial, history{r}, below); err != nil {
		return err
	}
	if err := serial.Mark(ctx); err != nil {
		return err
	}
	host := books.NewInstalled(r.evidence)
	within := func(v talos.Version) bool { return v >= span.From && v <= span.To && !host.PassedOver(v) }
	r.Say("installing the range by the modules of the history")
	if i.Old, err = r.installed(ctx, serial, history{r}, within); err != nil {
		return err
	}
	tables, err := r.tables(ctx, serial)
	if err != nil {
		return err
	}
	left, err := keepRows(ctx, serial, tables)
	if err != nil {
		return err
	}
	defer left.remove()
	if err := serial.Rewind(ctx); err != nil {
		return err
	}
	r.Say("installing the range by the new module")
	if i.New, err = r.installed(ctx, serial, replaced{history{r}}, within); err != nil {
		return err
	}
	r.Say("comparing the rows")
	i.Tables, err = left.compare(ctx, serial)
	return err
}

// below returns which versions before the range are installed first.
func (r *replay) below(ctx context.Context, serial *installer.Serial) (func(talos.Version) bool, error) {
	start, err := serial.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	had, err := serial.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	from := r.report.Range.From
	switch {
	case start >= from:
		return nil, &ScratchError{fmt.Sprintf("has everything up to version %d, and the range begins at %d: give an earlier copy, or begin the range with --from %d or later", start, from, start+1)}
	case slices.ContainsFunc(had, func(v talos.Version) bool { return v >= from }):
		return nil, &ScratchError{fmt.Sprintf("has version %d installed ahead of its snapshot, and the range begins at %d: give an earlier copy, or one of a host that was drained", had[len(had)-1], from)}
	case r.log.Start > talos.Position(start)+1:
		return nil, &ScratchError{fmt.Sprintf("has everything up to version %d, and the log begins at position %d: what lies between is gone; "+
			"give a copy of the cohort's database from when its snapshot was %d or later", start, r.log.Start, r.log.Start-1)}
	}
	host := books.NewInstalled(r.evidence)
	return func(v talos.Version) bool {
		return v > start && v < from && host.Has(v) && !slices.Contains(had, v)
	}, nil
}

func (r *replay) installed(ctx context.Context, serial *installer.Serial, by verify.Guests, wanted func(talos.Version) bool) (*verify.Replayed, error) {
	replay := &verify.Replay{
		Log: r.log, Source: r.Source, Guests: by, Into: serial, Wanted: wanted,
	}
	done, err := replay.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("the scratch database: %w", err)
	}
	return done, nil
}

// tables looks up what the modules write.
func (r *replay) tables(ctx context.Context, serial *installer.Serial) ([]*installer.Table, error) {
	l, err := r.new.Load(ctx, r.report.New.Digest)
	if err != nil {
		return nil, err
	}
	all := []*guest.Generation{l.Generation}
	for _, m := range r.report.Old {
		if l, err = r.old.Load(ctx, m.Digest); err != nil {
			return nil, err
		}
		all = append(all, l.Generation)
	}
	return verify.WrittenTables(ctx, serial, all, nil)
}

// history are the guests as they converted.
type history struct{ *replay }

// Of implements verify.Guests.
func (h history) Of(c *talos.Candidate) rollout.Converter { return h.old.Of(c) }

// Convert implements verify.Guests.
func (h history) Convert(ctx context.Context, digest string, records []guest.Record) ([]rollout.Converted, error) {
	if err := h.keeps(digest, records[0].Version); err != nil {
		return nil, err
	}
	return h.old.Convert(ctx, digest, records)
}

// replaced are the guests of the history, with the new module in the place of its guest's.
type replaced struct{ history }

// Of implements verify.Guests.
func (r replaced) Of(c *talos.Candidate) rollout.Converter {
	by := r.old.Of(c)
	if by.Guest == r.Guest {
		by.Digest = r.report.New.Digest
	}
	return by
}

// Convert implements verify.Guests. A module that is the history's too converts alike in both.
func (r replaced) Convert(ctx context.Context, digest string, records []guest.Record) ([]rollout.Converted, error) {
	if digest == r.report.New.Digest {
		return r.new.Convert(ctx, digest, records)
	}
	return r.history.Convert(ctx, digest, records)
}
