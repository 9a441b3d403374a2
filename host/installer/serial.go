package installer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Serial installs versions one after the other by one connection, into a scratch database: the
// oracle that a cohort's database is compared with. Unless it keeps what it does, all of it happens in
// one transaction that is rolled back, so that the scratch database stays as it was and the same replay
// may be made again. One goroutine uses it.
type Serial struct {
	conn     *pgx.Conn
	keep     bool
	prepared map[*Template]string
	affected int64 // rows, by the version that was installed last
	changed  int64 // those of them that were there
}

// OpenSerial opens the scratch database. It refuses the database that has the identity of the one that is
// compared: a template that names its schema would write the cohort's own tables.
func (in *Installer) OpenSerial(ctx context.Context, compared string, keep bool) (*Serial, error) {
	conn, err := in.connectWithin(ctx, "replay")
	if err != nil {
		return nil, failure(err, "open the scratch database")
	}
	s := &Serial{conn: conn, keep: keep, prepared: map[*Template]string{}}
	if err := s.begin(ctx, compared); err != nil {
		closeSoon(conn)
		return nil, failure(err, "open the scratch database")
	}
	return s, nil
}

// OpenTrial begins a trial in the cohort's own database: what versions would change now. Nothing of it
// stays, but until the trial is closed its rows are locked, so it gives way to others: it waits for no lock
// longer than trialLockWait, and must not last.
func (in *Installer) OpenTrial(ctx context.Context) (*Serial, error) {
	conn, err := in.connectWithin(ctx, "trial")
	if err != nil {
		return nil, failure(err, "begin a trial")
	}
	s := &Serial{conn: conn, prepared: map[*Template]string{}}
	if _, err = conn.Exec(ctx, "select set_config('lock_timeout', $1, false)", once, milliseconds(trialLockWait)); err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		closeSoon(conn)
		return nil, failure(err, "begin a trial")
	}
	return s, nil
}

// trialLockWait is how long a trial waits for a lock.
const trialLockWait = time.Second

func (s *Serial) begin(ctx context.Context, compared string) error {
	is, err := identityOf(ctx, s.conn)
	if err != nil {
		return err
	}
	if is == compared {
		return &ScratchError{}
	}
	// What is not kept need not be durable, and what is can be made again.
	if _, err := s.conn.Exec(ctx, patient+", set_config('synchronous_commit', 'off', false), set_config('enable_seqscan', 'off', false)"); err != nil {
		return err
	}
	return s.start(ctx)
}

// start prepares what stands around a version, and begins.
func (s *Serial) start(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, "create temporary table ichor_replayed (version bigint)"); err != nil {
		return err
	}
	opening, closing := "savepoint replay", "release savepoint replay"
	if s.keep {
		opening, closing = "begin", "commit"
	}
	for name, sql := range map[string]string{
		replayOpen: opening, replayClose: closing, replayNote: "insert into pg_temp.ichor_replayed (version) values ($1)",
	} {
		if _, err := s.conn.PgConn().Prepare(ctx, name, sql, nil); err != nil {
			return err
		}
	}
	if s.keep {
		return nil
	}
	_, err := s.conn.Exec(ctx, "begin; savepoint start")
	return err
}

// The statements around those of a version.
const replayOpen, replayClose, replayNote = "ichor_replay_open", "ichor_replay_close", "ichor_replay_note"

// ScratchError says that a database cannot be the scratch database: it is the cohort's own.
type ScratchError struct{}

// Error implements error.
func (*ScratchError) Error() string {
	return "the scratch database is the cohort's own: a replay would write the cohort's tables; make another database for it"
}

// Snapshot returns the version up to which the scratch database has everything: what its
// cohort_snapshot says, 0 if it has none.
func (s *Serial) Snapshot(ctx context.Context) (v talos.Version, err error) {
	var there bool
	err = s.conn.QueryRow(ctx, "select to_regclass('public.cohort_snapshot') is not null").Scan(&there)
	if err == nil && there {
		err = s.conn.QueryRow(ctx, "select coalesce(max(version), 0) from public.cohort_snapshot where id = 'SINGLETON'").Scan(&v)
	}
	if err != nil {
		return 0, failure(err, "read cohort_snapshot of the scratch database")
	}
	return v, nil
}

// Table looks a table up, as Reader.Table does.
func (s *Serial) Table(ctx context.Context, name, guard string) (*Table, error) {
	return lookUpTable(ctx, s.conn, name, guard)
}

// Rows reads a table, each row with the version that wrote it last.
func (s *Serial) Rows(ctx context.Context, t *Table) (*Rows, error) {
	return readRows(ctx, s.conn, t, "coalesce(r.version::text, '')", "left join pg_temp.ichor_replayed r on r.xmin = t.xmin")
}

// Ledger returns the versions above its snapshot that the scratch database has already, as a copy of a
// cohort's database may.
func (s *Serial) Ledger(ctx context.Context) (all []talos.Version, err error) {
	var there bool
	err = s.conn.QueryRow(ctx, "select to_regclass('ichor.ledger') is not null").Scan(&there)
	if err == nil && there {
		var rows pgx.Rows
		if rows, err = s.conn.Query(ctx, "select version from ichor.ledger order by version"); err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowTo[talos.Version])
		}
	}
	if err != nil {
		return nil, failure(err, "read the ledger of the scratch database")
	}
	return all, nil
}

// Find returns the text of the row with a primary key, as Row has both; "" if there is none.
func (s *Serial) Find(ctx context.Context, t *Table, key string) (string, error) {
	return findRow(ctx, s.conn, t, key)
}

// Written returns the first rows of a table that were written, in the order of the versions that wrote
// them last.
func (s *Serial) Written(ctx context.Context, t *Table, limit int) ([]Row, error) {
	rows, err := s.conn.Query(ctx, fmt.Sprintf("select %s, %s, '', r.version::text from %s t join pg_temp.ichor_replayed r on r.xmin = t.xmin order by r.version limit %d",
		texts(t.rowKey()), texts(t.Columns), t.sql(), limit))
	if err != nil {
		return nil, failure(err, "read "+t.Name)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Row])
	if err != nil {
		return nil, failure(err, "read "+t.Name)
	}
	return all, nil
}

// Unguard makes a row forget that a version wrote it, so that its guard lets the version write it again.
func (s *Serial) Unguard(ctx context.Context, t *Table, key string, v talos.Version) error {
	guard := pgx.Identifier{t.Guard}.Sanitize()
	_, err := s.conn.Exec(ctx, "update "+t.sql()+" t set "+guard+" = $2::bigint - 1 where "+t.at()+" and t."+guard+" = $2::bigint", key, int64(v))
	if err != nil {
		return failure(err, "set back a row of "+t.Name)
	}
	return nil
}

// Install installs one version. The error is an *Error; a Poison one leaves the version without effects
// and the replay may go on.
func (s *Serial) Install(ctx context.Context, w *Work) error {
	if err := s.prepare(ctx, w); err != nil {
		return err
	}
	var batch pgconn.Batch
	exec := func(name string, args ...[]byte) { batch.ExecPrepared(name, args, nil, nil) }
	exec(replayOpen)
	checked := false
	for _, st := range w.Statements {
		exec(s.prepared[st.Template], st.Args...)
		checked = checked || st.Template.Rows != AnyRows
	}
	exec(replayNote, number(int64(w.Version)))
	if !checked {
		exec(replayClose)
	}
	err := s.run(ctx, &batch, w)
	if err == nil && checked {
		var end pgconn.Batch
		end.ExecPrepared(replayClose, nil, nil, nil)
		err = s.conn.PgConn().ExecBatch(ctx, &end).Close()
	}
	if err == nil {
		return nil
	}
	e := failure(err, "install a version")
	if e.Culprit = w.Version; e.Class == Contention {
		e.Err = fmt.Errorf("another session holds a lock that it waits for: %w", e.Err)
	}
	if e.Lost || s.conn.IsClosed() {
		return e
	}
	undo := "rollback to savepoint replay; release savepoint replay"
	if s.keep {
		undo = "rollback"
	}
	if _, err := s.conn.Exec(ctx, undo); err != nil {
		return failure(err, "undo a version of the replay")
	}
	return e
}

// prepare makes sure that the server knows the templates of a version.
func (s *Serial) prepare(ctx context.Context, w *Work) error {
	for _, st := range w.Statements {
		if _, known := s.prepared[st.Template]; known {
			continue
		}
		name := "guest_" + strconv.Itoa(len(s.prepared))
		if _, err := s.conn.PgConn().Prepare(ctx, name, st.Template.SQL, numbersOf(st.Template.Params)); err != nil {
			e := failure(err, "prepare a guest's statement in the scratch database")
			e.Class = Broken // the transaction is of no use any more, and the scratch database is not the cohort's copy
			return e
		}
		s.prepared[st.Template] = name
	}
	return nil
}

// run sends a version's statements and compares the rows that they changed with what is promised.
func (s *Serial) run(ctx context.Context, batch *pgconn.Batch, w *Work) error {
	results := s.conn.PgConn().ExecBatch(ctx, batch)
	var wrong error
	s.affected, s.changed = 0, 0
	for done := 0; results.NextResult(); done++ {
		tag, err := results.ResultReader().Close()
		if err != nil || done == 0 || done > len(w.Statements) {
			continue
		}
		s.affected += tag.RowsAffected()
		if !tag.Insert() {
			s.changed += tag.RowsAffected()
		}
		if want := w.Statements[done-1].Template.Rows; want != AnyRows && wrong == nil && tag.RowsAffected() != int64(want) {
			wrong = &Error{Class: Poison, Code: codeRows, Err: fmt.Errorf("a statement changed %d rows, and its template promises %d", tag.RowsAffected(), want)}
		}
	}
	return errors.Join(results.Close(), wrong)
}

// Affected returns how many rows the version that was installed last wrote or deleted.
func (s *Serial) Affected() int { return int(s.affected) }

// Changed returns how many rows that were there the version that was installed last changed, one that it
// changed twice counted twice.
func (s *Serial) Changed() int { return int(s.changed) }

// Mark makes what was installed so far the start: a Rewind goes back to here and no further.
func (s *Serial) Mark(ctx context.Context) error {
	if s.keep {
		return errors.New("what is kept cannot be undone")
	}
	if _, err := s.conn.Exec(ctx, "savepoint start"); err != nil {
		return failure(err, "mark a state of the replay")
	}
	return nil
}

// Rewind undoes everything that was installed since the start, or since the last Mark.
func (s *Serial) Rewind(ctx context.Context) error {
	if s.keep {
		return errors.New("what is kept cannot be undone")
	}
	if _, err := s.conn.Exec(ctx, "rollback to savepoint start"); err != nil {
		return failure(err, "undo the replay")
	}
	return nil
}

// Close ends the replay; what was not to be kept is undone.
func (s *Serial) Close() { closeSoon(s.conn) }
