package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
)

type statusCommand struct {
	withFile
	Address string `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
	JSON    bool   `help:"Print the status as JSON."`
	Alive   bool   `help:"Exit with 0 when the host answers, whether it is ready or not."`
}

// Run implements the verb.
func (c *statusCommand) Run(ctx context.Context) error {
	text, err := ask(ctx, c.Address, c.Settings, "/v1/status")
	if err != nil {
		return err
	}
	var s status.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("the answer is no status of a host: %w", err)
	}
	if c.JSON {
		fmt.Println(strings.TrimSpace(string(text)))
	} else {
		printStatus(&s)
	}
	if !s.Readiness.Ready && !c.Alive {
		return &failure{exitNotReady, nil}
	}
	return nil
}

// tokenVariable names the environment's variable with a token of http.tokens, for hosts that have those.
const tokenVariable = "ICHOR_TOKEN"

// ask returns what a running host answers: the one at the address, or else that of the settings.
func ask(ctx context.Context, address, file, path string) ([]byte, error) {
	return askWithin(ctx, 5*time.Second, address, file, path)
}

func askWithin(ctx context.Context, timeout time.Duration, address, file, path string) ([]byte, error) {
	if address == "" {
		s, err := readSettings(file)
		if err != nil {
			return nil, &failure{exitSettings, err}
		}
		address = s.HTTP.Listen
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, &failure{exitSettings, err}
	}
	if token := os.Getenv(tokenVariable); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, &failure{exitEnvironment, fmt.Errorf("no host answers at %s: %w: start one, or name its address with --address", address, err)}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s answered %s: %w", address, answer.Status, err)
	}
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		return nil, &failure{exitSettings, fmt.Errorf("%s answered %s: put a token of its http.tokens into %s", address, answer.Status, tokenVariable)}
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %s", address, answer.Status, strings.TrimSpace(string(text)))
	}
	return text, nil
}

func printStatus(s *status.Status) {
	ready := "ready"
	if !s.Readiness.Ready {
		ready = "not ready: " + string(s.Readiness.Reason)
	}
	if s.Readiness.Detail != "" {
		ready += " (" + s.Readiness.Detail + ")"
	}
	fmt.Printf("%s, %s\n", s.Phase, ready)
	if s.Readiness.Degraded != "" {
		fmt.Printf("degraded   %s\n", s.Readiness.Degraded)
	}
	if s.Phase == status.PhaseStandby {
		return
	}
	if s.Snapshot == 0 && s.Next == 0 && s.Phase != status.PhaseRunning {
		fmt.Printf("snapshot   not read yet, on %s\n", s.Topic)
		return
	}
	fmt.Printf("snapshot   %d, resume point %d\n", s.Snapshot, s.Resume)
	fmt.Printf("log        read to %d of %d on %s\n", s.Next, s.LogEnd, s.Topic)
	fmt.Printf("waiting    %d without a decision or behind one, %d decided and above the snapshot, of them %d in flight and %d held\n", s.Suffix.Length+s.Undecided, s.Queue.Length-s.Undecided, s.InFlight, s.Held)
	switch {
	case s.Waiting == "":
	case s.Blocker == 0:
		fmt.Printf("waits for  %s\n", s.Waiting)
	default:
		fmt.Printf("waits for  version %d: %s\n", s.Blocker, s.Waiting)
	}
	for _, g := range s.Guests {
		fmt.Printf("guest      %s %s (%.12s) from %d, of contract %s\n", g.Guest, g.Version, g.Digest, g.From, g.Contract)
		if g.Refused != nil {
			fmt.Printf("           not taken: %s\n", refusal(g.Refused))
		}
	}
}

// refusal says which file was not taken, and why.
func refusal(r *status.Refusal) string {
	if r.Digest == "" { // it could not be read
		return r.Reason
	}
	return fmt.Sprintf("%.12s: %s", r.Digest, r.Reason)
}
