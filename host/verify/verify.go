// Package verify holds a cohort's database against its log: whether what the host wrote down
// about itself agrees with what the log says (package books), and whether the rows are those of a serial
// replay. It reads a log and a database and asks no host, so that it can run beside one, after one and
// without one.
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

// Options say what is verified, and against what.
type Options struct {
	Database *installer.Installer // the cohort's
	Source   Source
	Guests   rollout.Options
	Rest     books.Rest
	// InOrder says that the host installs in the order of versions (installer.order).
	InOrder bool
	// Scratch is a database with the cohort's tables as they were at the snapshot that its
	// cohort_snapshot has, 0 where it has none: what came after is replayed into it. Nil is none, and
	// then no row is compared.
	Scratch *installer.Installer
	// Keep leaves the replay in the scratch database. One transaction takes long with a row that is written ten
	// thousand times, for it keeps every state of it; with Keep each version has its own,
	// and what differs is not looked into.
	Keep bool
	// Tables are compared beside those that the guests' manifests say they write.
	Tables []string
	// Say tells of each step; nil is nobody.
	Say func(format string, args ...any)
	Log *slog.Logger
}

// Report is what was found out.
type Report struct {
	Log   string        `json:"log"`
	Books *books.Report `json:"books"`
	// Claims are rows that name a version which cannot have written them.
	Claims []books.Finding `json:"claims,omitempty"`
	// Replay is nil where none was made, and NoReplay says why.
	Replay   *Replayed `json:"replay,omitempty"`
	NoReplay string    `json:"no_replay,omitempty"`
	// Unverified says that a replay was asked for and could not be made.
	Unverified bool           `json:"unverified,omitempty"`
	Tables     []*TableReport `json:"tables,omitempty"`
	// Diagnosis says which version it is that the rows lack, or have twice; nil where that is not known.
	Diagnosis []Diagnosis `json:"diagnosis,omitempty"`
}

// OK reports whether nothing is wrong, and what was to be compared was.
func (r *Report) OK() bool { return !r.Unverified && !r.Wrong() }

// Wrong reports whether something is wrong.
func (r *Report) Wrong() bool {
	if !r.Books.OK() || len(r.Claims) > 0 || r.Replay != nil && r.Replay.Refusals > 0 {
		return true
	}
	return slices.ContainsFunc(r.Tables, func(t *TableReport) bool { return t.Different > 0 })
}

// Run reads the database and then the log, and holds one against the other. What is wrong stands in
// the report; the error is of what could not be read.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	v := &verification{Options: o, report: &Report{}}
	if v.Say == nil {
		v.Say = func(string, ...any) {}
	}
	if v.reader, err = o.Database.OpenReader(ctx); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	defer v.reader.Close()
	if v.e, err = readEvidence(ctx, v.reader); err != nil {
		return nil, err
	}
	v.installed = books.NewInstalled(v.e)
	v.Say("reading the log")
	if v.log, err = ReadLog(ctx, o.Source); err != nil {
		return nil, err
	}
	if _, recorded := o.Source.(*file); recorded && v.log.End <= talos.Position(v.e.Snapshot) {
		return nil, fmt.Errorf("the recording (%s) ends below the cohort's snapshot %d: take one that reaches further", v.log, v.e.Snapshot)
	}
	v.report.Log = v.log.String()
	v.report.Books = books.Check(v.log, v.e, o.Rest)
	why := v.unreplayable()
	if why == "" {
		if err := v.open(); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, v.archive.Close()) }()
	}
	if bool(o.Rest) && v.report.Books.Waits() {
		if err := v.going(ctx); err != nil {
			return nil, err
		}
	}
	if why != "" {
		v.report.NoReplay, v.report.Unverified = why, v.Scratch != nil
		return v.report, nil
	}
	return v.report, v.rows(ctx)
}

// readEvidence reads what the host wrote down.
func readEvidence(ctx context.Context, from *installer.Reader) (*books.Evidence, error) {
	e, err := from.Evidence(ctx)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return EvidenceOf(e), nil
}

type verification struct {
	Options
	report    *Report
	reader    *installer.Reader
	e         *books.Evidence
	installed *books.Installed
	log       *books.Log
	archive   *rollout.Archive
	guests    Guests // the archive
	serial    *installer.Serial
	replay    *Replay
	tables    []*installer.Table
}

// rows looks at the tables that the guests write.
func (v *verification) rows(ctx context.Context) (err error) {
	v.Say("loading the guests that the history names")
	if v.tables, err = v.findTables(ctx); err != nil {
		return err
	}
	v.Say("reading the versions that rows name")
	if err := v.claims(ctx); err != nil {
		return err
	}
	if v.Scratch == nil {
		v.report.NoReplay = "no scratch database is named: the rows themselves are not compared"
		return nil
	}
	is, err := v.reader.Identity(ctx)
	if err != nil {
		return err
	}
	if v.serial, err = v.Scratch.OpenSerial(ctx, is, v.Keep); err != nil {
		return err
	}
	defer v.serial.Close()
	return v.replayed(ctx)
}

// unreplayable says why no guest of the history can convert anything, "" if they can.
func (v *verification) unreplayable() string {
	switch {
	case len(v.e.History) == 0:
		return "the history names no guest: no host has installed anything into this database"
	case slices.ContainsFunc(v.report.Books.Findings, func(f books.Finding) bool { return f.Kind == books.ModuleMissing || f.Kind == books.ModuleWrong }):
		return "not every module that the history names is kept: see the findings"
	}
	return ""
}

// open makes the archive of the guests that the history names.
func (v *verification) open() (err error) {
	v.archive, err = rollout.NewArchive(v.Options.Guests, v.Database, PastOf(v.e), v.reader.Module, v.Log)
	v.guests = v.archive
	return err
}

// tablesOfHistory is findTables with guests that are loaded for it alone.
func (v *verification) tablesOfHistory(ctx context.Context) (tables []*installer.Table, err error) {
	if err := v.open(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.archive.Close()) }()
	return v.findTables(ctx)
}

// findTables looks up what the guests say that they write.
func (v *verification) findTables(ctx context.Context) ([]*installer.Table, error) {
	var all []*guest.Generation
	for _, digest := range v.archive.Digests() {
		if v.e != nil && v.e.Modules[digest] == "" {
			continue // pruned
		}
		l, err := v.archive.Load(ctx, digest)
		if err != nil {
			return nil, err
		}
		all = append(all, l.Generation)
	}
	return WrittenTables(ctx, v.reader, all, v.Tables)
}

// replayed makes the replay and compares.
func (v *verification) replayed(ctx context.Context) error {
	from, err := v.serial.Snapshot(ctx)
	if err != nil {
		return err
	}
	had, err := v.serial.Ledger(ctx)
	if err != nil {
		return err
	}
	switch {
	case from > v.e.Snapshot:
		v.report.NoReplay = fmt.Sprintf("the scratch database has everything up to version %d, and the cohort's only up to %d: restore an earlier copy", from, v.e.Snapshot)
	case v.log.Start > talos.Position(from)+1:
		v.report.NoReplay = fmt.Sprintf("the log begins at position %d, and the scratch database has everything up to version %d: what lies between is gone; "+
			"restore a copy of the cohort's database from when its resume point was %d or later into it, and replay from there", v.log.Start, from, v.log.Start)
	}
	for _, u := range v.e.History.Needed(from) {
		if v.e.Modules[u.Digest] == "" && v.report.NoReplay == "" {
			v.report.NoReplay = fmt.Sprintf("the module %.12s of guest %s, which converted versions from %d on, is not kept any more: "+
				"restore a later copy of the cohort's database into the scratch one, and raise guests.keep for the next time", u.Digest, u.Guest, u.From)
		}
	}
	if v.report.NoReplay != "" {
		v.report.Unverified = true
		return nil
	}
	v.Say("replaying versions %d to %d", from+1, v.e.Snapshot)
	v.replay = &Replay{
		Log: v.log, Source: v.Source, Guests: v.guests, Into: v.serial,
		Wanted: func(version talos.Version) bool {
			return version > from && v.installed.Has(version) && !slices.Contains(had, version)
		},
	}
	v.report.Replay, err = v.replay.Run(ctx)
	if err != nil {
		return err
	}
	v.report.Replay.From, v.report.Replay.To = from, v.e.Snapshot
	v.Say("comparing")
	for _, t := range v.tables {
		r, err := compareTable(ctx, t, v.serial, v.reader, v.ahead)
		if err != nil {
			return err
		}
		v.report.Tables = append(v.report.Tables, r)
	}
	if v.Keep {
		return nil
	}
	return v.diagnose(ctx)
}
