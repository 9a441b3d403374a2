package stage

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/talos"
)

// balance is what is on each account at the beginning.
const balance = 1_000_000

// Bank is a database with the example's bank in it.
type Bank struct {
	Name    string
	URL     string // of the database: for clients in this process, for settings, for psql
	Opening verdict.Opening
}

// Opening returns what a bank of so many accounts begins with.
func Opening(accounts int) verdict.Opening {
	return verdict.Opening{Accounts: banking.AccountNumbers(accounts), Amount: big.NewRat(balance, 1)}
}

// OpenBank makes a database of that name and opens the bank in it.
func (s *Stage) OpenBank(ctx context.Context, name string, accounts int) (*Bank, error) {
	if _, err := s.Postgres.CreateDatabase(ctx, name); err != nil {
		return nil, err
	}
	b := &Bank{Name: name, URL: s.Postgres.URL(name), Opening: Opening(accounts)}
	conn, err := pgx.Connect(ctx, b.URL)
	if err != nil {
		return nil, fmt.Errorf("open the bank: %w", err)
	}
	err = banking.Open(ctx, conn, b.Opening.Accounts, balance)
	return b, errors.Join(err, conn.Close(ctx))
}

// Snapshot reads the cohort's snapshot.
func Snapshot(ctx context.Context, conn *pgx.Conn) (talos.Version, error) {
	var snapshot int64
	err := conn.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&snapshot)
	if err != nil {
		return 0, fmt.Errorf("read the snapshot: %w", err)
	}
	return talos.Version(snapshot), nil
}
