package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/talos"
)

type dbCommand struct {
	Init  dbInitCommand  `cmd:"" help:"Create what is missing: schema ichor and cohort_snapshot. It may be run again."`
	Check dbCheckCommand `cmd:"" help:"Say whether the schema is there and whole."`
	Adopt dbAdoptCommand `cmd:"" help:"Decide where the log goes on: after a gap, or on another log. Every host that runs begins anew with it."`
}

type dbInitCommand struct {
	withFile
	Print bool `help:"Print the SQL and change nothing."`
}

// Run implements the verb.
func (c *dbInitCommand) Run(ctx context.Context) error {
	if c.Print {
		fmt.Fprint(&stdout, installer.Schema())
		return nil
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	if err := in.Init(ctx); err != nil {
		return &failure{exitEnvironment, err}
	}
	fmt.Fprintln(&stdout, "the schema is there")
	return nil
}

type dbCheckCommand struct{ withFile }

// Run implements the verb.
func (c *dbCheckCommand) Run(ctx context.Context) error {
	in, err := c.database()
	if err != nil {
		return err
	}
	s, err := in.Read(ctx)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	if s.Epoch == 0 {
		fmt.Fprintln(&stdout, "the schema is there; no host has run on it yet")
		return nil
	}
	fmt.Fprintf(&stdout, "the schema is there: epoch %d, snapshot %d, %d versions ahead of it\n", s.Epoch, s.Snapshot, len(s.Ledger))
	return nil
}

type dbAdoptCommand struct {
	withFile
	Resume   int64  `required:"" placeholder:"N" help:"The first position of the log that is read."`
	Snapshot *int64 `placeholder:"N" help:"What the cohort's snapshot becomes, to begin on another log; it must be below --resume. Rows that carry versions of the old log are not changed."`
	Reason   string `required:"" help:"Why, for ichor.audit."`
	DryRun   bool   `help:"Say what would change and change nothing."`

	LookBack    int  `placeholder:"N" default:"1000" help:"How many versions below the snapshot of another replicator are looked at, 1000 unless it is given; 0 for none. See ichor check."`
	AcceptHoles bool `help:"Go on although some of them are not wholly installed: they never will be."`
}

// Run implements the verb.
func (c *dbAdoptCommand) Run(ctx context.Context) error {
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	a := installer.Adoption{Resume: talos.Position(c.Resume), Reason: c.Reason, DryRun: c.DryRun, Who: operator()}
	if c.Snapshot != nil {
		if *c.Snapshot < 0 {
			return &failure{exitSettings, errors.New("--snapshot is negative")}
		}
		v := talos.Version(*c.Snapshot)
		a.Snapshot = &v
	}
	if err := c.withinLog(ctx); err != nil {
		return err
	}
	if a.Accepted, err = c.holes(ctx, in); err != nil {
		return err
	}
	done, err := in.Adopt(ctx, a)
	var wrong *installer.AdoptError
	if errors.As(err, &wrong) {
		return &failure{exitSettings, err}
	}
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	will := map[bool]string{true: "would become", false: "is now"}[c.DryRun]
	fmt.Fprintf(&stdout, "resume point %d %s %d, snapshot %d %s %d\n", done.FromResume, will, a.Resume, done.FromSnapshot, will, done.Snapshot)
	fmt.Fprintf(&stdout, "forgotten: %d versions ahead of the snapshot, %d held versions, %d rows of the guest history\n", done.LedgerDropped, done.HeldEnded, done.HistoryEnded)
	return nil
}

// withinLog refuses a position that the log does not reach. Where the log cannot be asked, or the settings do
// not say which it is, that is for the operator to know.
func (c *dbAdoptCommand) withinLog(ctx context.Context) error {
	o, _, err := c.options()
	if err != nil {
		return nil // adopt needs the database alone
	}
	source, err := kafka.New(o.Source.Options, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil
	}
	defer source.Close()
	ctx, cancel := context.WithTimeout(ctx, withinLogTime)
	defer cancel()
	facts, err := source.Facts(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "the log could not be asked how far it reaches: %v\n", err)
	case talos.Position(c.Resume) > facts.End:
		return &failure{exitSettings, fmt.Errorf("nothing was changed: --resume is %d, and the log ends at %d: no host could begin there", c.Resume, facts.End)}
	}
	return nil
}

// withinLogTime bounds the question how far the log reaches.
const withinLogTime = 5 * time.Second

// holes looks for versions that another replicator left behind, and refuses them unless they are accepted.
// On another log there is nothing to look at.
func (c *dbAdoptCommand) holes(ctx context.Context, in *installer.Installer) (accepted string, err error) {
	if c.LookBack <= 0 || c.Snapshot != nil {
		return "", nil
	}
	state, err := in.Read(ctx)
	if err != nil {
		return "", &failure{exitEnvironment, err}
	}
	if !host.Foreign(&state) {
		return "", nil // and the rest of the settings is not asked
	}
	o, _, err := c.options()
	if err != nil {
		return "", err
	}
	_ = equip(&o.Guests.Limits) // without a directory for compiled guests it takes seconds longer
	holes, err := host.FindHoles(ctx, o, state.Snapshot, c.LookBack)
	switch {
	case err != nil:
		return "", &failure{exitEnvironment, fmt.Errorf("look below the snapshot of the replicator that served the cohort (--look-back 0 leaves it out): %w", err)}
	case holes.OK():
		fmt.Fprintln(&stdout, holes)
		return "", nil
	case !c.AcceptHoles:
		return "", &failure{exitEnvironment, &host.HolesError{Holes: holes}}
	}
	fmt.Fprintln(&stdout, "accepted:", holes)
	return fmt.Sprintf("%d versions up to the snapshot are not wholly installed, the first are %v", holes.Count, holes.Versions), nil
}

// operator names who gives a command, for the audit.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// database returns the access to the database that the settings name.
func (w withFile) database() (*installer.Installer, error) {
	s, err := readSettings(w.Settings)
	if err != nil {
		return nil, &failure{exitSettings, err}
	}
	url, err := s.Database.address()
	if err == nil && url == "" {
		err = errors.New("database.url is empty: give a PostgreSQL URL")
	}
	if err != nil {
		return nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	in, err := installer.New(installer.Options{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	return in, nil
}
