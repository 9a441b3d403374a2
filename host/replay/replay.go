// Package replay answers what a new module of a guest would have made of the past: it reads a range of the
// log and compares, version by version, what the module makes of it with what the modules of the history
// made of it; and, where a scratch database is given, the rows that the two leave there. It changes nothing.
package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// Options say what is replayed, and by what.
type Options struct {
	Database *installer.Installer // the cohort's: its history, its modules, its snapshot
	// Source is the log, from its beginning or from Range.From on; with Scratch from the first version on
	// that the scratch database lacks.
	Source verify.Source
	Guests rollout.Options
	Guest  string // the name in the routes of the guest that the module is of
	Module []byte
	Range  Range
	Shown  int // differences that are kept for people
	// Scratch is a database with the cohort's tables as they were at the snapshot that its cohort_snapshot
	// has, 0 where it has none: what came after is installed there, and undone. Nil is none, and then no
	// rows are compared.
	Scratch *installer.Installer
	// Say tells of each step; nil is nobody.
	Say func(format string, args ...any)
	Log *slog.Logger
}

// Module is one that converted.
type Module struct {
	Digest   string `json:"digest"`   // SHA-256 in hexadecimal
	Version  string `json:"version"`  // the manifest's, any text
	Versions int    `json:"versions"` // that it converted in this replay
}

// Report is what the replay came to.
type Report struct {
	Log   string   `json:"log"`
	Guest string   `json:"guest"`
	New   Module   `json:"new"`
	Old   []Module `json:"old"` // in the order in which they converted first
	Range Range    `json:"range"`
	// Committed are the versions of the range that have something to convert, Elsewhere those of them that
	// other guests convert, Missing those of which the log has lost the candidate.
	Committed int           `json:"committed"`
	Elsewhere int           `json:"elsewhere"`
	Missing   int           `json:"missing"`
	Compared  shadow.Report `json:"comparison"`
	Installed *Installed    `json:"installed,omitempty"` // nil where no scratch database was given
}

// Same reports whether nothing differs.
func (r *Report) Same() bool {
	return r.Compared.Different() == 0 && (r.Installed == nil || r.Installed.Same())
}

// replay is one in progress.
type replay struct {
	Options
	report   *Report
	evidence *books.Evidence
	log      *books.Log
	old      *rollout.Archive
	new      *rollout.Archive
	reader   *installer.Reader

	compared *shadow.Comparison
	digest   string // of the module that converts what is pending
	pending  []guest.Record
}

// Run replays. What differs stands in the report; the error is of what could not be read or loaded, of the
// range (*RangeError, *UndecidedError, *BelowStartError), of the history (*HistoryError, *ModuleError) or of
// the scratch database (*ScratchError).
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	r := &replay{Options: o, compared: shadow.NewComparison(o.Shown), report: &Report{Guest: o.Guest}}
	if r.reader, err = o.Database.OpenReader(ctx); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	defer r.reader.Close()
	evidence, err := r.reader.Evidence(ctx)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	r.evidence = verify.EvidenceOf(evidence)
	o.Say("reading the log")
	if r.log, err = verify.ReadLog(ctx, o.Source); err != nil {
		return nil, err
	}
	r.log.Abandon(r.evidence.Abandoned)
	r.report.Log = r.log.String()
	if err := r.choose(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	if o.Scratch != nil {
		err = r.install(ctx)
	}
	return r.report, err
}

// load makes the archives of the history's modules and of the new one, and loads the new one.
func (r *replay) load(ctx context.Context) error {
	digest := guest.DigestOf(r.Module).String()
	var err error
	if r.old, err = rollout.NewArchive(r.Guests, r.Database, verify.PastOf(r.evidence), r.reader.Module, r.Log); err != nil {
		return err
	}
	if r.new, err = rollout.NewArchive(r.Guests, r.Database, rollout.Past{History: []cohort.Use{{Guest: r.Guest, Digest: digest}}},
		func(context.Context, string) (installer.Module, error) {
			return installer.Module{Guest: r.Guest, Digest: digest, Bytes: r.Module}, nil
		}, r.Log); err != nil {
		return err
	}
	r.Say("loading the new module")
	l, err := r.new.Load(ctx, digest)
	if err != nil {
		return err
	}
	r.report.New = Module{Digest: digest, Version: l.Version}
	return nil
}

func (r *replay) close() error {
	if r.new == nil {
		return nil
	}
	return errors.Join(r.old.Close(), r.new.Close())
}

// by returns who converted a version, and an error where nobody can say or do it again.
func (r *replay) by(c *talos.Candidate) (rollout.Converter, error) {
	by := r.old.Of(c)
	switch {
	case by.Guest != r.Guest:
		return by, nil
	case by.Digest == "":
		return by, &HistoryError{Guest: by.Guest, Version: c.Version}
	}
	return by, r.keeps(by.Digest, c.Version)
}

// keeps returns an error if the database does not have a module of the history, which converted a version.
func (r *replay) keeps(digest string, v talos.Version) error {
	if _, kept := r.evidence.Modules[digest]; kept {
		return nil
	}
	e := &ModuleError{Digest: digest, Version: v}
	for _, u := range r.evidence.History {
		if u.Digest == digest {
			e.Guest = u.Guest
		}
	}
	return e
}
