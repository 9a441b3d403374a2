package verdict

import (
	"math/big"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Row is an account.
type Row struct {
	Amount  *big.Rat
	Version talos.Version // the last that touched it
}

// Rows are accounts by number.
type Rows map[string]Row

// Opening is what the accounts begin with.
type Opening struct {
	Accounts []string
	Amount   *big.Rat
}

// Replay installs the installable versions one after the other and returns the rows that are then
// there. total is the money that should be in them together, summed from the opening and the
// movements of money from and to outside.
func (l *Log) Replay(o Opening) (rows Rows, total *big.Rat) {
	rows = Rows{}
	for _, account := range o.Accounts {
		rows[account] = Row{Amount: new(big.Rat).Set(o.Amount)}
	}
	total = new(big.Rat).Mul(o.Amount, big.NewRat(int64(len(o.Accounts)), 1))
	for _, v := range l.Versions() {
		if l.Class(v) != Installable {
			continue
		}
		for _, m := range l.candidates[v].movements {
			rows.move(m, v)
			if m.from == "" {
				total.Add(total, m.amount)
			}
			if m.to == "" {
				total.Sub(total, m.amount)
			}
		}
	}
	return rows, total
}

// move moves money between accounts that exist; an update of another one touches no row.
func (r Rows) move(m movement, v talos.Version) {
	if row, ok := r[m.from]; ok {
		row.Amount.Sub(row.Amount, m.amount)
		r[m.from] = Row{row.Amount, v}
	}
	if row, ok := r[m.to]; ok {
		row.Amount.Add(row.Amount, m.amount)
		r[m.to] = Row{row.Amount, v}
	}
}

// Sum returns the money in the rows.
func (r Rows) Sum() *big.Rat {
	sum := new(big.Rat)
	for _, row := range r {
		sum.Add(sum, row.Amount)
	}
	return sum
}
