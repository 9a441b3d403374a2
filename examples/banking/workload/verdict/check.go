package verdict

import (
	"context"
	"fmt"
	"math/big"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/talos"
)

// decimals are those of the column bank_accounts.amount.
const decimals = 5

// Verdict is what the log and the database say together: whether every account has the amount and the
// version of the serial replay, and whether the money is all there.
type Verdict struct {
	transcript.Verdict
	Money
}

// Money is what is in all accounts together.
type Money struct {
	Conserved bool   `json:"conserved"`
	Total     string `json:"total"`
	WantTotal string `json:"want_total"`
}

// OK reports whether nothing differs.
func (v *Verdict) OK() bool { return v.Equal && v.Conserved }

// Check compares the database at dsn with the replay of the log.
func Check(ctx context.Context, log *transcript.Log, opening Opening, dsn string) (*Verdict, error) {
	rows := Rows{}
	snapshot, err := transcript.Database(ctx, dsn, func(tx pgx.Tx) error { return rows.read(ctx, tx) })
	if err != nil {
		return nil, err
	}
	return Compare(log, opening, rows, snapshot), nil
}

// Compare compares rows and a snapshot with the replay of the log.
func Compare(log *transcript.Log, opening Opening, rows Rows, snapshot talos.Version) *Verdict {
	want, total := Replay(log, opening)
	return &Verdict{
		Verdict: log.Compare(want.words(), rows.words(), snapshot),
		Money:   Money{rows.Sum().Cmp(total) == 0, rows.Sum().FloatString(decimals), total.FloatString(decimals)},
	}
}

// words says what each account has.
func (r Rows) words() transcript.Rows {
	all := transcript.Rows{}
	for account, row := range r {
		all["account "+account] = row.words()
	}
	return all
}

// words writes a row exactly.
func (r Row) words() string {
	amount := r.Amount.FloatString(decimals)
	if exact, ok := new(big.Rat).SetString(amount); !ok || exact.Cmp(r.Amount) != 0 {
		amount = r.Amount.String()
	}
	return amount + " at version " + r.Version.String()
}

// read adds the accounts of a database.
func (r Rows) read(ctx context.Context, tx pgx.Tx) error {
	found, err := tx.Query(ctx, "select number, amount::text, version from bank_accounts")
	if err != nil {
		return fmt.Errorf("read the accounts: %w", err)
	}
	var number, amount string
	var version int64
	_, err = pgx.ForEachRow(found, []any{&number, &amount, &version}, func() error {
		exact, ok := new(big.Rat).SetString(amount)
		if !ok {
			return fmt.Errorf("account %s has the amount %s", number, strconv.Quote(amount))
		}
		r[number] = Row{exact, talos.Version(version)}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the accounts: %w", err)
	}
	return nil
}
