package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/installer"
)

type dbCommand struct {
	Init  dbInitCommand  `cmd:"" help:"Create what is missing: schema ichor and cohort_snapshot. It may be run again."`
	Check dbCheckCommand `cmd:"" help:"Say whether the schema is there and whole."`
}

type dbInitCommand struct {
	withFile
	Print bool `help:"Print the SQL and change nothing."`
}

// Run implements the verb.
func (c *dbInitCommand) Run(ctx context.Context) error {
	if c.Print {
		fmt.Print(installer.Schema())
		return nil
	}
	in, err := c.database()
	if err != nil {
		return err
	}
	if err := in.Init(ctx); err != nil {
		return &failure{exitEnvironment, err}
	}
	fmt.Println("the schema is there")
	return nil
}

type dbCheckCommand struct{ withFile }

// Run implements the verb.
func (c *dbCheckCommand) Run(ctx context.Context) error {
	in, err := c.database()
	if err != nil {
		return err
	}
	s, err := in.Read(ctx)
	if err != nil {
		return &failure{exitEnvironment, err}
	}
	if s.Epoch == 0 {
		fmt.Println("the schema is there; no host has run on it yet")
		return nil
	}
	fmt.Printf("the schema is there: epoch %d, snapshot %d, %d versions ahead of it\n", s.Epoch, s.Snapshot, len(s.Ledger))
	return nil
}

// database returns the access to the database that the settings name.
func (w withFile) database() (*installer.Installer, error) {
	s, err := readSettings(w.Settings)
	if err != nil {
		return nil, &failure{exitSettings, err}
	}
	url, err := s.Database.address()
	if err == nil && url == "" {
		err = errors.New("database.url is empty: give a PostgreSQL URL")
	}
	if err != nil {
		return nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	in, err := installer.New(installer.Options{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, &failure{exitSettings, fmt.Errorf("settings: %w", err)}
	}
	return in, nil
}
