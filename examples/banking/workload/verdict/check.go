package verdict

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// decimals are those of the column bank_accounts.amount.
const decimals = 5

// differencesShown is how many differing rows a verdict quotes.
const differencesShown = 10

// Verdict is what the log and the database say together.
type Verdict struct {
	// Equal says that every account has the amount and the version of the serial replay, and the
	// snapshot is the highest that the log allows; Conserved that the money is all there.
	Equal     bool `json:"equal"`
	Conserved bool `json:"conserved"`

	Records  int           `json:"records"`
	Classes  map[Class]int `json:"versions"`
	Repeated int           `json:"repeated_decisions"`
	Other    int           `json:"other_records"`

	Snapshot     talos.Version `json:"snapshot"`
	WantSnapshot talos.Version `json:"want_snapshot"`
	Total        string        `json:"total"`
	WantTotal    string        `json:"want_total"`

	Accounts    int          `json:"accounts"`
	Different   int          `json:"different_accounts"`
	Differences []Difference `json:"differences,omitempty"` // the first of them
}

// OK reports whether nothing differs.
func (v *Verdict) OK() bool { return v.Equal && v.Conserved }

// Difference is an account that is not as it should be; "none" stands for a missing row.
type Difference struct {
	Account string `json:"account"`
	Want    string `json:"want"`
	Got     string `json:"got"`
}

// Check compares the database at dsn with the replay of the log.
func Check(ctx context.Context, log *Log, opening Opening, dsn string) (*Verdict, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("verdict: connect: %w", err)
	}
	rows, snapshot, err := database(ctx, conn)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return nil, fmt.Errorf("verdict: %w", err)
	}
	return log.Compare(opening, rows, snapshot), nil
}

// Compare compares rows and a snapshot with the replay of the log.
func (l *Log) Compare(opening Opening, rows Rows, snapshot talos.Version) *Verdict {
	want, total := l.Replay(opening)
	v := &Verdict{
		Records: l.Records, Classes: l.Classes(), Repeated: l.Repeated, Other: l.Other,
		Snapshot: snapshot, WantSnapshot: l.Snapshot(), Accounts: len(want),
		Total: rows.Sum().FloatString(decimals), WantTotal: total.FloatString(decimals),
		Conserved: rows.Sum().Cmp(total) == 0,
	}
	both := maps.Clone(want)
	maps.Copy(both, rows)
	for _, account := range slices.Sorted(maps.Keys(both)) {
		w, g := describe(want, account), describe(rows, account)
		if w == g {
			continue
		}
		v.Different++
		if len(v.Differences) < differencesShown {
			v.Differences = append(v.Differences, Difference{account, w, g})
		}
	}
	v.Equal = v.Different == 0 && v.Snapshot == v.WantSnapshot
	return v
}

// describe writes a row exactly, or none.
func describe(rows Rows, account string) string {
	row, ok := rows[account]
	if !ok {
		return "none"
	}
	amount := row.Amount.FloatString(decimals)
	if exact, ok := new(big.Rat).SetString(amount); !ok || exact.Cmp(row.Amount) != 0 {
		amount = row.Amount.String()
	}
	return amount + " at version " + row.Version.String()
}

// database reads the accounts and the snapshot in one snapshot of the database.
func database(ctx context.Context, conn *pgx.Conn) (Rows, talos.Version, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var snapshot int64
	err = tx.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&snapshot)
	if err != nil {
		return nil, 0, fmt.Errorf("read the snapshot: %w", err)
	}
	found, err := tx.Query(ctx, "select number, amount::text, version from bank_accounts")
	if err != nil {
		return nil, 0, fmt.Errorf("read the accounts: %w", err)
	}
	rows := Rows{}
	var number, amount string
	var version int64
	_, err = pgx.ForEachRow(found, []any{&number, &amount, &version}, func() error {
		exact, ok := new(big.Rat).SetString(amount)
		if !ok {
			return fmt.Errorf("account %s has the amount %s", number, strconv.Quote(amount))
		}
		rows[number] = Row{exact, talos.Version(version)}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the accounts: %w", err)
	}
	return rows, talos.Version(snapshot), nil
}
