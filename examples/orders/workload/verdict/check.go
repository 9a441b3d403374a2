package verdict

import (
	"context"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Check compares the database at dsn with the replay of the log, row by row.
func Check(ctx context.Context, log *transcript.Log, dsn string) (*transcript.Verdict, error) {
	want, err := replay(log)
	if err != nil {
		return nil, fmt.Errorf("verdict: %w", err)
	}
	got := transcript.Rows{}
	snapshot, err := transcript.Database(ctx, dsn, func(tx pgx.Tx) error { return readRows(ctx, tx, got) })
	if err != nil {
		return nil, err
	}
	v := log.Compare(want.words(), got, snapshot)
	return &v, nil
}

// readRows says what each row of a database has, in the words of the replay.
func readRows(ctx context.Context, tx pgx.Tx, rows transcript.Rows) error {
	for _, table := range []struct {
		name string
		read func(context.Context, pgx.Tx, transcript.Rows) error
	}{{"orders", readOrders}, {"lines", readLines}, {"sales", readSales}} {
		if err := table.read(ctx, tx, rows); err != nil {
			return fmt.Errorf("read the %s: %w", table.name, err)
		}
	}
	return nil
}

func readOrders(ctx context.Context, tx pgx.Tx, rows transcript.Rows) error {
	found, err := tx.Query(ctx, `select id::text, customer, status::text, status_at, remark, placed_at, total::text, tags, details::text, version from shop.orders`)
	if err != nil {
		return err
	}
	var id, total string
	var details *string
	var version int64
	var o order
	into := []any{&id, &o.customer, &o.status, &o.statusAt, &o.remark, &o.placedAt, &total, &o.tags, &details, &version}
	_, err = pgx.ForEachRow(found, into, func() (err error) {
		if o.total, err = exact(total); err != nil {
			return err
		}
		if o.details = ""; details != nil {
			if o.details, err = canonical([]byte(*details)); err != nil {
				return err
			}
		}
		o.version = talos.Version(version)
		rows["order "+id] = o.words()
		return nil
	})
	return err
}

func readLines(ctx context.Context, tx pgx.Tx, rows transcript.Rows) error {
	found, err := tx.Query(ctx, "select order_id::text, line, sku, quantity, price::text, version from shop.order_lines")
	if err != nil {
		return err
	}
	var id, price string
	var number, version int64
	var l line
	_, err = pgx.ForEachRow(found, []any{&id, &number, &l.sku, &l.quantity, &price, &version}, func() (err error) {
		if l.price, err = exact(price); err != nil {
			return err
		}
		l.version = talos.Version(version)
		rows[fmt.Sprintf("order %s line %d", id, number)] = l.words()
		return nil
	})
	return err
}

func readSales(ctx context.Context, tx pgx.Tx, rows transcript.Rows) error {
	found, err := tx.Query(ctx, "select sku, sold from shop.sales")
	if err != nil {
		return err
	}
	var sku string
	var sold int64
	_, err = pgx.ForEachRow(found, []any{&sku, &sold}, func() error {
		rows["article "+sku] = fmt.Sprintf("%d sold", sold)
		return nil
	})
	return err
}

// exact reads a numeric of the database.
func exact(text string) (*big.Rat, error) {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, fmt.Errorf("%s is no number", text)
	}
	return n, nil
}
