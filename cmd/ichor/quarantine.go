package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

type quarantineCommand struct {
	List   quarantineListCommand   `cmd:"" help:"The versions that cannot be installed and hold the snapshot."`
	Show   quarantineShowCommand   `cmd:"" help:"One of them: the error, the statemap, its SQL, what waits for it, and what retry and skip would do."`
	Retry  quarantineRetryCommand  `cmd:"" help:"Have held versions converted again and tried at once."`
	Skip   quarantineSkipCommand   `cmd:"" help:"Have held versions settle without effects. It needs the hash that show, list or --dry-run print."`
	Export quarantineExportCommand `cmd:"" help:"Rows of the quarantine as JSON, one a line, with the candidates as on the topic."`
}

// like says which held versions are meant, by why they are held.
type like struct {
	Kind string `help:"Those of this kind, as list shows it: sql, unreadable, unrouted, contradiction, candidate_missing, payload_lost, or how a guest rejected it." placeholder:"KIND"`
	Code string `help:"Those with this code: an SQLSTATE, or a guest's." placeholder:"CODE"`
}

func (l like) filter() installer.Filter { return installer.Filter{Kind: l.Kind, Code: l.Code} }

type quarantineListCommand struct {
	withFile
	like
	All  bool `help:"Also those that have ended, and records of a fact that holds nothing."`
	JSON bool `help:"Print them as JSON, one a line."`
}

// Run implements the verb.
func (c *quarantineListCommand) Run(ctx context.Context) error {
	filter := c.filter()
	filter.Ended = c.All
	held, err := c.held(ctx, filter)
	if err != nil {
		return err
	}
	if c.JSON {
		for i := range held {
			if err := printJSON(&stdout, &held[i]); err != nil {
				return err
			}
		}
		return nil
	}
	return printHeld(&stdout, held)
}

// held reads rows of the quarantine.
func (w withFile) held(ctx context.Context, filter installer.Filter) ([]installer.Held, error) {
	in, err := w.database()
	if err != nil {
		return nil, err
	}
	held, err := in.List(ctx, filter)
	if err != nil {
		return nil, &failure{exitEnvironment, err}
	}
	return held, nil
}

func printJSON(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// printHeld writes a table, and the hash of all that is held of it.
func printHeld(w io.Writer, held []installer.Held) error {
	cleaned(&held)
	if len(held) == 0 {
		_, err := fmt.Fprintln(w, "nothing is held")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "version\thash\twhy\ttimes\tsince\tcohort\tstands\tmessage")
	var holds []installer.Held
	for i := range held {
		h := &held[i]
		stands := "held"
		switch {
		case h.Resolution != "":
			stands = h.Resolution
		case !h.Held:
			stands = "a record of the fact"
		case h.Asked != "":
			stands = h.Asked + " asked"
		}
		if h.Held {
			holds = append(holds, *h)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", h.Version, h.Hash, because(h), h.Times, h.FirstAt.UTC().Format(time.RFC3339), h.Cohort, stands, short1(h.Message))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(holds) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d held, the hash of these is %s\n", len(holds), installer.HashOf(holds))
	return err
}

// because is the kind and the code for which a version is held.
func because(h *installer.Held) string { return strings.TrimSpace(h.Kind + " " + h.Code) }

// short1 is the beginning of a text on one line.
func short1(text string) string {
	const most = 100
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// heldAsking is what retry and skip have in common.
type heldAsking struct {
	asking
	like
	Version talos.Version `arg:"" optional:"" help:"The version; without it all that --kind and --code name."`
	DryRun  bool          `help:"Say what would be done, with the hash, and change nothing."`
	Address string        `help:"Where the host listens, for what waits; else http.listen of the settings." placeholder:"HOST:PORT"`
}

type quarantineRetryCommand struct{ heldAsking }

// Run implements the verb.
func (c *quarantineRetryCommand) Run(ctx context.Context) error { return c.run(ctx, "retry", "") }

type quarantineSkipCommand struct {
	heldAsking
	Hash string `help:"Of the version, or of all of them." placeholder:"HASH"`
}

// Run implements the verb.
func (c *quarantineSkipCommand) Run(ctx context.Context) error {
	if c.Hash == "" && !c.DryRun {
		return &failure{exitSettings, errors.New("skip needs the --hash of what is skipped, which --dry-run prints")}
	}
	return c.run(ctx, "skip", c.Hash)
}

func (c *heldAsking) run(ctx context.Context, verb, hash string) error {
	filter := c.filter()
	filter.Version = c.Version
	switch {
	case c.Version == 0 && filter.Kind == "" && filter.Code == "":
		return &failure{exitSettings, errors.New("give a version, or --kind or --code: " + verb + " never means all")}
	case c.Version != 0 && (filter.Kind != "" || filter.Code != ""):
		return &failure{exitSettings, errors.New("give a version, or --kind and --code, not both")}
	}
	if c.DryRun {
		return c.rehearse(ctx, verb, filter)
	}
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	asked, err := in.AskHeld(ctx, installer.Request{Verb: verb, Hash: hash, Who: operator(), Reason: c.Reason}, filter)
	if err != nil {
		return refusedOr(err)
	}
	return c.await(ctx, in, asked)
}

// rehearse says what a verb would do.
func (c *heldAsking) rehearse(ctx context.Context, verb string, filter installer.Filter) error {
	held, err := c.held(ctx, filter)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		return fmt.Errorf("nothing would be changed: no held version is like that")
	}
	if c.JSON {
		return printJSON(&stdout, map[string]any{"verb": verb, "hash": installer.HashOf(held), "versions": held})
	}
	for i := range held[:min(len(held), shownMax)] {
		h := &held[i]
		v, _ := explain(ctx, c.Address, c.Settings, h.Version)
		fmt.Fprintf(&stdout, "version %d (%s, %s): %s\n", h.Version, because(cleaned(h)), h.Hash, admin.Would(verb, h, *cleaned(&v)))
	}
	if len(held) > shownMax {
		fmt.Fprintf(&stdout, "and %d more\n", len(held)-shownMax)
	}
	fmt.Fprintf(&stdout, "nothing was changed; %s would be about %s, whose hash is %s\n", verb, counted(len(held)), installer.HashOf(held))
	return nil
}

type quarantineExportCommand struct {
	withFile
	like
	Version talos.Version `arg:"" optional:"" help:"The version; else all."`
	All     bool          `help:"Also those that have ended, and records of a fact that holds nothing."`
	Out     string        `short:"o" help:"The file; else the standard output." placeholder:"FILE" type:"path"`
}

// exported is a row with its candidate: as JSON where it is, else as bytes in base64.
type exported struct {
	*installer.Held
	Candidate json.RawMessage `json:"candidate,omitempty"`
	Bytes     []byte          `json:"candidate_bytes,omitempty"`
}

// Run implements the verb.
func (c *quarantineExportCommand) Run(ctx context.Context) (err error) {
	filter := c.filter()
	filter.Version, filter.Ended, filter.Records = c.Version, c.All || c.Version != 0, true
	held, err := c.held(ctx, filter)
	if err != nil {
		return err
	}
	if len(held) == 0 && c.Version != 0 {
		return fmt.Errorf("version %d is not in the quarantine", c.Version)
	}
	out := io.Writer(&stdout)
	if c.Out != "" {
		file, err := os.Create(c.Out)
		if err != nil {
			return &failure{exitEnvironment, err}
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	for i := range held {
		e := exported{Held: &held[i]}
		if value := held[i].Candidate; json.Valid(value) {
			e.Candidate = value
		} else {
			e.Bytes = value
		}
		if err := printJSON(out, &e); err != nil {
			return &failure{exitEnvironment, err}
		}
	}
	return nil
}
