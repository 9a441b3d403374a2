package installer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// Take makes this host the owner in place of another: whatever that has open cannot commit any more.
// It returns the state as it is from then on, or ErrOvertaken. cluster and topic are kept for people.
func (in *Installer) Take(ctx context.Context, from Owner, cluster, topic string) (State, error) {
	var s State
	err := in.with(ctx, "take-over", func(ctx context.Context, conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, waitForFence); err != nil {
			return failure(err, "prepare the take-over")
		}
		for attempt := 0; ; attempt++ {
			err := in.takeEpoch(ctx, conn, from, cluster, topic)
			if isLocked(err) && attempt < 3 {
				in.evict(ctx, conn)
				continue
			}
			if err != nil {
				return err
			}
			return load(ctx, conn, &s)
		}
	})
	return s, err
}

// waitForFence lets a session wait longer for the rows of the fence than for a cohort's, whatever
// time its statements have.
const waitForFence = "select set_config('lock_timeout', '1000', false), set_config('statement_timeout', '10000', false)"

func isLocked(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "55P03"
}

func (in *Installer) takeEpoch(ctx context.Context, conn *pgx.Conn, from Owner, cluster, topic string) error {
	own := ownership{token: rand.Int64()}
	in.tried = append(in.tried, own.token)
	var stateToken int64
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into ichor.state (snapshot)
			select version from public.cohort_snapshot where id = 'SINGLETON' on conflict (id) do nothing`)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `update ichor.state set epoch = epoch + 1, token = $1, claim = claim + 1, owner = $2,
			cluster = $3, topic = $4, changed_at = now() where epoch = $5 and token = $6 returning epoch, claim, `+timeline,
			own.token, in.opts.Owner, cluster, topic, from.Epoch, from.Token).Scan(&own.epoch, &stateToken, &own.timeline)
		if errors.Is(err, pgx.ErrNoRows) {
			return in.tookBefore(ctx, tx, &own, &stateToken)
		}
		if err != nil {
			return reading("ichor.state", err)
		}
		if _, err := tx.Exec(ctx, `insert into ichor.beat (epoch, token) values ($1, $2) on conflict (id) do update
			set epoch = excluded.epoch, token = excluded.token, beats = 0, backend = null, backend_since = null, released = false, at = now()`,
			own.epoch, own.token); err != nil {
			return err
		}
		// Every lane row, also those of an owner with more lanes.
		if _, err = tx.Exec(ctx, "update ichor.lane set epoch = $1, token = $2, claim = claim + 1", own.epoch, own.token); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into ichor.lane (lane, epoch, token) select n, $1, $2 from generate_series(0, $3::int - 1) n
			on conflict (lane) do nothing`, own.epoch, own.token, in.opts.Lanes)
		if err != nil {
			return err
		}
		// AFTER the rows of the fence are this host's: nothing goes by the routes of before any more, and what went lies below the
		// resume point or is in the ledger.
		_, err = tx.Exec(ctx, `insert into ichor.guest_routes (from_version, earlier, routes)
			select greatest(snapshot + 1, resume), array(select version from ichor.ledger order by version), $1 from ichor.state
			 where $1 <> '' and $1 is distinct from (select routes from ichor.guest_routes order by id desc limit 1)`, in.opts.Routes)
		return err
	})
	if errors.Is(err, ErrOvertaken) {
		return err
	}
	if err != nil {
		return failure(err, "take the epoch")
	}
	in.own, in.tried = own, nil
	in.stateToken.Store(stateToken)
	in.durable.Store(0)
	return nil
}

// tookBefore looks whether the host that was quicker is this one: the answer to its COMMIT may have been
// lost.
func (in *Installer) tookBefore(ctx context.Context, tx pgx.Tx, own *ownership, stateToken *int64) error {
	err := tx.QueryRow(ctx, "select epoch, token, claim, "+timeline+" from ichor.state where token = any($1)", in.tried).
		Scan(&own.epoch, &own.token, stateToken, &own.timeline)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrOvertaken
	}
	return err
}

// timeline is the number of the server's history: a copy that is promoted begins another one.
const timeline = "('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint"

// evict ends the sessions of an owner that hold the rows of the epoch: a host that is gone
// may leave a transaction open.
func (in *Installer) evict(ctx context.Context, conn *pgx.Conn) {
	tag, err := conn.Exec(ctx, `select pg_terminate_backend(pid, 2000) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()
		  and application_name like 'ichor lane %' and xact_start < now() - interval '1 second'`)
	in.log.Warn("the epoch's rows are locked by an earlier owner: its sessions were ended", "sessions", tag.RowsAffected(), "error", err)
}

// fencedBy says why a row of the fence is not this host's any more. A lower epoch is a copy of
// the database that lacks this host's own take-over; the same one with another token is a copy
// that somebody else took. Where both are this host's another connection of its own has renewed the claim.
func (in *Installer) fencedBy(ctx context.Context, conn *pgx.Conn) error {
	var epoch, token int64
	var owner string
	err := conn.QueryRow(ctx, "select epoch, token, owner from ichor.state").Scan(&epoch, &token, &owner)
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && epoch < in.own.epoch:
		return &Error{Class: Regressed, Err: fmt.Errorf("the database has epoch %d, and this host took epoch %d: it is a copy from before, or was restored", epoch, in.own.epoch)}
	case err != nil:
		return failure(err, "read ichor.state")
	case epoch == in.own.epoch && token == in.own.token:
		return &Error{Class: Transient, Code: codeClaim, Lost: true, Err: errors.New("another connection of this host has renewed the fence")}
	}
	return &Error{Class: Fenced, Code: codeFenced, Err: fmt.Errorf("epoch %d is over: %s owns the cohort, with epoch %d", in.own.epoch, owner, epoch)}
}

// owns returns nil where this host has not taken the cohort over, or has and owns it still, and else why not.
func (in *Installer) owns(ctx context.Context, tx pgx.Tx) error {
	if in.own.epoch == 0 {
		return nil
	}
	var still bool
	err := tx.QueryRow(ctx, "select exists (select from ichor.state where epoch = $1 and token = $2)", in.own.epoch, in.own.token).Scan(&still)
	if err != nil || still {
		return err
	}
	return in.fencedBy(ctx, tx.Conn())
}
