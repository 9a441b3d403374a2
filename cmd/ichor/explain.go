package main

import (
	"context"
	"encoding/json"
	"fmt"
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
	text, err := ask(ctx, c.Address, c.Settings, fmt.Sprintf("/v1/versions/%d", c.Version))
	if err != nil {
		return err
	}
	if c.JSON {
		fmt.Println(strings.TrimSpace(string(text)))
		return nil
	}
	var v status.Version
	if err := json.Unmarshal(text, &v); err != nil {
		return fmt.Errorf("the answer is none of a host: %w", err)
	}
	printVersion(&v)
	return nil
}

func printVersion(v *status.Version) {
	fmt.Printf("version %d  %s: %s\n", v.Version, strings.ReplaceAll(string(v.Stands), "_", " "), v.Sentence)
	if v.Decided != 0 {
		fmt.Printf("decision    %s at position %d, safepoint %d\n", v.Outcome, v.Decided, v.Safepoint)
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
