package talostest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/ichor-replicator/ichor/host/talos"
)

// BankRow is one account of the banking example.
type BankRow struct {
	Account string
	Balance string // with exactly five decimals
	Version talos.Version
}

// BankDigest returns the hexadecimal SHA-256 of the rows' lines "account,balance,version",
// sorted by account, each ending in a newline. The rows are sorted in place.
func BankDigest(rows []BankRow) string {
	slices.SortFunc(rows, func(a, b BankRow) int { return strings.Compare(a.Account, b.Account) })
	digest := sha256.New()
	for _, row := range rows {
		line := append([]byte(row.Account), ',')
		line = append(append(line, row.Balance...), ',')
		line = strconv.AppendUint(line, uint64(row.Version), 10)
		digest.Write(append(line, '\n'))
	}
	return hex.EncodeToString(digest.Sum(nil))
}
