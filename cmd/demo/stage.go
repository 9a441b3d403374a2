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
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

const (
	topic    = "cohort.certification"
	database = "cohort"
	balance  = 100_000 // of each account at the beginning
)

// stage is everything that a host needs around it: a folder, a broker, a database with the
// bank in it, and a folder of guests.
type stage struct {
	dir      string
	keep     bool
	broker   *kafkatest.Broker
	postgres *pgtest.Server
	dsn      string
	listen   string // where the host is to listen
	opening  verdict.Opening
}

// openStage starts the broker and the database. close ends what was started, also after an
// error.
func openStage(ctx context.Context, o options) (*stage, error) {
	s := &stage{keep: o.Leave, opening: verdict.Opening{Amount: big.NewRat(balance, 1)}}
	for i := range o.Accounts {
		s.opening.Accounts = append(s.opening.Accounts, workload.AccountNumber(i))
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) open(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "ichor-demo-"); err != nil {
		return err
	}
	if err = os.Chmod(s.dir, 0o755); err != nil { // the database may run as another user
		return err
	}
	if err = os.Mkdir(s.guests(), 0o755); err != nil {
		return err
	}
	if err = os.Mkdir(s.path("cache"), 0o700); err != nil {
		return err
	}
	if s.broker, err = kafkatest.StartEmbedded(kafkatest.EmbeddedOptions{DataDir: s.path("log")}); err != nil {
		return err
	}
	if err = s.broker.CreateTopic(ctx, topic, 1, map[string]string{"message.timestamp.type": "LogAppendTime"}); err != nil {
		return err
	}
	if s.postgres, err = pgtest.Start(ctx, pgtest.Options{Dir: s.path("db"), Keep: s.keep}); err != nil {
		return err
	}
	if s.dsn, err = s.postgres.CreateDatabase(ctx, database); err != nil {
		return err
	}
	s.listen, err = hosttest.FreeAddress()
	return err
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }
func (s *stage) guests() string          { return s.path("guests") }
func (s *stage) brokers() string         { return s.broker.Addr(kafkatest.Plain) }

// furnish makes the bank's table from the example's schema and opens its accounts.
func (s *stage) furnish(ctx context.Context, schema string) error {
	sql, err := os.ReadFile(schema)
	if err != nil {
		return fmt.Errorf("read the bank's schema: %w", err)
	}
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return fmt.Errorf("open the bank: %w", err)
	}
	_, err = conn.Exec(ctx, string(sql), pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		_, err = conn.Exec(ctx, `insert into bank_accounts (number, name, amount, version)
			select number, 'account ' || number, $2::int, 0 from unnest($1::text[]) as number`, s.opening.Accounts, balance)
	}
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("open the bank: %w", err)
	}
	return nil
}

// close stops what runs and removes the folder, unless it is to be kept.
func (s *stage) close() error {
	var errs []error
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Stop())
	}
	if s.dir != "" && !s.keep {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
