package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host"
	"github.com/ichor-replicator/ichor/host/guest"
)

type guestSwapCommand struct {
	withFile
	File    string        `arg:"" help:"The module." type:"path"`
	Name    string        `help:"The guest's name in the routes; else the file's, without .wasm."`
	Address string        `help:"Where the host listens; else http.listen of the settings." placeholder:"HOST:PORT"`
	Timeout time.Duration `help:"How long to wait for the host." default:"30s"`
}

// Run implements the verb.
func (c *guestSwapCommand) Run(ctx context.Context) error {
	s, err := readSettings(c.Settings)
	if err != nil {
		return &failure{exitSettings, err}
	}
	name := c.Name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(c.File), ".wasm")
	}
	if !routed(s.Guests.Routes, name) {
		return &failure{exitSettings, fmt.Errorf("no route of the settings names a guest %q: give its name with --name", name)}
	}
	module, err := guest.ReadFile(c.File)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	if err := place(module, filepath.Join(s.Guests.Directory, name+".wasm")); err != nil {
		return &failure{exitEnvironment, err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return c.await(ctx, name, guest.DigestOf(module).String())
}

func routed(routes []host.Route, name string) bool {
	for _, r := range routes {
		if r.Guest == name {
			return true
		}
	}
	return false
}

// place writes the module beside its place and renames it, so that no host reads half of it.
func place(module []byte, path string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".swap-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // it is gone after the rename
	if _, err = temporary.Write(module); err == nil {
		err = temporary.Chmod(0o644)
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// await asks the host until it says what became of the module.
func (c *guestSwapCommand) await(ctx context.Context, name, digest string) error {
	for {
		text, err := fetchStatus(ctx, c.Address, c.Settings)
		if err != nil {
			return err
		}
		var s host.Status
		if err := json.Unmarshal(text, &s); err != nil {
			return fmt.Errorf("the answer is no status of a host: %w", err)
		}
		for _, g := range s.Guests {
			if g.Guest == name && g.Digest == digest {
				fmt.Printf("%s %s converts from version %d on\n", name, digest[:12], g.From)
				return nil
			}
			if g.Guest == name && g.Rejected != nil && g.Rejected.Digest == digest {
				return fmt.Errorf("the host did not take %s %s, the one before goes on: %s", name, digest[:12], g.Rejected.Reason)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the host did not say within %s what became of %s: see ichor status", c.Timeout, name)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
