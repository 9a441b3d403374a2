// Package verdict judges what a host made of a certification topic of the banking example, from the log and
// the database alone: it replays what is committed one version after the other in exact decimals, and compares.
package verdict

import (
	"context"
	"math/big"

	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/talos"
)

// NewLog returns the log of no records, of candidates of the bank.
func NewLog() *transcript.Log { return transcript.NewLog(understand) }

// Read reads a topic of the bank to the end that it has now.
func Read(ctx context.Context, brokers []string, topic string) (*transcript.Log, error) {
	return transcript.Read(ctx, brokers, topic, understand)
}

func understand(is transcript.Item) error {
	_, err := readMovement(is)
	return err
}

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
func Replay(log *transcript.Log, o Opening) (rows Rows, total *big.Rat) {
	rows = Rows{}
	for _, account := range o.Accounts {
		rows[account] = Row{Amount: new(big.Rat).Set(o.Amount)}
	}
	total = new(big.Rat).Mul(o.Amount, big.NewRat(int64(len(o.Accounts)), 1))
	for _, v := range log.Versions() {
		if log.Class(v) != transcript.Installable {
			continue
		}
		for _, is := range log.Items(v) {
			m, _ := readMovement(is) // it was understood when it was added
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
