package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
)

type checkCommand struct {
	withFile
	Timeout  time.Duration `help:"How long each part may take to answer; loading a guest does not count." default:"15s"`
	LookBack int           `placeholder:"N" default:"1000" help:"How many versions below the snapshot of another replicator are looked at, 1000 unless it is given, before a host serves its database: a version that is not wholly installed there would never be. Their rows are locked meanwhile. 0 for none."`
}

// Run implements the verb.
func (c *checkCommand) Run(ctx context.Context) error {
	o, _, err := c.options()
	if err != nil {
		return err
	}
	begun := time.Now()
	lacking := equip(&o.Guests.Limits)
	var unusable error // of one that the settings name
	if lacking == nil {
		unusable = guest.TryCacheDir(o.Guests.Limits.CacheDir)
	}
	looked := took(time.Since(begun))
	wrong, code := 0, exitEnvironment
	for f := range host.Check(ctx, o, c.Timeout, c.LookBack) {
		if f.Err != nil && ctx.Err() != nil {
			return &failure{exitEnvironment, fmt.Errorf("the check was ended while it looked at %s, after %s", f.What, took(f.Took))}
		}
		if f.Err != nil {
			wrong++
			if f.What == "settings" {
				code = exitSettings // as run ends, which refuses them before it asks anybody
			}
			fmt.Fprintf(&stdout, "failed  %s: %s (%s)\n", f.What, shownError(f.Err), took(f.Took))
			printGrants(f.Err)
			continue
		}
		note := f.What
		if f.Note != "" {
			note += ": " + f.Note
		}
		verdict := "ok     "
		if f.Warn {
			verdict = "look   "
		}
		fmt.Fprintf(&stdout, "%s %s (%s)\n", verdict, cleanText(note, true), took(f.Took))
	}
	switch {
	case lacking != nil:
		fmt.Fprintf(&stdout, "look    compiled guests: %v (%s)\n", lacking, looked)
	case unusable != nil:
		wrong++
		fmt.Fprintf(&stdout, "failed  compiled guests: %s (%s)\n", shownError(unusable), looked)
	default:
		fmt.Fprintf(&stdout, "ok      compiled guests: kept in %s (%s)\n", o.Guests.Limits.CacheDir, looked)
	}
	if wrong > 0 {
		return &failure{code, errors.New("not everything is ready; see above")}
	}
	return nil
}

// printGrants writes the statements that give a role the rights that it lacks, each on a line, so that
// they can be handed to psql.
func printGrants(err error) {
	var rights *installer.RightsError
	if errors.As(err, &rights) {
		for _, grant := range rights.Grants {
			fmt.Fprintln(&stdout, grant+";")
		}
	}
}

// took writes how long something took, as people read it.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
