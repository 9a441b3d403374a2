// Package orders opens the shop of the example, for everything that runs a cohort on it. The workload beside it
// is what happens in the shop.
package orders

import (
	"context"
	_ "embed" // of the schema
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// Open makes the shop's schema in the database that conn is connected to. It fails when there is one.
func Open(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, schema, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("open the shop: %w", err)
	}
	return nil
}
