package installer

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Quarantined is a row of ichor.quarantine: everything that is needed to understand why a
// version could not be installed.
type Quarantined struct {
	Version   talos.Version
	Safepoint talos.Version
	Snapshot  talos.Version
	Held      bool
	Kind      string
	Code      string
	Message   string
	Digest    string           // of the guest; empty when none converted it
	Candidate *talos.Candidate // nil when its payload is lost
}

// QuarantineEnd is the end of a version's quarantine, recorded in the transaction that ends it.
type QuarantineEnd struct {
	Version talos.Version
	How     string // installed, or skipped by the guest or a person
	Digest  string // of the guest whose conversion ended it; empty for none
	Request int64  // of an operator, that ends with it; 0 for none
}

// Quarantine records versions that cannot be installed, fenced like a group. Recording one
// again counts it and keeps the latest reason.
func (l *Lane) Quarantine(ctx context.Context, rows []Quarantined) error {
	return l.fenced(ctx, "record in the quarantine", func(ctx context.Context, tx pgx.Tx) error {
		for i := range rows {
			if err := record(ctx, tx, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// fenced runs f in a transaction of the lane that is fenced as a group is. The error is always an *Error.
func (l *Lane) fenced(ctx context.Context, what string, f func(context.Context, pgx.Tx) error) error {
	if l.conn == nil {
		return errNoConnection()
	}
	ctx, cancel := context.WithTimeout(ctx, l.in.opts.Deadline)
	defer cancel()
	err := pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "update ichor.lane set claim = claim where lane = $1 and epoch = $2 and token = $3 and claim = $4",
			l.number, l.in.own.epoch, l.in.own.token, l.laneToken)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return l.in.fencedBy(ctx, l.conn)
		}
		return f(ctx, tx)
	})
	if err != nil {
		return l.failed(failure(err, what))
	}
	return nil
}

// QuarantinedCandidates returns the records of held versions that the quarantine has, by version: what
// the log had at their positions when they were held.
func (in *Installer) QuarantinedCandidates(ctx context.Context, versions []talos.Version) (map[talos.Version][]byte, error) {
	wanted := make([]int64, len(versions))
	for i, v := range versions {
		wanted[i] = int64(v)
	}
	found := map[talos.Version][]byte{}
	err := in.with(ctx, "quarantine", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select version, candidate from ichor.quarantine where version = any($1) and held and candidate is not null", wanted)
		if err == nil {
			var version int64
			var candidate []byte
			_, err = pgx.ForEachRow(rows, []any{&version, &candidate}, func() error {
				found[talos.Version(version)] = candidate
				candidate = nil
				return nil
			})
		}
		if err != nil {
			return failure(err, "read held candidates from ichor.quarantine")
		}
		return nil
	})
	return found, err
}

// record writes one row. A version that is held again keeps the candidate that its row has, should the
// log not have it any more; the row of one that had ended may be of another log.
func record(ctx context.Context, tx pgx.Tx, q *Quarantined) error {
	var xid, cohort, agent *string
	var value []byte
	if c := q.Candidate; c != nil {
		xid, cohort, agent, value = text(c.XID), text(c.Cohort), text(c.Agent), c.Value
	}
	_, err := tx.Exec(ctx, `insert into ichor.quarantine as old
		(version, held, kind, code, message, safepoint, snapshot, digest, xid, cohort, agent, candidate)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		on conflict (version) do update set held = excluded.held, resolved_at = null, resolution = null, resolved_digest = null, kind = excluded.kind, code = excluded.code,
			message = excluded.message, digest = excluded.digest, times = old.times + 1, last_at = now(), safepoint = excluded.safepoint, snapshot = excluded.snapshot,
			xid = coalesce(excluded.xid, case when old.held then old.xid end), cohort = coalesce(excluded.cohort, case when old.held then old.cohort end),
			agent = coalesce(excluded.agent, case when old.held then old.agent end),
			candidate = coalesce(excluded.candidate, case when old.held then old.candidate end)`,
		int64(q.Version), q.Held, q.Kind, q.Code, printable(q.Message), int64(q.Safepoint), int64(q.Snapshot),
		text(q.Digest), xid, cohort, agent, value)
	return err
}

// text makes a value that PostgreSQL accepts as text; an empty one is null.
func text(s string) *string {
	if s == "" {
		return nil
	}
	s = printable(s)
	return &s
}

// printable replaces what PostgreSQL refuses in a text: bytes that are no UTF-8, and NUL.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
