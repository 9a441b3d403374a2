package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

const (
	guestName = "banking"
	balance   = 1_000_000 // of each account at the beginning
)

// stage is what the measurements share: a folder, a broker in this process that the host talks
// to over TCP, a PostgreSQL of its own that syncs its commits, the guest and the host's binary.
type stage struct {
	root     string // of the repository
	dir      string
	broker   *kafkatest.Broker
	postgres *pgtest.Server
	opening  verdict.Opening
	ichor    string
	bases    int // how many databases were made
}

// openStage starts and builds everything. close ends what was started, also after an error.
func openStage(ctx context.Context, o options) (*stage, error) {
	s := &stage{opening: verdict.Opening{Amount: big.NewRat(balance, 1)}, ichor: o.Ichor}
	for i := range o.Accounts {
		s.opening.Accounts = append(s.opening.Accounts, workload.AccountNumber(i))
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) open(ctx context.Context) (err error) {
	if s.root, err = hosttest.Repository(ctx); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "ichor-bench-"); err != nil {
		return err
	}
	if err = os.Chmod(s.dir, 0o755); err != nil { // the database may run as another user
		return err
	}
	for folder, mode := range map[string]os.FileMode{"guests": 0o755, "cache": 0o700} {
		if err = os.Mkdir(s.path(folder), mode); err != nil {
			return err
		}
	}
	if err = guesttest.BuildBanking(ctx, s.root, s.path("guests/"+guestName+".wasm")); err != nil {
		return err
	}
	if s.ichor == "" {
		s.ichor = s.path("ichor")
		if err = hosttest.Build(ctx, s.root, s.ichor); err != nil {
			return err
		}
	}
	if s.broker, err = kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{DataDir: s.path("log")}); err != nil {
		return err
	}
	s.postgres, err = pgtest.Start(ctx, pgtest.Options{Dir: s.path("db")})
	return err
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// bank makes a database with the bank in it, and returns its name.
func (s *stage) bank(ctx context.Context) (string, error) {
	s.bases++
	name := fmt.Sprintf("bank_%d", s.bases)
	dsn, err := s.postgres.CreateDatabase(ctx, name)
	if err != nil {
		return "", err
	}
	sql, err := os.ReadFile(filepath.Join(s.root, "examples/banking/schema.sql"))
	if err != nil {
		return "", fmt.Errorf("read the bank's schema: %w", err)
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("open the bank: %w", err)
	}
	_, err = conn.Exec(ctx, string(sql), pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		_, err = conn.Exec(ctx, `insert into bank_accounts (number, name, amount, version)
			select number, 'account ' || number, $2::int, 0 from unnest($1::text[]) as number`, s.opening.Accounts, balance)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "vacuum analyze bank_accounts")
	}
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return "", fmt.Errorf("open the bank: %w", err)
	}
	return name, s.settle(ctx)
}

// settle writes out what earlier measurements left in the database's memory, so that none pays
// for the one before it.
func (s *stage) settle(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "checkpoint")
	return errors.Join(err, conn.Close(ctx))
}

// close stops what runs and removes the folder.
func (s *stage) close() error {
	var errs []error
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Stop())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
