package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

type explainCommand struct {
	withFile
	Version talos.Version `arg:"" help:"The version: its position in the log."`
	Address string        `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
	JSON    bool          `help:"Print the answer as JSON."`
}

// Run implements the verb.
func (c *explainCommand) Run(ctx context.Context) error {
	v, err := explain(ctx, c.Address, c.Settings, c.Version)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(os.Stdout, v)
	}
	printVersion(v)
	return nil
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
	fmt.Printf("version %d  %s: %s\n", v.Version, strings.ReplaceAll(string(v.Stands), "_", " "), v.Sentence)
	if v.Decided != 0 {
		fmt.Printf("decision    %s at position %d, safepoint %d\n", v.Outcome, v.Decided, v.Safepoint)
	}
	if v.Abandoned {
		fmt.Println("decision    abandoned by an operator: it counts as aborted")
	}
	if v.Guest != "" {
		fmt.Printf("guest       %.12s\n", v.Guest)
	}
	if v.Attempts > 0 {
		fmt.Printf("attempts    %d\n", v.Attempts)
	}
	if v.Journey == nil {
		return
	}
	begun := int64(0)
	for event, at := range v.Journey.All() {
		if begun == 0 {
			begun = at
			fmt.Printf("%s %s\n", time.Unix(0, at).UTC().Format(time.RFC3339Nano), event)
			continue
		}
		fmt.Printf("%30s %s\n", "+"+time.Duration(at-begun).String(), event)
	}
}
