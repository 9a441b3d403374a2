package installer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// RefusedError says why a request was not even written down.
type RefusedError struct{ What string }

// Error implements error.
func (e *RefusedError) Error() string { return e.What }

// AnotherHashError says that what would be skipped is not what somebody has seen.
type AnotherHashError struct{ Is, Given string }

// Error implements error.
func (e *AnotherHashError) Error() string {
	return fmt.Sprintf("the hash of what would be skipped is %s, and %q was given: look at it again with ichor quarantine show or list", e.Is, e.Given)
}

// AnotherPauseError says that the pause that is in force is not the one that somebody has seen.
type AnotherPauseError struct {
	Is    int64 // the number of its request
	Given string
}

// Error implements error.
func (e *AnotherPauseError) Error() string {
	return fmt.Sprintf("the pause that is in force is request %d, and %q was given: look at who paused it, and why", e.Is, e.Given)
}

// Ask writes a request down for the host that owns the cohort, or the next that does. A pause while one is
// in force, a resume without one and what is asked for already are a *RefusedError, and a resume of a pause that
// is not in force any more is an *AnotherPauseError. Held versions are asked about by AskHeld.
func (in *Installer) Ask(ctx context.Context, r Request) (Request, error) {
	err := in.with(ctx, "ask", func(ctx context.Context, conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := objection(ctx, tx, &r); err != nil {
				return err
			}
			var version *int64
			if r.Version != 0 {
				version = new(int64)
				*version = int64(r.Version)
			}
			err := tx.QueryRow(ctx, "insert into ichor.request (verb, version, guest, digest, who, reason) values ($1, $2, nullif($3, ''), nullif($4, ''), $5, $6) returning id, asked_at",
				r.Verb, version, r.Guest, r.Digest, printable(r.Who), printable(r.Reason)).Scan(&r.ID, &r.AskedAt)
			return asked(err)
		})
	})
	return r, err
}

// asked says of a request that there is one like it.
func asked(err error) error {
	var e *Error
	if errors.As(failure(err, ""), &e) && e.Code == "23505" {
		return &RefusedError{"the same is asked for already, and has not ended: see the table ichor.request"}
	}
	if err != nil {
		return failure(err, "write the request down")
	}
	return nil
}

// objection says what speaks against a request from the start, as far as the database knows.
func objection(ctx context.Context, tx pgx.Tx, r *Request) error {
	if err := CheckReason(r.Reason); err != nil {
		return err
	}
	switch r.Verb {
	case "swap":
		return anotherSwap(ctx, tx, r.Guest)
	case "pause", "resume":
	default:
		return nil
	}
	sql := `select id, who, reason, exists (select from ichor.request where verb = 'resume' and ended_at is null)
		from ichor.request where verb = 'pause' and ended_at is null`
	if r.Match != "" {
		sql += " for update" // no host ends it before this one is written down; after that no other pause is taken until it has ended
	}
	var pause int64
	var who, why string
	var ending bool
	err := tx.QueryRow(ctx, sql).Scan(&pause, &who, &why, &ending)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && r.Verb == "resume":
		return &RefusedError{"it is not paused"}
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return failure(err, "look in ichor.request whether it is paused")
	case r.Verb == "resume" && r.Match != "" && r.Match != strconv.FormatInt(pause, 10):
		return &AnotherPauseError{pause, r.Match}
	case r.Verb == "pause" && ending:
		return &RefusedError{"a resume is asked for and no host has taken it up yet: pause again when one has"}
	case r.Verb == "pause":
		return &RefusedError{fmt.Sprintf("it is paused already, by %s: %s", who, why)}
	}
	return nil
}

// anotherSwap refuses to go back with a guest while that is asked for already, wherever to: it says which request it is.
func anotherSwap(ctx context.Context, tx pgx.Tx, guest string) error {
	var id int64
	var who, to string
	err := tx.QueryRow(ctx, "select id, who, coalesce(left(digest, 12), 'the module before') from ichor.request where verb = 'swap' and guest = $1 and ended_at is null limit 1", guest).
		Scan(&id, &who, &to)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return failure(err, "look in ichor.request whether the guest is to go back already")
	}
	return &RefusedError{fmt.Sprintf("guest %s is to go back to %s already: %s asked for that as request %d, and it has not ended", guest, to, who, id)}
}

// InForce returns the pause that is in force, or is asked for, nil where there is none.
func (in *Installer) InForce(ctx context.Context) (pause *Request, err error) {
	err = in.with(ctx, "ask", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, selectRequests+"where verb = 'pause' and ended_at is null")
		var all []Request
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
		}
		if err != nil {
			return failure(err, "look in ichor.request whether it is paused")
		}
		if len(all) > 0 {
			pause = &all[0]
		}
		return nil
	})
	return pause, err
}

// CheckReason refuses a reason that says nothing, or that is more than a line of plain text: who reads it later would
// not see what was written (*RefusedError).
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &RefusedError{"the reason is empty: who reads the audit later wants to know why"}
	}
	if i := strings.IndexFunc(reason, unseen); i >= 0 {
		r, _ := utf8.DecodeRuneInString(reason[i:])
		return &RefusedError{fmt.Sprintf("the reason is to be one line of plain text, and has the character %U", r)}
	}
	return nil
}

// unseen are control characters, and those that change how what follows is shown.
func unseen(r rune) bool {
	return unicode.IsControl(r) || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// AskHeld asks for the same, skip or retry, about held versions. A skip needs the hash of what is skipped:
// of the version, or of all of them (HashOf); it is refused when that is another one by now, so that nobody
// skips what they have not seen (*AnotherHashError). It returns the requests, of which all or none are written down.
func (in *Installer) AskHeld(ctx context.Context, r Request, filter Filter) (all []Request, err error) {
	if err := CheckReason(r.Reason); err != nil {
		return nil, err
	}
	err = in.with(ctx, "ask", func(ctx context.Context, conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, waitForFence); err != nil {
			return failure(err, "prepare the request")
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// No host can end them meanwhile.
			held, err := list(ctx, tx, filter, " for update of q")
			if err != nil {
				return err
			}
			if err := mayAsk(held, &r, filter); err != nil {
				return err
			}
			versions, hashes := make([]int64, len(held)), make([]*string, len(held))
			for i := range held {
				versions[i] = int64(held[i].Version)
				if r.Hash != "" {
					hashes[i] = &held[i].Hash
				}
			}
			rows, err := tx.Query(ctx, `insert into ichor.request (verb, version, hash, who, reason)
				select $1, v, h, $4, $5 from unnest($2::bigint[], $3::text[]) t(v, h)
				where not exists (select from ichor.request o where o.verb = $1 and o.version = v and o.ended_at is null)
				returning id, verb, version, coalesce(hash, ''), '', '', who, reason, asked_at, taken_at, ended_at, ''`,
				r.Verb, versions, hashes, printable(r.Who), printable(r.Reason))
			if err == nil {
				all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
			}
			if err := asked(err); err != nil || len(all) > 0 {
				return err
			}
			return asked(&Error{Code: "23505", Err: errors.New("asked before")})
		})
	})
	return all, err
}

// mayAsk says why what is held may not be skipped or retried.
func mayAsk(held []Held, r *Request, filter Filter) error {
	switch hash := HashOf(held); {
	case len(held) == 0 && filter.Version != 0:
		return &RefusedError{fmt.Sprintf("version %d is not held: see ichor quarantine list, and ichor explain %d", filter.Version, filter.Version)}
	case len(held) == 0:
		return &RefusedError{"no held version is like that: see ichor quarantine list"}
	case r.Verb == "skip" && r.Hash != hash:
		return &AnotherHashError{hash, r.Hash}
	}
	return nil
}

// Requests returns requests as they are now.
func (in *Installer) Requests(ctx context.Context, ids []int64) (all []Request, err error) {
	err = in.with(ctx, "ask", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, selectRequests+"where id = any($1) order by id", ids)
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
		}
		if err != nil {
			return failure(err, "read ichor.request")
		}
		return nil
	})
	return all, err
}

// LatestRequests returns the requests that were asked for last, the newest first.
func (in *Installer) LatestRequests(ctx context.Context, limit int) (all []Request, err error) {
	err = in.with(ctx, "requests", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, selectRequests+"order by id desc limit $1", limit)
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Request])
		}
		if err != nil {
			return failure(err, "read ichor.request")
		}
		return nil
	})
	return all, err
}

// LatestAudit returns what people did last, the newest first.
func (in *Installer) LatestAudit(ctx context.Context, limit int) (all []AuditRow, err error) {
	err = in.with(ctx, "audit", func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select id, case when isfinite(at) then at else now() end, left(who, 1000) as who, left(deed, 1000) as deed, left(reason, 1000) as reason
			from ichor.audit order by id desc limit $1`, limit)
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AuditRow])
		}
		if err != nil {
			return failure(err, "read ichor.audit")
		}
		return nil
	})
	return all, err
}

// Filter says which rows of the quarantine are meant.
type Filter struct {
	Version talos.Version // 0 for any
	Kind    string        // sql, guest_reject …; empty for any
	Code    string        // the SQLSTATE or the guest's code; empty for any
	Ended   bool          // also those that do not hold the snapshot, or no longer
	Records bool          // with Held.Candidate, which may be large
}
