package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replay"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify"
)

type replayCommand struct {
	withFile
	Guest       string        `required:"" placeholder:"FILE" type:"path" help:"The new module."`
	Name        string        `help:"The guest's name in the routes; else the file's, without .wasm."`
	From        talos.Version `placeholder:"VERSION" help:"Where the range begins; else ${newest} committed versions before its end, and not before the history does."`
	To          talos.Version `placeholder:"VERSION" help:"Where the range ends, inclusive; else at the snapshot."`
	Log         *string       `placeholder:"FILE" help:"A recording of the log, one JSON object a line, also packed by gzip; else the topic of the settings."`
	Differences int           `default:"10" placeholder:"N" help:"How many differences to show."`
	Install     bool          `help:"Install the range by both into the scratch database, and compare the rows that they leave there."`
	Scratch     string        `placeholder:"URL" help:"For --install: a database with the cohort's tables as they were at the snapshot that its own cohort_snapshot says, below the range: an empty cohort, or a restored copy. All that is installed there is undone. Never the cohort's own."`
	JSON        bool          `help:"Print the report as JSON."`
}

// Help implements kong's detailed help.
func (*replayCommand) Help() string {
	return `It reads a range of the log, and has each committed version converted by the module that the history names for it, taken from
ichor.guest_module, and by the new one. It compares what becomes of each version and its statements one by one: their number, their SQL,
their values. With --install it also compares the rows: what comes before the range is installed into the scratch database by the
modules of the history, then the range once by them and once by the new one. It changes neither log nor database; a host may run meanwhile.

The digest behind "differences" names exactly these differences: of the same range and the same modules it is always the same.

Exit codes: 0 both make the same, 1 something differs, 2 settings or a range without committed versions, 3 what is to be read cannot be,
or the new module is refused.`
}

// Run implements the verb.
func (c *replayCommand) Run(ctx context.Context) error {
	o, end, err := c.prepare()
	if err != nil {
		return err
	}
	defer end()
	report, err := replay.Run(ctx, o)
	var (
		span      *replay.RangeError
		undecided *replay.UndecidedError
	)
	switch {
	case errors.As(err, &span), errors.As(err, &undecided):
		return &failure{exitSettings, err}
	case err != nil:
		return &failure{exitEnvironment, err}
	case c.JSON:
		err = printJSON(&stdout, report)
	default:
		printReplay(&stdout, cleaned(report))
	}
	if !report.Same() {
		return &failure{exitRuntime, errors.New("the new module does not make the same; see above")}
	}
	return err
}

// prepare opens what is read. The function that it returns closes it.
func (c *replayCommand) prepare() (replay.Options, func(), error) {
	o := replay.Options{Range: replay.Range{From: c.From, To: c.To}, Shown: c.Differences, Log: slog.New(slog.DiscardHandler)}
	settings, _, err := c.options()
	if err != nil {
		return o, nil, err
	}
	settings.Fill()
	if err := settings.Validate(); err != nil {
		return o, nil, &failure{exitSettings, err}
	}
	if err := c.readModule(&o, settings); err != nil {
		return o, nil, err
	}
	if !c.JSON {
		o.Say = func(format string, args ...any) { fmt.Fprintf(os.Stderr, "ichor: "+format+"\n", args...) }
	}
	_ = equip(&settings.Guests.Limits) // without a directory for compiled guests it takes seconds longer
	o.Guests = settings.Guests
	if o.Database, err = installer.New(settings.Database.Options, o.Log); err != nil {
		return o, nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	if c.Install {
		if o.Scratch, err = open("--scratch", installer.Options{URL: c.Scratch}); err != nil {
			return o, nil, err
		}
	}
	var end func()
	o.Source, end, err = c.source(settings, o.Log)
	return o, end, err
}

// readModule reads the new module, BEFORE a file that is not there is taken for the name of a guest, and looks at the
// flags that have nothing to do with the deployment.
func (c *replayCommand) readModule(o *replay.Options, settings host.Options) (err error) {
	if o.Module, err = guest.ReadFile(c.Guest); errors.Is(err, fs.ErrNotExist) {
		return &failure{exitEnvironment, fmt.Errorf("--guest: %w", err)}
	} else if err != nil {
		return &failure{exitEnvironment, err}
	}
	o.Guest = c.Name
	if o.Guest == "" {
		o.Guest = strings.TrimSuffix(filepath.Base(c.Guest), ".wasm")
	}
	switch {
	case !routed(settings.Guests.Routes, o.Guest):
		return &failure{exitSettings, fmt.Errorf("no route of the settings names a guest %q: give its name with --name", o.Guest)}
	case c.Differences < 0:
		return &failure{exitSettings, errors.New("--differences is how many to show: 0 or more")}
	case c.Install && c.Scratch == "":
		return &failure{exitSettings, errors.New("--install needs a database to install into: name it with --scratch, as for ichor verify")}
	case c.Scratch != "" && !c.Install:
		return &failure{exitSettings, errors.New("--scratch is for --install: give both")}
	}
	return nil
}

// source returns the log: the recording, or the topic of the settings. Where nothing that comes before the
// range is needed it is not read.
func (c *replayCommand) source(settings host.Options, quiet *slog.Logger) (verify.Source, func(), error) {
	if c.Log != nil || c.Install || c.From == 0 {
		return logSource(c.Log, settings, quiet)
	}
	log, err := kafka.New(settings.Source.Options, quiet, nil)
	if err != nil {
		return nil, nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	return verify.TopicFrom(log, talos.Position(c.From)), log.Close, nil
}

func printReplay(w io.Writer, r *replay.Report) {
	s := &r.Compared
	fmt.Fprintf(w, "log     %s\n", r.Log)
	fmt.Fprintf(w, "range   versions %d to %d: %d committed", r.Range.From, r.Range.To, r.Committed)
	if r.Elsewhere > 0 {
		fmt.Fprintf(w, ", %d of them for other guests", r.Elsewhere)
	}
	if r.Missing > 0 {
		fmt.Fprintf(w, "; the log has lost the candidates of %d more", r.Missing)
	}
	fmt.Fprintln(w)
	for _, m := range r.Old {
		fmt.Fprintf(w, "old     %s %s (%.12s): %d versions\n", r.Guest, m.Version, m.Digest, m.Versions)
	}
	fmt.Fprintf(w, "new     %s %s (%.12s)\n", r.Guest, r.New.Version, r.New.Digest)
	fmt.Fprintf(w, "result  %d same, %d differ, %d the new one rejects, %d the old one rejected\n", s.Same, s.Differ, s.NewRejects, s.OldRejected)
	switch {
	case s.Digest != "":
		fmt.Fprintf(w, "differences %s\n", s.Digest)
	case s.TooMany:
		fmt.Fprintln(w, "differences have no digest, there are too many: choose a smaller range")
	}
	for i := range s.First {
		printDifference(w, &s.First[i])
	}
	if n := s.Different() - len(s.First); n > 0 {
		fmt.Fprintf(w, "\nand %d more: --differences\n", n)
	}
	if r.Installed != nil {
		printInstalled(w, r)
	}
}

// printDifference writes what two modules made of a version.
func printDifference(w io.Writer, d *shadow.Difference) {
	fmt.Fprintf(w, "\nversion %d, xid %s: %s\nstatemap %s\n", d.Version, orNone(d.XID), d.What, d.Statemap)
	fmt.Fprint(w, "old ")
	printOutcome(w, &d.Old)
	fmt.Fprint(w, "new ")
	printOutcome(w, &d.New)
}

// printInstalled writes what the two left in the scratch database.
func printInstalled(w io.Writer, r *replay.Report) {
	fmt.Fprintln(w)
	for _, part := range []struct {
		name string
		is   *verify.Replayed
	}{{"below the range", r.Installed.Below}, {"by the old modules", r.Installed.Old}, {"by the new module", r.Installed.New}} {
		fmt.Fprintf(w, "rows    %s: %d installed, %d without effects, %d refused\n", part.name, part.is.Installed, part.is.Skipped, part.is.Refusals)
		for _, refused := range part.is.Refused {
			fmt.Fprintf(w, "        version %d: %s\n", refused.Version, refused.Why)
		}
	}
	for _, t := range r.Installed.Tables {
		fmt.Fprintf(w, "table   %s: %d rows, %d differ%s%s\n", t.Table, t.Rows, t.Different, leftOut(t), noRows(t))
		for _, d := range t.First {
			by := "nothing in the replay"
			if d.Version != "" {
				by = "version " + d.Version
			}
			is, was := d.Sides()
			fmt.Fprintf(w, "        %s\n          old %s\n          new %s\n          last written by %s\n", d.Key, was, is, by)
		}
		if more := t.Different - len(t.First); more > 0 {
			fmt.Fprintf(w, "        and %d more\n", more)
		}
	}
}
