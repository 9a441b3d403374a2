package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/verify"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

type verifyCommand struct {
	withFile
	Log     *string  `placeholder:"FILE" help:"A recording of the log, one JSON object a line, also packed by gzip; else the topic of the settings."`
	Scratch *string  `placeholder:"URL" help:"A database with the cohort's tables as they were at the snapshot that its own cohort_snapshot says: an empty cohort, or a restored copy. The log is replayed into it from there, and undone. Never the cohort's own."`
	Against *string  `placeholder:"URL" help:"The database of another cohort of the same log, to be compared with."`
	Rest    bool     `help:"The host has been given all the time that it needs: what can be installed must be."`
	Keep    bool     `help:"Leave the replay in the scratch database: for logs in which one row is written many thousand times, which one transaction is slow with. What differs is not looked into."`
	Tables  []string `placeholder:"NAME" help:"Compare these tables too, beside those that the guests say they write."`
	JSON    bool     `help:"Print the report as JSON."`
}

// Help implements kong's detailed help.
func (*verifyCommand) Help() string {
	return `It reads the database at one moment, then the log, and changes neither; a host may run meanwhile.

Always: snapshot, resume point, ledger, quarantine, audit and guest history against what the log says of each version, and the
versions that rows name. With --scratch: the rows against a serial replay by the guests of the history, byte for byte, and
where they differ the version that wrote each last, and which version left out, or twice, would explain it.

Exit codes: 0 nothing is wrong, 1 something is, 2 settings, 3 what is to be read cannot be.`
}

// Run implements the verb.
func (c *verifyCommand) Run(ctx context.Context) error {
	o, end, err := c.prepare()
	if err != nil {
		return err
	}
	defer end()
	report, err := c.verify(ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(&stdout, string(text))
	} else if pair, ok := report.(*verify.Pair); ok {
		printPair(&stdout, cleaned(pair))
	} else if r, ok := report.(*verify.Report); ok {
		printReport(&stdout, cleaned(r))
	}
	if r, ok := report.(*verify.Report); ok && r.Unverified && !r.Wrong() {
		return &failure{exitEnvironment, errors.New("the rows could not be compared; see above")}
	}
	if !report.OK() {
		return &failure{exitRuntime, errors.New("something is wrong; see above")}
	}
	return nil
}

// verify returns the report, or the comparison of two cohorts.
func (c *verifyCommand) verify(ctx context.Context, o verify.Options) (report interface{ OK() bool }, err error) {
	if c.Against == nil {
		report, err = verify.Run(ctx, o)
	} else {
		other, wrong := open("--against", installer.Options{URL: *c.Against})
		if wrong != nil {
			return nil, wrong
		}
		report, err = verify.Against(ctx, o, other)
	}
	if err != nil {
		return nil, &failure{exitEnvironment, err}
	}
	return report, nil
}

// prepare opens what is read. The function that it returns closes it.
func (c *verifyCommand) prepare() (verify.Options, func(), error) {
	settings, _, err := c.options()
	if err != nil {
		return verify.Options{}, nil, err
	}
	settings.Fill()
	if err := settings.Validate(); err != nil {
		return verify.Options{}, nil, &failure{exitSettings, err}
	}
	quiet := slog.New(slog.DiscardHandler)
	o := verify.Options{Rest: books.Rest(c.Rest), Keep: c.Keep, Tables: c.Tables, InOrder: settings.Core.Order == replicator.OrderVersion, Log: quiet}
	if !c.JSON {
		o.Say = func(format string, args ...any) { fmt.Fprintf(os.Stderr, "ichor: "+format+"\n", args...) }
	}
	_ = equip(&settings.Guests.Limits) // without a directory for compiled guests it takes seconds longer
	o.Guests = settings.Guests
	if o.Database, err = installer.New(settings.Database.Options, quiet); err != nil {
		return o, nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	if c.Scratch != nil {
		if o.Scratch, err = open("--scratch", installer.Options{URL: *c.Scratch}); err != nil {
			return o, nil, err
		}
	}
	var end func()
	o.Source, end, err = logSource(c.Log, settings, quiet)
	return o, end, err
}

// logSource returns the log: the recording if one is given, or the topic of the settings.
func logSource(recording *string, settings host.Options, quiet *slog.Logger) (verify.Source, func(), error) {
	if recording != nil {
		if _, err := os.Stat(*recording); err != nil {
			return nil, nil, &failure{exitEnvironment, fmt.Errorf("--log: %w", err)}
		}
		return verify.File(func() (io.ReadCloser, error) { return os.Open(*recording) }), func() {}, nil
	}
	log, err := kafka.New(settings.Source.Options, quiet, nil)
	if err != nil {
		return nil, nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	return verify.Topic(log), log.Close, nil
}

// open returns the access to a database that a flag names.
func open(flag string, o installer.Options) (*installer.Installer, error) {
	err := o.Validate()
	var in *installer.Installer
	if err == nil {
		in, err = installer.New(o, slog.New(slog.DiscardHandler))
	}
	if err != nil { // whose words are about the settings
		return nil, &failure{exitSettings, errors.New(strings.ReplaceAll(err.Error(), "database.url", flag))}
	}
	return in, nil
}

func printPair(w io.Writer, p *verify.Pair) {
	for i, name := range []string{"this cohort", "the other cohort"} {
		fmt.Fprintf(w, "%s\n", strings.ToUpper(name))
		printReport(w, p.Replays[i])
	}
	fmt.Fprintln(w, "ONE AGAINST THE OTHER")
	if p.Apart != "" {
		fmt.Fprintln(w, "failed  not compared:", p.Apart)
	}
	printTables(w, p.Tables, "the other has")
}

func printReport(w io.Writer, r *verify.Report) {
	b := r.Books
	fmt.Fprintf(w, "log     %s:", r.Log)
	for _, class := range books.Classes {
		if n := b.Counts[class]; n > 0 {
			fmt.Fprintf(w, " %d %s", n, class)
		}
	}
	fmt.Fprintf(w, "\nbooks   snapshot %d, the log allows %d; resume point %d; %d installed ahead, %d held, %d skipped by an operator, %d pending\n",
		b.Snapshot, b.Reachable, b.Resume, b.Ahead, b.Held, b.Skipped, b.Pending)
	if g := b.Going; g != nil {
		fmt.Fprintf(w, "going   past what holds the snapshot %d versions may go, and %d are installed\n", g.Allowed, g.Installed)
	}
	if b.Abandoned > 0 {
		fmt.Fprintf(w, "note    %d of the aborted were abandoned by an operator\n", b.Abandoned)
	}
	if n := len(b.Overruled); n > 0 {
		fmt.Fprintf(w, "note    %d of these were committed later, and another cohort of the log may have installed them: %v\n", n, b.Overruled[:min(n, shownMax)])
	}
	if b.Below > 1 {
		fmt.Fprintf(w, "note    the log begins at position %d: of versions before nothing is said\n", b.Below)
	}
	for _, f := range append(b.Findings, r.Claims...) {
		fmt.Fprintf(w, "failed  %s, %d times: %s%s\n", f.Kind, f.Count, f.What, versionsOf(f))
	}
	if len(b.Findings)+len(r.Claims) == 0 {
		fmt.Fprintln(w, "ok      the books agree with the log")
	}
	if r.NoReplay != "" {
		word := "note  "
		if r.Unverified {
			word = "failed"
		}
		fmt.Fprintf(w, "%s  no replay: %s\n", word, r.NoReplay)
	}
	if p := r.Replay; p != nil {
		fmt.Fprintf(w, "replay  versions %d to %d: %d installed, %d without effects\n", p.From+1, p.To, p.Installed, p.Skipped)
		for _, refused := range p.Refused {
			fmt.Fprintf(w, "failed  version %d of %d that the replay cannot install: %s\n", refused.Version, p.Refusals, refused.Why)
		}
	}
	printTables(w, r.Tables, "the replay has")
	for _, d := range r.Diagnosis {
		fmt.Fprintf(w, "        %d of these rows are as if version %d %s\n", d.Rows, d.Version, causes[d.What])
	}
}

var causes = map[verify.Cause]string{
	verify.LeftOut: "had been left out", verify.Twice: "had taken effect twice",
	verify.Stale: "and what came after it had been left out",
}

func versionsOf(f books.Finding) string {
	if f.Count < 2 || len(f.Versions) == 0 {
		return ""
	}
	return fmt.Sprintf("; the first are %v", f.Versions)
}

// leftOut names the columns of a table that are not compared.
func leftOut(t *verify.TableReport) string {
	if len(t.LeftOut) == 0 {
		return ""
	}
	return "; not compared, for they draw from a sequence: " + strings.Join(t.LeftOut, ", ")
}

// noRows says what a comparison lacks with a replay that left no row.
func noRows(t *verify.TableReport) string {
	if t.Wanted > 0 {
		return ""
	}
	return "; the replay left none: the scratch database must have those that were there before the first version"
}

func printTables(w io.Writer, tables []*verify.TableReport, wanted string) {
	for _, t := range tables {
		word, beside := "ok    ", ""
		if t.Different > 0 {
			word = "failed"
		}
		if t.Ahead > 0 {
			beside += fmt.Sprintf("; %d rows are ahead, installed by an initiator", t.Ahead)
		}
		beside += leftOut(t) + noRows(t)
		fmt.Fprintf(w, "%s  table %s: %d rows, %d differ%s\n", word, t.Table, t.Rows, t.Different, beside)
		for _, d := range t.First {
			last := "nothing since the start"
			if d.Version != "" {
				last = "version " + d.Version
			}
			if d.Guard != "" {
				last += ", and the row says version " + d.Guard
			}
			got, want := d.Sides()
			fmt.Fprintf(w, "        %s is %s, %s %s; last written by %s\n", d.Key, got, wanted, want, last)
		}
		if more := t.Different - len(t.First); more > 0 {
			fmt.Fprintf(w, "        and %d more\n", more)
		}
	}
}
