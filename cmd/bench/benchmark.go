package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
)

// benchmark is what the measurements share: a stage with the guest and the host built.
type benchmark struct {
	*stage.Stage
	options options
	banks   int // how many were opened
}

// openStage starts and builds everything. Close ends what was started; after an error that is done
// already.
func openStage(ctx context.Context, o options) (*benchmark, error) {
	s, err := stage.Open(ctx, stage.Options{Name: "bench", Ichor: o.Ichor})
	if err != nil {
		return nil, err
	}
	if err := s.Build(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &benchmark{Stage: s, options: o}, nil
}

// bank opens a fresh bank whose tables the database's planner knows, on a server that has nothing
// left to write.
func (m *benchmark) bank(ctx context.Context, accounts int) (*stage.Bank, error) {
	m.banks++
	b, err := m.OpenBank(ctx, fmt.Sprintf("bank_%d", m.banks), accounts)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, b.URL)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "vacuum analyze bank_accounts")
	if err == nil {
		// None pays for what an earlier measurement left in the database's memory.
		_, err = conn.Exec(ctx, "checkpoint")
	}
	return b, errors.Join(err, conn.Close(ctx))
}

// host prepares a host for the bank, with the options' lanes and groups.
func (m *benchmark) host(ctx context.Context, topic string, b *stage.Bank) (*stage.Host, error) {
	return m.NewHost(ctx, topic, b.Cohort, func(s *stage.Settings) { m.adjust(b, s) })
}

func (m *benchmark) adjust(_ *stage.Bank, s *stage.Settings) {
	s.Installer.Lanes, s.Installer.GroupMax = m.options.Lanes, m.options.Group
}
