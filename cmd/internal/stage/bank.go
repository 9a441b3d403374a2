package stage

import (
	"context"
	"math/big"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
)

// balance is what is on each account at the beginning.
const balance = 1_000_000

// Bank is a cohort with the example's bank.
type Bank struct {
	Cohort
	Opening verdict.Opening
}

// Opening returns what a bank of so many accounts begins with.
func Opening(accounts int) verdict.Opening {
	return verdict.Opening{Accounts: banking.AccountNumbers(accounts), Amount: big.NewRat(balance, 1)}
}

// OpenBank makes a database of that name and opens the bank in it.
func (s *Stage) OpenBank(ctx context.Context, name string, accounts int) (*Bank, error) {
	b := &Bank{Opening: Opening(accounts)}
	var err error
	b.Cohort, err = s.OpenCohort(ctx, name, func(ctx context.Context, conn *pgx.Conn) error {
		return banking.Open(ctx, conn, b.Opening.Accounts, balance)
	})
	return b, err
}
