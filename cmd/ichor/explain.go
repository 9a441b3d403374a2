package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

type explainCommand struct {
	withFile
	Version string `arg:"" help:"The version, which is its position in the log, or the candidate's xid." placeholder:"VERSION|XID"`
	Address string `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
	JSON    bool   `help:"Print the answer as JSON."`
}

// Run implements the verb.
func (c *explainCommand) Run(ctx context.Context) error {
	versions, err := c.versions(ctx)
	if err != nil {
		return err
	}
	for i := range versions {
		if c.JSON {
			err = printJSON(&stdout, &versions[i])
		} else {
			printVersion(&versions[i])
		}
	}
	return err
}

// xidTime is how long an xid is asked for: the host may have to look for it in the log.
const xidTime = 30 * time.Second

// versions asks for a version, or for those of an xid: a candidate that was sent again has several.
func (c *explainCommand) versions(ctx context.Context) ([]status.Version, error) {
	if number, err := strconv.ParseUint(c.Version, 10, 63); err == nil && len(c.Version) < 32 {
		v, err := explain(ctx, c.Address, c.Settings, talos.Version(number))
		if err != nil {
			return nil, err
		}
		return []status.Version{*v}, nil
	}
	if _, ok := talos.ParseXID(c.Version); !ok {
		return nil, &failure{exitSettings, fmt.Errorf("%q is neither a version, a number, nor an xid, a UUID", c.Version)}
	}
	text, err := askWithin(ctx, xidTime, c.Address, c.Settings, "/v1/xids/"+url.PathEscape(c.Version))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Versions []status.Version `json:"versions"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("the answer is none of a host: %w", err)
	}
	return answer.Versions, nil
}

// explain asks a running host where a version stands.
func explain(ctx context.Context, address, file string, version talos.Version) (*status.Version, error) {
	text, err := ask(ctx, address, file, fmt.Sprintf("/v1/versions/%d", version))
	if err != nil {
		return nil, err
	}
	v := new(status.Version)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("the answer is none of a host: %w", err)
	}
	return v, nil
}

func printVersion(v *status.Version) {
	cleaned(v)
	fmt.Fprintf(&stdout, "version %d  %s: %s\n", v.Version, strings.ReplaceAll(string(v.Stands), "_", " "), v.Sentence)
	if v.Decided != 0 {
		fmt.Fprintf(&stdout, "decision    %s at position %d, safepoint %d\n", v.Outcome, v.Decided, v.Safepoint)
	}
	if v.Abandoned {
		fmt.Fprintln(&stdout, "decision    abandoned by an operator: it counts as aborted")
	}
	if v.HeldEnded != "" {
		fmt.Fprintf(&stdout, "was held    until %s: %s\n", time.Unix(0, v.HeldUntil).UTC().Format(time.RFC3339), strings.ReplaceAll(v.HeldEnded, "_", " "))
	}
	if v.Guest != "" {
		fmt.Fprintf(&stdout, "guest       %.12s\n", v.Guest)
	}
	if v.Attempts > 0 {
		fmt.Fprintf(&stdout, "attempts    %d, the transactions with it that this host began%s\n", v.Attempts, heldToo(v))
	}
	if v.Journey != nil {
		printJourney(v.Journey)
	}
}

// heldToo says where another number stands than that of attempts, of a version that is held or was.
func heldToo(v *status.Version) string {
	if v.Stands != replicator.HeldBack && v.HeldEnded == "" {
		return ""
	}
	return fmt.Sprintf("; how often it was held, by any host, says ichor quarantine show %d", v.Version)
}

// printJourney says what a version was and what its guest made of it, if it was given to one, and then its timed events.
func printJourney(j *timing.Journey) {
	if d := j.Details; d != nil {
		fmt.Fprintf(&stdout, "xid         %s\ncohort      %s\nstatements  %d%s\nfuel        %d, its share of what the call of its guest burnt\n",
			d.XID, d.Cohort, d.Statements, templatesOf(d), d.Fuel)
	}
	begun := int64(0)
	for event, at := range j.All() {
		if begun == 0 {
			begun = at
			fmt.Fprintf(&stdout, "%s %s\n", time.Unix(0, at).UTC().Format(time.RFC3339Nano), event)
			continue
		}
		fmt.Fprintf(&stdout, "%30s %s\n", "+"+time.Duration(at-begun).String(), event)
	}
}

// templatesOf names the templates of a version's statements, if it became some.
func templatesOf(d *timing.Details) string {
	if len(d.Templates) == 0 {
		return ""
	}
	return ", of " + strings.Join(d.Templates, ", ")
}
