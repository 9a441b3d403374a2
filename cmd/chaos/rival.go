package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// rival writes the rows that the host writes, in a column of its own, with the manners of an initiator:
// REPEATABLE READ, several rows in an order of its own. It gives up what fails.
func rival(ctx context.Context, url string, accounts []string, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			_ = hosttest.Sleep(ctx, 100*time.Millisecond) // the context's end is seen above
			continue
		}
		for ctx.Err() == nil && !conn.IsClosed() {
			touch(ctx, conn, accounts[random.IntN(len(accounts))], accounts[random.IntN(min(4, len(accounts)))])
			_ = hosttest.Sleep(ctx, time.Duration(random.IntN(20))*time.Millisecond)
		}
		_ = conn.Close(context.Background()) // whatever became of it
	}
}

func touch(ctx context.Context, conn *pgx.Conn, accounts ...string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for _, a := range accounts {
			if _, err := tx.Exec(ctx, "update bank_accounts set touched = touched + 1 where number = $1", a); err != nil {
				return err
			}
		}
		return nil
	})
}

// initiate runs the cohort's real initiator, again whenever the database ended it.
func initiate(ctx context.Context, options initiator.Options) {
	for ctx.Err() == nil {
		_ = initiator.New(options).Run(ctx) // the database went away under it: that is meant
		_ = hosttest.Sleep(ctx, 100*time.Millisecond)
	}
}
