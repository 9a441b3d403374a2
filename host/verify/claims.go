package verify

import (
	"context"
	"strconv"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// RowClaim is the kind of finding of a row that names a version which cannot have written it.
const RowClaim books.Kind = "row_claim"

// claims reads the column of each table that holds the version which wrote the row. It needs no
// replay and no beginning of the log: what a row names must be a version that was committed. One that
// the books do not have yet was installed by an initiator of the cohort.
func (v *verification) claims(ctx context.Context) error {
	var found books.Findings
	for _, t := range v.tables {
		if t.Guard == "" {
			continue
		}
		rows, err := v.reader.Rows(ctx, t)
		if err != nil {
			return err
		}
		for {
			row, err := rows.Next()
			if err != nil {
				rows.Close()
				return err
			}
			if row == nil {
				break
			}
			v.claim(&found, t, row)
		}
		rows.Close()
	}
	v.report.Claims = found
	return nil
}

func (v *verification) claim(found *books.Findings, t *installer.Table, row *installer.Row) {
	version, ok := versionOf(row.Guard)
	if !ok || version == 0 || talos.Position(version) < v.log.Start {
		return // written before anything that can be looked at
	}
	switch class := v.log.Class(version); {
	case class == books.Installable:
	case class == books.Undecided && version > v.e.Snapshot && talos.Position(version) < v.log.End: // decided after the log was read
	default:
		found.Add(RowClaim, version, "row %s of %s names version %d, which is %s in the log", row.Key, t.Name, version, books.Named(class))
	}
}

func versionOf(text string) (talos.Version, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return talos.Version(n), err == nil
}

// ahead reports whether a row names a committed version that the books do not have yet.
func (v *verification) ahead(guard string) bool {
	version, ok := versionOf(guard)
	return ok && version > v.e.Snapshot && v.log.Class(version) == books.Installable && !v.installed.Has(version)
}
