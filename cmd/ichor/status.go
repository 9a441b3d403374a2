package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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
	Alive   bool   `help:"Ask only whether the host lives, ready or not, which needs no token: for what watches a container."`
}

// Run implements the verb.
func (c *statusCommand) Run(ctx context.Context) error {
	if c.Alive {
		_, err := ask(ctx, c.Address, c.Settings, "/healthz")
		return err
	}
	text, err := ask(ctx, c.Address, c.Settings, "/v1/status")
	if err != nil {
		return err
	}
	var s status.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("the answer is no status of a host: %w", err)
	}
	if c.JSON {
		fmt.Fprintln(&stdout, strings.TrimSpace(string(text)))
	} else {
		screen := newScreen()
		printStatus(&screen, cleaned(&s))
	}
	if !s.Readiness.Ready {
		return &failure{exitNotReady, nil}
	}
	return nil
}

// tokenVariable names the environment's variable with a token of http.tokens, for hosts that have those.
const tokenVariable = "ICHOR_TOKEN"

// here returns the address by which this machine asks a host that listens there. One that listens on every address
// answers to none that means all of them.
func here(listen string) string {
	name, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(name); err != nil || name != "" && (ip == nil || !ip.IsUnspecified()) {
		return listen
	}
	return net.JoinHostPort("127.0.0.1", port)
}

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
		address = here(s.HTTP.Listen)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	address = strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/") // it is copied from where it is a link
	if strings.Contains(address, "@") {
		return nil, &failure{exitSettings, errors.New("--address names a user, and maybe a password: write HOST:PORT alone; a token comes from the environment, " + tokenVariable)}
	}
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
		var refusal struct{ Error string }
		if json.Unmarshal(text, &refusal) == nil && refusal.Error != "" {
			return nil, fmt.Errorf("%s answered %s: %s", address, answer.Status, cleaned(&refusal).Error)
		}
		return nil, fmt.Errorf("%s answered %s: %s", address, answer.Status, short1(string(text)))
	}
	return text, nil
}

func printStatus(screen *screen, s *status.Status) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(screen.out, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	phase := s.Phase
	if s.Readiness.Reason == status.Starting { // what it asks for the first time has no reason not to answer yet
		phase = status.PhaseStarting
	}
	fmt.Fprintf(screen.out, "%s, %s\n", phase, screen.ready(&s.Readiness))
	if s.Readiness.Degraded != "" {
		row("degraded", "%s", screen.warn(s.Readiness.Degraded))
	}
	if s.Phase == status.PhaseStandby {
		row("log", "read to %d of %d on %s", s.Next, s.LogEnd, s.Topic)
		row("holds", "%s", holds(s.Standby))
		return
	}
	if !installs(s) {
		row("snapshot", "not read yet, on %s", s.Topic)
		return
	}
	row("snapshot", "%d, resume point %d", s.Snapshot, s.Resume)
	row("log", "read to %d of %d on %s", s.Next, s.LogEnd, s.Topic)
	row("waiting", "%d without a decision or behind one, %d decided and above the snapshot, of them %d in flight and %s", s.Suffix.Length+s.Undecided, s.Queue.Length-s.Undecided, s.InFlight, screen.some(s.Held, "held"))
	switch {
	case s.Waiting == "":
	case s.Waiting == status.DatabaseUnavailable && s.Readiness.Ready:
		row("waits for", "its lanes, which connect")
	case s.Blocker == 0:
		row("waits for", "%s", s.Waiting)
	default:
		row("waits for", "version %d: %s", s.Blocker, s.Waiting)
	}
	for _, g := range s.Guests {
		if g.Digest == "" {
			row("guest", "%s cannot be had: what it should convert from %d on is held", g.Guest, g.From)
		} else {
			row("guest", "%s %s (%.12s) from %d, of contract %s", g.Guest, g.Version, g.Digest, g.From, g.Contract)
		}
		if g.Refused != nil {
			row("", "%s", screen.warn("not taken: "+refusal(g.Refused)))
		}
		if text := inShadow(&g); text != "" {
			row("", "%s: see ichor guest shadow %s", text, g.Guest)
		}
	}
}

// inShadow says how far a comparison is; "" where none goes on: of one that is over, its module converts or is not taken.
func inShadow(g *status.Guest) string {
	s := g.Shadow
	if s == nil || s.Digest == g.Digest || g.Refused != nil && g.Refused.Digest == s.Digest {
		return ""
	}
	return fmt.Sprintf("%.12s in shadow: %d of %d compared, %d not the same", s.Digest, s.Compared, s.Of, s.Differ+s.NewRejects)
}

// installs reports whether a host has stations and figures of its own: one that stands by has not, nor one that has
// not begun, and their zeros mean nothing.
func installs(s *status.Status) bool {
	return s.Phase != status.PhaseStandby && (s.Phase == status.PhaseRunning || s.Snapshot != 0 || s.Next != 0)
}

// held is how much of the log a host that stands by has, in bytes.
func held(t *status.Tail) int {
	if t == nil {
		return 0
	}
	return t.Bytes
}

// holds says the same of it for people.
func holds(t *status.Tail) string {
	text := binary(held(t)) + " of it, for when it takes the cohort over"
	if t != nil && t.Full {
		text += "; it reads on when the owner has passed some of that"
	}
	return text
}

// binary writes a size in the unit that suits it.
func binary(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// refusal says which file was not taken, and why.
func refusal(r *status.Refusal) string {
	if r.Digest == "" { // it could not be read
		return r.Reason
	}
	text := fmt.Sprintf("%.12s: %s", r.Digest, r.Reason)
	if r.Again {
		text += "; it is tried again"
	}
	return text
}
