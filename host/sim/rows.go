package sim

import (
	"github.com/ichor-replicator/ichor/host/talos"
)

// table is one of the tables of schema.sql, or the cohort's.
type table uint8

// The tables.
const (
	tableState table = iota
	tableCohort
	tableLane
	tableLedger
	tableHistory
	tableQuarantine
	tableAccount
	tableRequest
)

// rowKey names a row: its table, and a number that is unique in it.
type rowKey struct {
	table table
	id    int64
}

var (
	stateKey  = rowKey{table: tableState}
	cohortKey = rowKey{table: tableCohort}
)

func laneKey(lane int) rowKey            { return rowKey{tableLane, int64(lane)} }
func ledgerKey(v talos.Version) rowKey   { return rowKey{tableLedger, int64(v)} }
func accountKey(a int) rowKey            { return rowKey{tableAccount, int64(a)} }
func quarantined(v talos.Version) rowKey { return rowKey{tableQuarantine, int64(v)} }
func historyKey(from talos.Version, only bool) rowKey {
	id := int64(from) * 2
	if only {
		id++
	}
	return rowKey{tableHistory, id}
}

// What the rows of the fence have: two of them are compared, and the next is one more.
type (
	epoch    int64
	token    int64 // the same or not
	timeline int64 // the same or not
	claim    int64
)

// The rows, as far as they matter.
type (
	stateRow struct {
		epoch    epoch
		token    token
		claim    claim
		snapshot talos.Version
		resume   talos.Position // 0 is null
		anchor   talos.Position
	}
	cohortRow struct{ version talos.Version }
	laneRow   struct {
		epoch epoch
		token token
		claim claim
	}
	ledgerRow     struct{}
	historyRow    struct{ digest int }
	quarantineRow struct {
		held     bool
		resolved string
		times    int
	}
)

// effect is a row of the table that each version enters itself in. It has no key: what is installed
// twice is there twice.
type effect struct {
	version talos.Version
	digest  int
}
