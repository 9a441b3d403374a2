package installer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Held is a row of ichor.quarantine as people see it.
type Held struct {
	Version   talos.Version `json:"version"`          // the position of the candidate in the log
	Held      bool          `json:"held"`             // it holds the snapshot; else it has ended, or is a record of the fact alone
	Kind      string        `json:"kind"`             // why it cannot be installed, in one word: sql, guest_reject, guest_fault and others
	Code      string        `json:"code,omitempty"`   // of that: an SQLSTATE, or the guest's own number
	Message   string        `json:"message"`          // of that, in full: it may quote a row
	Safepoint talos.Version `json:"safepoint"`        // of its decision
	Digest    string        `json:"digest,omitempty"` // of the guest that converted it
	XID       string        `json:"xid,omitempty"`    // of the transaction, a UUID as it was written
	Cohort    string        `json:"cohort,omitempty"` // that the candidate is of
	Agent     string        `json:"agent,omitempty"`  // that sent it
	Candidate []byte        `json:"-"`                // the record's value as on the topic; nil where the log does not have it, or nobody asked
	// Times is how often a host, this one or another, wrote down that it is held: it was tried again in between. The
	// transactions that were begun with it are attempts of /v1/versions.
	Times   int       `json:"times"`
	FirstAt time.Time `json:"first_at"` // when it was held first
	LastAt  time.Time `json:"last_at"`  // when it was held last
	// When and how it ended, and by which guest.
	ResolvedAt     *time.Time `json:"resolved_at,omitempty"`
	Resolution     string     `json:"resolution,omitempty"`      // installed, skipped, skipped_by_operator, passed or adopted
	ResolvedDigest string     `json:"resolved_digest,omitempty"` // SHA-256 of the module that converted it then
	// Hash is of the version, the record, and the kind and code for which it is held: what a person has seen
	// who skips it.
	Hash string `json:"hash"`
	// Asked is the verb of a request about it that stands, or empty.
	Asked string `json:"asked,omitempty"`
}

// HashOf returns the hash of several held versions, or that of one.
func HashOf(held []Held) string {
	if len(held) == 1 {
		return held[0].Hash
	}
	sum := sha256.New()
	for i := range held {
		sum.Write([]byte(held[i].Hash))
	}
	return hex.EncodeToString(sum.Sum(nil))[:hashDigits]
}

// hashDigits is how many hexadecimal digits a hash has that people copy.
const hashDigits = 12

// List returns rows of the quarantine in version order.
func (in *Installer) List(ctx context.Context, filter Filter) (all []Held, err error) {
	err = in.with(ctx, "quarantine", func(ctx context.Context, conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		all, err = list(ctx, conn, filter, "")
		return err
	})
	return all, err
}

type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func list(ctx context.Context, conn queryer, filter Filter, lock string) ([]Held, error) {
	rows, err := conn.Query(ctx, `select version, held, kind, code, message, safepoint, coalesce(digest, ''), coalesce(xid, ''), coalesce(cohort, ''), coalesce(agent, ''),
			case when $5 then candidate end, times, first_at, last_at, resolved_at, coalesce(resolution, ''), coalesce(resolved_digest, ''),
			left(encode(sha256(convert_to(version || '/' || kind || '/' || code || '/', 'UTF8') || coalesce(candidate, '')), 'hex'), `+strconv.Itoa(hashDigits)+`),
			coalesce((select verb from ichor.request r where r.version = q.version and r.ended_at is null and verb in ('skip', 'retry') order by verb desc limit 1), '')
		from ichor.quarantine q
		where ($1::bigint = 0 or version = $1) and ($2::text = '' or kind = $2) and ($3::text = '' or code = $3) and (held or $4) order by version`+lock,
		int64(filter.Version), printable(filter.Kind), printable(filter.Code), filter.Ended, filter.Records)
	if err != nil {
		return nil, failure(err, "read ichor.quarantine")
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Held])
	if err != nil {
		return nil, failure(err, "read ichor.quarantine")
	}
	return all, nil
}
