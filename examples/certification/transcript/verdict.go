package transcript

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// differencesShown is how many differing rows a verdict quotes.
const differencesShown = 10

// Verdict is what the log and the database say together.
type Verdict struct {
	// Equal says that every row is that of the serial replay, and the snapshot is the highest that the log allows.
	Equal bool `json:"equal"`

	Records  int           `json:"records"`
	Classes  map[Class]int `json:"versions"`
	Repeated int           `json:"repeated_decisions"`
	Other    int           `json:"other_records"`

	Snapshot     talos.Version `json:"snapshot"`
	WantSnapshot talos.Version `json:"want_snapshot"`

	Rows        int          `json:"rows"` // that the replay leaves
	Different   int          `json:"different_rows"`
	Differences []Difference `json:"differences,omitempty"` // the first of them
}

// Difference is a row that is not as it should be; "none" stands for a missing row.
type Difference struct {
	Row  string `json:"row"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// Rows are rows in words, by a name that each has alone. Rows that are equal have equal words.
type Rows map[string]string

// Compare compares the rows and the snapshot of a database with what a replay of the log leaves.
func (l *Log) Compare(want, got Rows, snapshot talos.Version) Verdict {
	v := Verdict{
		Records: l.Records, Classes: l.Classes(), Repeated: l.Repeated, Other: l.Other,
		Snapshot: snapshot, WantSnapshot: l.Snapshot(), Rows: len(want),
	}
	both := maps.Clone(want)
	maps.Copy(both, got)
	for _, row := range slices.Sorted(maps.Keys(both)) {
		w, g := want.of(row), got.of(row)
		if w == g {
			continue
		}
		v.Different++
		if len(v.Differences) < differencesShown {
			v.Differences = append(v.Differences, Difference{row, w, g})
		}
	}
	v.Equal = v.Different == 0 && v.Snapshot == v.WantSnapshot
	return v
}

func (r Rows) of(name string) string {
	if words, ok := r[name]; ok {
		return words
	}
	return "none"
}

// Database reads the snapshot of the cohort at dsn, and with read its rows, in one snapshot of the database.
func Database(ctx context.Context, dsn string, read func(pgx.Tx) error) (snapshot talos.Version, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, fmt.Errorf("verdict: connect: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return 0, fmt.Errorf("verdict: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	var version int64
	if err := tx.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&version); err != nil {
		return 0, fmt.Errorf("verdict: read the snapshot: %w", err)
	}
	if err := read(tx); err != nil {
		return 0, fmt.Errorf("verdict: %w", err)
	}
	return talos.Version(version), nil
}
