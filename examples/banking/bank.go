// Package banking opens the bank of the example, for everything that runs a cohort on it: tests of the
// host, the demonstration, the benchmarks. The workload beside it is what happens in the bank.
package banking

import (
	"context"
	_ "embed" // of the schema
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// AccountNumber returns the number of the account with the index i, from 0 on.
func AccountNumber(i int) string { return fmt.Sprintf("%04d", i+1) }

// AccountNumbers returns the numbers of the first n accounts.
func AccountNumbers(n int) []string {
	numbers := make([]string, n)
	for i := range numbers {
		numbers[i] = AccountNumber(i)
	}
	return numbers
}

// Open makes the bank's table in the database that conn is connected to, and opens accounts in it
// that no version has touched yet, each with the amount. It fails when one of them exists.
func Open(ctx context.Context, conn *pgx.Conn, accounts []string, amount int64) error {
	_, err := conn.Exec(ctx, schema, pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		_, err = conn.Exec(ctx, `insert into bank_accounts (number, name, amount, version)
			select number, 'account ' || number, $2::bigint, 0 from unnest($1::text[]) as number`, accounts, amount)
	}
	if err != nil {
		return fmt.Errorf("open the bank: %w", err)
	}
	return nil
}
