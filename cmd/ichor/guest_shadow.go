package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/status"
)

type guestShadowCommand struct {
	withFile
	withJSON
	Name    string `arg:"" help:"The guest's name in the routes."`
	Address string `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
}

// Run implements the verb.
func (c *guestShadowCommand) Run(ctx context.Context) error {
	text, err := ask(ctx, c.Address, c.Settings, "/v1/status")
	if err != nil {
		return err
	}
	var s status.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("the answer is no status of a host: %w", err)
	}
	for i := range s.Guests {
		if g := &s.Guests[i]; g.Guest == c.Name && g.Shadow != nil {
			if c.JSON {
				return printJSON(&stdout, g.Shadow)
			}
			return printShadow(&stdout, g)
		}
	}
	return fmt.Errorf("no module of guest %q is compared now, and the host has no comparison to show: a new file is compared when guests.shadow.versions is above 0, and what came of earlier ones is in ichor guest history", c.Name)
}

func printShadow(out io.Writer, g *status.Guest) error {
	cleaned(g)
	s := g.Shadow
	fmt.Fprintf(out, "%s %.12s beside %.12s: %d of %d versions are compared\n", g.Guest, s.Digest, s.Beside, s.Compared, s.Of)
	fmt.Fprintf(out, "%d same, %d differ, %d the new one rejects, %d the old one rejected; %d it was not shown\n", s.Same, s.Differ, s.NewRejects, s.OldRejected, s.Missed)
	if s.Differences != "" {
		fmt.Fprintf(out, "differences %s\n", s.Differences)
	}
	for _, text := range s.First {
		var d shadow.Difference
		if err := json.Unmarshal(text, &d); err != nil {
			return fmt.Errorf("a difference cannot be read: %w", err)
		}
		printDifference(out, cleaned(&d))
	}
	if g.Refused != nil && g.Refused.Digest == s.Digest {
		fmt.Fprintf(out, "\nit is not taken: %s\n", g.Refused.Reason)
	}
	if g.Digest == s.Digest {
		fmt.Fprintf(out, "\nit is taken: it converts from version %d on\n", g.From)
	}
	return nil
}
