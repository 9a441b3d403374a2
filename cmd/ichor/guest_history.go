package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/rollout"
)

type guestRollbackCommand struct {
	asking
	Name   string  `arg:"" help:"The guest's name in the routes."`
	To     *string `help:"The SHA-256 of a module that the database has, or its beginning, see ichor guest history; else the last one that converted before, and was not taken back, rolled back or gone back over." placeholder:"DIGEST"`
	DryRun bool    `help:"Say to which module it would go, and change nothing."`
}

// Run implements the verb.
func (c *guestRollbackCommand) Run(ctx context.Context) error {
	s, err := readSettings(c.Settings)
	if err != nil {
		return &failure{exitSettings, err}
	}
	if !routed(s.Guests.Routes, c.Name) {
		return &failure{exitSettings, fmt.Errorf("no route of the settings names a guest %q", c.Name)}
	}
	if err := checkReason(c.Reason); err != nil && !c.DryRun {
		return err
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	digest := ""
	if c.To != nil {
		if digest = strings.ToLower(strings.TrimPrefix(*c.To, "sha256:")); digest == "" {
			return &failure{exitSettings, errors.New("--to names no module: leave it out to go to the one before")}
		}
		if digest, err = in.ModuleLike(ctx, c.Name, digest); err != nil {
			return refusedOr(err)
		}
	}
	if c.DryRun {
		policy, err := s.Guests.trust()
		if err != nil {
			return &failure{exitSettings, err}
		}
		return c.foresee(ctx, in, digest, policy)
	}
	events, err := in.GuestEvents(ctx, c.Name, 1)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	before := int64(0) // the newest event
	if len(events) > 0 {
		before = events[0].ID
	}
	if digest == "" {
		if digest, err = standing(ctx, in, c.Name); err != nil {
			return &failure{exitEnvironment, err}
		}
	}
	mending, err := mendingOf(ctx, in, c.Name, digest, false)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	asked, err := in.Ask(ctx, installer.Request{Verb: "swap", Guest: c.Name, Digest: digest, Who: operator(), Reason: c.Reason})
	if err != nil {
		return refusedOr(err)
	}
	now, err := c.awaited(ctx, in, []installer.Request{asked})
	if err == nil {
		err = c.report(now)
	}
	if err != nil || c.JSON || !now[0].Done() {
		return err
	}
	if mending.digest, err = c.wentBack(ctx, in, before); err != nil || mending.digest == "" {
		return err
	}
	return mending.report(ctx)
}

// standing returns the module to which a guest goes back when no host owns the cohort, empty where one does or there is none: what
// comes with the next host, another file for one, is not what is to be left. A host knows best itself what it goes back from.
func standing(ctx context.Context, in *installer.Installer, name string) (digest string, err error) {
	owner, _, err := in.Standbys(ctx)
	if err != nil || owner.Connected {
		return "", err
	}
	_, digest, err = goesBack(ctx, in, name)
	return digest, err
}

// goesBack returns by which module a guest converts, as the database says, and to which it would go back; empty for none.
func goesBack(ctx context.Context, in *installer.Installer, name string) (from, to string, err error) {
	now, _, err := in.Wanted(ctx, name)
	if err == nil && now.Digest != "" {
		to, err = in.GoesBackTo(ctx, name, now.Digest)
	}
	return now.Digest, to, err
}

// foresee prints to which module the guest would go. One that the settings do not trust is an error: it would be
// refused.
func (c *guestRollbackCommand) foresee(ctx context.Context, in *installer.Installer, to string, policy trust.Policy) error {
	now, before, err := goesBack(ctx, in, c.Name)
	to = cmp.Or(to, before)
	switch {
	case err != nil:
		return &failure{exitEnvironment, err}
	case to == "" && now == "":
		return fmt.Errorf("guest %s has converted by no module yet, and so has none to go back to: name one with --to", c.Name)
	case to == "":
		return fmt.Errorf("guest %s has no module before %.12s to go back to: name one with --to, see ichor guest history", c.Name, now)
	case to == now:
		return fmt.Errorf("guest %s converts by %.12s already", c.Name, to)
	}
	from := cmp.Or(fmt.Sprintf("%.12s", now), "none")
	stored, err := in.LoadModule(ctx, c.Name, to)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	if _, err := policy.Check(c.Name, trust.NewModule(stored.Bytes, stored.Signatures)); err != nil {
		return fmt.Errorf("guest %s would go from %s to %s, and the host refuses that, if it runs without --dev: %w", c.Name, from, to, err)
	}
	fmt.Fprintf(&stdout, "guest %s would go from %s to %s\n", c.Name, from, to)
	return nil
}

// wentBack prints which module the host went back to, and from which version on: it has said so since the event of a
// number. It returns the module's digest, empty where the host has not said it in time.
func (c *guestRollbackCommand) wentBack(ctx context.Context, in *installer.Installer, before int64) (digest string, err error) {
	until := time.Now().Add(c.Wait)
	for {
		const enough = 100 // since a moment ago
		events, err := in.GuestEvents(ctx, c.Name, enough)
		if err != nil {
			return "", &failure{exitEnvironment, fmt.Errorf("it is done, and from which version on could not be asked, see ichor guest history: %w", err)}
		}
		armed := "" // by this request; a file that was put in place meanwhile is armed by nobody
		for _, e := range events {
			switch {
			case e.ID <= before:
			case armed == "" && e.State == installer.GuestArmed && e.Who == operator():
				armed = e.Digest
			case armed != "" && e.State == installer.GuestActive && e.Digest == armed:
				fmt.Fprintf(&stdout, "%s %.12s converts from version %d on\n", c.Name, e.Digest, e.From)
				return e.Digest, nil
			}
		}
		if !time.Now().Before(until) {
			fmt.Fprintf(&stdout, "from which version on will be in ichor guest history\n")
			return "", nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("it is done; from which version on will be in ichor guest history: %w", ctx.Err())
		case <-time.After(askEvery):
		}
	}
}

type guestHistoryCommand struct {
	withFile
	withJSON
	Name   string `arg:"" optional:"" help:"The guest's name in the routes; else of all."`
	Events int    `help:"How many events are shown, the newest (${default})." default:"40" placeholder:"N"`
}

// guestHistory is the answer of the verb.
type guestHistory struct {
	Ranges []rollout.Range        `json:"ranges"` // by guest, ascending
	Events []installer.GuestEvent `json:"events"` // oldest first
	Older  int                    `json:"older"`  // events that are not shown
}

// Run implements the verb.
func (c *guestHistoryCommand) Run(ctx context.Context) error {
	in, err := c.database()
	if err != nil {
		return err
	}
	history, err := in.History(ctx)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	routes, err := in.Routes(ctx)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	// All of them say who began a range; those that are shown are the newest.
	const all = 1 << 20
	events, err := in.GuestEvents(ctx, c.Name, all)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	if s, err := readSettings(c.Settings); err == nil && c.Name != "" && len(events) == 0 && !routed(s.Guests.Routes, c.Name) {
		return &failure{exitSettings, fmt.Errorf("no route of the settings names a guest %q, and the history knows none of that name", c.Name)}
	}
	older := max(0, len(events)-max(c.Events, 0))
	ranges, err := rollout.Ranges(rollout.Past{History: history, Routes: routes}, events, c.Name)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	h := guestHistory{Ranges: ranges, Events: events[older:], Older: older}
	if c.JSON {
		return printJSON(&stdout, &h)
	}
	return h.print(&stdout)
}

func (h *guestHistory) print(out io.Writer) error {
	cleaned(h)
	if len(h.Ranges) == 0 {
		fmt.Fprintln(out, "no guest has converted anything yet")
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "GUEST\tVERSIONS\tMODULE\tSINCE\tBY\tWHY")
	for _, r := range h.Ranges {
		fmt.Fprintf(table, "%s\t%s\t%.12s\t%s\t%s\t%s\n", r.Guest, versions(&r), r.Digest, instant(r.At), r.Who, short1(r.Reason))
	}
	if len(h.Events) > 0 {
		fmt.Fprintln(table)
		fmt.Fprintln(table, "AT\tGUEST\tMODULE\tBECAME\tFROM\tBY\tWHY")
	}
	for i := range h.Events {
		e := &h.Events[i]
		from := ""
		if e.From != 0 {
			from = e.From.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%.12s\t%s\t%s\t%s\t%s\n", instant(e.At), e.Guest, e.Digest, e.State, from, e.Who, short1(e.Reason))
	}
	if err := table.Flush(); err != nil || h.Older == 0 {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d older events are not shown: --events %d shows them\n", h.Older, h.Older+len(h.Events))
	return err
}

// versions says which versions a range is.
func versions(r *rollout.Range) string {
	switch {
	case r.Held > 1:
		return fmt.Sprintf("%d of %s to %s", r.Held, r.From, r.To)
	case r.To == r.From:
		return r.From.String() + " alone"
	case r.To == 0:
		return "from " + r.From.String()
	}
	return r.From.String() + " to " + r.To.String()
}

// instant writes a time; what was not written down is empty.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
