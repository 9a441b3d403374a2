package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
)

type handoverCommand struct {
	asking
	Force bool `help:"Also when no host stands by: then nothing is installed until the lease is over, or another host starts."`
}

// Run implements the verb.
func (c *handoverCommand) Run(ctx context.Context) error {
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	before, err := in.MayHandOver(ctx, c.Force)
	if err != nil {
		return refusedOr(err)
	}
	if err := c.ask(ctx, installer.Request{Verb: "handover"}); err != nil {
		return err
	}
	return c.awaitOwner(ctx, in, before)
}

// awaitOwner says who owns the cohort next.
func (c *handoverCommand) awaitOwner(ctx context.Context, in *installer.Installer, before installer.Owner) error {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	begun := time.Now()
	released := false
	after, err := in.WatchOwner(ctx, "handover", askEvery, func(o installer.Owner) bool {
		released = o.Released
		return !o.Is(before)
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !released:
		return fmt.Errorf("%s has not given the cohort away within %s: what was asked for stands until it does, or another host owns the cohort; see ichor status of it", before.Name, c.Wait)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s has given the cohort away, and after %s no host has taken it: see ichor status of those that stand by", before.Name, c.Wait)
	case err != nil:
		return &failure{exitEnvironment, err}
	}
	if after.Name == before.Name {
		return fmt.Errorf("%s gave the cohort away and had to take it again after %s, since no other host did: see ichor status of those that stand by", before.Name, time.Since(begun).Round(10*time.Millisecond))
	}
	if !c.JSON {
		fmt.Fprintf(&stdout, "%s owns the cohort, after %s had it; taken over within %s\n", after.Name, before.Name, time.Since(begun).Round(10*time.Millisecond))
	}
	return nil
}
