package installer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Adoption is an operator's decision about where a cohort's log goes on: after a gap, or on another
// log than the one that was left.
type Adoption struct {
	Resume talos.Position // the first position that is read
	// Snapshot is what the cohort's snapshot becomes; nil keeps it. It is set to begin on another
	// log, whose positions say nothing of the versions before.
	Snapshot *talos.Version
	// Accepted says, for the audit, what the operator was told is wrong and accepts; "" is nothing.
	Accepted string
	Who      string // for the audit
	Reason   string
	DryRun   bool
}

// Adopted says what an adoption changed, or would change.
type Adopted struct {
	FromResume    talos.Position // -1 where there was none
	FromSnapshot  talos.Version
	Snapshot      talos.Version
	LedgerDropped int64 // versions above the snapshot whose effects stay and are no longer known
	HeldEnded     int64 // quarantines that end
	HistoryEnded  int64 // rows of the guest history that speak of versions of another log
	RequestsEnded int64 // of operators, about versions that are passed or of another log
}

// Adopt sets where the log is read from, makes every host that runs begin anew, and leaves an audit row, in one
// transaction. It returns a *AdoptError when the numbers contradict each other.
func (in *Installer) Adopt(ctx context.Context, a Adoption) (Adopted, error) {
	var done Adopted
	err := in.with(ctx, "adopt", func(ctx context.Context, conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, waitForFence); err != nil {
			return failure(err, "prepare the adoption")
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return failure(err, "begin")
		}
		if done, err = adopt(ctx, tx, &a); err != nil || a.DryRun {
			return errors.Join(err, tx.Rollback(ctx))
		}
		return tx.Commit(ctx)
	})
	return done, err
}

// AdoptError says why an adoption is refused: it would lose or repeat effects without saying so.
type AdoptError struct{ What string }

// Error implements error.
func (e *AdoptError) Error() string { return e.What }

func adopt(ctx context.Context, tx pgx.Tx, a *Adoption) (Adopted, error) {
	done := Adopted{FromResume: -1}
	var resume *int64
	var snapshot int64
	_, err := tx.Exec(ctx, `insert into ichor.state (snapshot)
		select version from public.cohort_snapshot where id = 'SINGLETON' on conflict (id) do nothing`)
	if err == nil {
		err = tx.QueryRow(ctx, "select resume, snapshot from ichor.state for update").Scan(&resume, &snapshot)
	}
	if err != nil {
		return done, failure(err, "read ichor.state")
	}
	if resume != nil {
		done.FromResume = talos.Position(*resume)
	}
	done.FromSnapshot, done.Snapshot = talos.Version(snapshot), talos.Version(snapshot)
	if a.Snapshot != nil {
		done.Snapshot = *a.Snapshot
	}
	switch {
	case a.Resume < 0:
		return done, &AdoptError{"--resume is negative"}
	case CheckReason(a.Reason) != nil:
		return done, &AdoptError{CheckReason(a.Reason).Error()}
	case a.Snapshot == nil && a.Resume < done.FromResume:
		return done, &AdoptError{fmt.Sprintf("the resume point is %d already, and what lies between %d and that may be installed: it would take effect twice; on another log give --snapshot too", done.FromResume, a.Resume)}
	case talos.Position(done.Snapshot) >= a.Resume:
		return done, &AdoptError{fmt.Sprintf("the snapshot would be %d and the log be read from %d: candidates up to the snapshot count as installed, so give a --snapshot below --resume",
			done.Snapshot, a.Resume)}
	}
	// Versions of another log say nothing; of the same log, those below the resume point are passed.
	forgotten := int64(a.Resume)
	if a.Snapshot != nil {
		forgotten = 1<<63 - 1
	}
	deed := fmt.Sprintf("adopt: resume %d to %d, snapshot %d to %d", done.FromResume, a.Resume, done.FromSnapshot, done.Snapshot)
	if a.Accepted != "" {
		deed += "; accepted: " + printable(a.Accepted)
	}
	for _, step := range []struct {
		sql   string
		args  []any
		count *int64
	}{
		{"update ichor.state set epoch = epoch + 1, token = $1, claim = claim + 1, owner = 'nobody since db adopt', snapshot = $2, resume = $3, anchor_position = -1, anchor_hash = 0, changed_at = now()",
			[]any{rand.Int64(), int64(done.Snapshot), int64(a.Resume)}, nil},
		{`insert into ichor.beat (epoch, token, released) select epoch, token, true from ichor.state
			on conflict (id) do update set epoch = excluded.epoch, token = excluded.token, beats = 0, backend = null, backend_since = null, released = true, at = now()`, nil, nil},
		{"update ichor.lane set epoch = epoch + 1, token = 0, claim = claim + 1", nil, nil},
		{"update public.cohort_snapshot set version = $1 where id = 'SINGLETON' and version <> $1", []any{int64(done.Snapshot)}, nil},
		{"delete from ichor.ledger where version < $1", []any{forgotten}, &done.LedgerDropped},
		{"update ichor.quarantine set held = false, resolved_at = now(), resolution = 'adopted' where held and version < $1", []any{forgotten}, &done.HeldEnded},
		{"update ichor.request set ended_at = coalesce(ended_at, now()), outcome = 'adopted' where version < $1 and (ended_at is null or verb = 'abandon' and outcome = 'done')", []any{forgotten}, &done.RequestsEnded},
		{"delete from ichor.guest_history where from_version > $1 and $2", []any{int64(done.Snapshot), a.Snapshot != nil}, &done.HistoryEnded},
		{"update ichor.guest_routes set earlier = array(select v from unnest(earlier) v where v <= $1 order by v) where $2", []any{int64(done.Snapshot), a.Snapshot != nil}, nil},
		{"delete from ichor.guest_routes where from_version > $1 and $2", []any{int64(done.Snapshot), a.Snapshot != nil}, nil},
		{"insert into ichor.audit (who, deed, reason) values ($1, $2, $3)", []any{printable(a.Who), deed, printable(a.Reason)}, nil},
	} {
		tag, err := tx.Exec(ctx, step.sql, step.args...)
		if err != nil {
			return done, failure(err, "adopt")
		}
		if step.count != nil {
			*step.count = tag.RowsAffected()
		}
	}
	return done, nil
}
