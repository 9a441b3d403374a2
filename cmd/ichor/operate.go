package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// asking is the part of the verbs that ask the host that owns the cohort for something. The request is a
// row in the cohort's database, so they need no host that runs.
type asking struct {
	withFile
	Reason string        `help:"Why, for ichor.audit." placeholder:"TEXT"`
	Wait   time.Duration `help:"How long to wait for a host to take it up. It stands all the same." default:"10s"`
	JSON   bool          `help:"Print the requests as JSON."`
}

type abandonCommand struct {
	asking
	Version talos.Version `arg:"" help:"The version: its position in the log."`
}

// Run implements the verb.
func (c *abandonCommand) Run(ctx context.Context) error {
	if c.Version == 0 || c.Version > math.MaxInt64 {
		return &failure{exitSettings, fmt.Errorf("%d is no version: the first is 1, and they are positions of the log", c.Version)}
	}
	return c.ask(ctx, installer.Request{Verb: "abandon", Version: c.Version})
}

type pauseCommand struct{ asking }

// Run implements the verb.
func (c *pauseCommand) Run(ctx context.Context) error {
	return c.ask(ctx, installer.Request{Verb: "pause"})
}

type resumeCommand struct {
	asking
	Pause int64 `help:"Which pause to end, by the number of its request, as pause and status say it; another that is in force by now stays. Else whichever is." placeholder:"NUMBER"`
}

// Run implements the verb.
func (c *resumeCommand) Run(ctx context.Context) error {
	r := installer.Request{Verb: "resume"}
	switch {
	case c.Pause < 0:
		return &failure{exitSettings, fmt.Errorf("--pause: %d is no number of a request: the first is 1", c.Pause)}
	case c.Pause > 0:
		r.Match = strconv.FormatInt(c.Pause, 10)
	}
	return c.ask(ctx, r)
}

// checkReason refuses a reason that no audit can have, BEFORE anybody is asked.
func checkReason(reason string) error {
	if err := installer.CheckReason(reason); err != nil {
		return &failure{exitSettings, fmt.Errorf("--reason: %w", err)}
	}
	return nil
}

// ask writes a request down and waits for what becomes of it.
func (c *asking) ask(ctx context.Context, r installer.Request) error {
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	r.Who, r.Reason = operator(), c.Reason
	r, err = in.Ask(ctx, r)
	if err != nil {
		return refusedOr(err)
	}
	return c.await(ctx, in, []installer.Request{r})
}

// refusedOr is how a verb ends that could not ask: exit code 1 where it was refused, 3 where the database
// could not be asked.
func refusedOr(err error) error {
	var refused *installer.RefusedError
	var hash *installer.AnotherHashError
	var pause *installer.AnotherPauseError
	if errors.As(err, &refused) || errors.As(err, &hash) || errors.As(err, &pause) {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	return &failure{exitEnvironment, err}
}

// askEvery is how often the database is asked what became of a request.
const askEvery = 200 * time.Millisecond

// await waits until every request is over, or stands with a host that has taken it up, and says what became
// of them. A refusal ends the verb with exit code 1.
func (c *asking) await(ctx context.Context, in *installer.Installer, asked []installer.Request) error {
	asked, err := c.awaited(ctx, in, asked)
	if err != nil {
		return err
	}
	return c.report(asked)
}

// awaited returns what became of requests within the time.
func (c *asking) awaited(ctx context.Context, in *installer.Installer, asked []installer.Request) ([]installer.Request, error) {
	ids := make([]int64, len(asked))
	for i := range asked {
		ids[i] = asked[i].ID
	}
	until := time.Now().Add(c.Wait)
	for time.Now().Before(until) && !settled(asked) {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("it stands, whether or not one waits for it: %w", ctx.Err())
		case <-time.After(min(askEvery, time.Until(until))):
		}
		now, err := in.Requests(ctx, ids)
		if err != nil {
			return nil, &failure{exitEnvironment, fmt.Errorf("it stands, and what became of it could not be asked: %w", err)}
		}
		asked = now
	}
	return asked, nil
}

// settled reports whether there is nothing to wait for.
func settled(asked []installer.Request) bool {
	for i := range asked {
		if !asked[i].Settled() {
			return false
		}
	}
	return true
}

// shownMax is how many requests are told of one by one.
const shownMax = 20

func (c *asking) report(asked []installer.Request) error {
	refused := 0
	for i := range asked {
		if asked[i].Ended() && !asked[i].Done() {
			refused++
		}
	}
	if c.JSON {
		text, err := json.Marshal(asked)
		if err != nil {
			return err
		}
		fmt.Fprintln(&stdout, string(text))
	} else {
		cleaned(&asked)
		for i := range asked[:min(len(asked), shownMax)] {
			fmt.Fprintln(&stdout, outcome(&asked[i], c.Wait))
		}
		if len(asked) > shownMax {
			fmt.Fprintf(&stdout, "and %d more; see the table ichor.request, from id %d on\n", len(asked)-shownMax, asked[shownMax].ID)
		}
	}
	if refused > 0 {
		if len(asked) > 1 {
			fmt.Fprintf(os.Stderr, "%d of %d were refused\n", refused, len(asked))
		}
		return &failure{exitRuntime, nil}
	}
	return nil
}

// outcome says what became of a request.
func outcome(r *installer.Request, waited time.Duration) string {
	what := r.Verb
	if r.Guest != "" {
		what = fmt.Sprintf("guest %s to %s", r.Guest, cmp.Or(r.Digest, "the module before"))
	}
	if r.Version != 0 {
		what += fmt.Sprintf(" version %d", r.Version)
	}
	switch {
	case r.Done() && r.Verb == "retry":
		return what + ": it is tried, or will be when nothing keeps it; ichor quarantine show has it again if it is held again"
	case r.Ended():
		return what + ": " + r.Outcome
	case r.TakenAt == nil:
		return fmt.Sprintf("%s: asked as request %d; no host has taken it up within %s: it stands, and the host that owns the cohort does, or the next one that starts", what, r.ID, waited)
	case r.Verb == "skip":
		return what + ": taken; what waits for it alone goes on, and it ends when the snapshot passes it"
	case r.Verb == "abandon":
		return what + ": taken; it counts as aborted when the log was read to its end and has no decision about it"
	case r.Verb == "pause":
		return fmt.Sprintf("%s: nothing is begun any more, until ichor resume --pause %d", what, r.ID)
	}
	return what + ": taken"
}
