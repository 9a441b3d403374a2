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

// Statement is a template with its values, in PostgreSQL's text format; nil is null.
type Statement struct {
	Template *Template
	Args     [][]byte
}

// Work is what one version of a group executes, in order.
type Work struct {
	Version    talos.Version
	Statements []Statement
}

// Advance is what a frontier group makes durable beside its rows.
type Advance struct {
	From, Snapshot talos.Version
	Resume         talos.Position
	Anchor         talos.Anchor
	Ledgered       int
}

// Group is one transaction: a frontier group with Advance, or else an ahead group.
type Group struct {
	Advance *Advance
	Works   []Work // in version order
	Uses    []Use
	Ends    []QuarantineEnd
	// LockWait is how long a statement waits for a lock; zero is FirstLockWait.
	LockWait time.Duration
	// Watch finds out who holds the lock, when the group fails for it; it costs a connection.
	Watch bool
}

// The host's own statements.
const (
	sqlBegin, sqlCommit, sqlAdvance, sqlAhead = "ichor_begin", "ichor_commit", "ichor_advance", "ichor_ahead"
	sqlUse, sqlEnd, sqlWait                   = "ichor_use", "ichor_end", "ichor_wait"

	advanceFunction = "ichor.advance(bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint)"
	aheadFunction   = "ichor.ahead(bigint, bigint, integer, bigint, bigint[])"
)

func prepareOwn(ctx context.Context, conn *pgx.Conn) error {
	for name, sql := range map[string]string{
		sqlBegin:   "begin",
		sqlCommit:  "commit",
		sqlAdvance: "select ichor.advance($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		sqlAhead:   "select ichor.ahead($1, $2, $3, $4, $5)",
		sqlUse: `insert into ichor.guest_history (name, digest, from_version, only_version) values ($1, $2, $3, $4)
			on conflict (name, from_version, only_version) do nothing`,
		sqlEnd: `update ichor.quarantine set held = false, resolved_at = now(), resolution = $2, resolved_digest = nullif($3, '')
			where version = $1 and held`,
		sqlWait: "select set_config('lock_timeout', $1, true)",
	} {
		if _, err := conn.PgConn().Prepare(ctx, name, sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// Install executes the group as one transaction and returns when it is durable. The error is
// always an *Error; after one with Lost the lane must be connected again.
func (l *Lane) Install(ctx context.Context, g *Group) error {
	if l.conn == nil {
		return errNoConnection()
	}
	ctx, cancel := context.WithTimeout(ctx, l.in.opts.Deadline)
	defer cancel()
	l.tally = tally{}
	if !g.Watch {
		return l.install(ctx, g)
	}
	blockers, end := l.watch(ctx, max(g.LockWait, FirstLockWait)/2)
	defer end()
	err := l.install(ctx, g)
	var e *Error
	if errors.As(err, &e) && e.Class == Contention {
		if who := blockers(); who != "" {
			e.Err = fmt.Errorf("%w; in the way: %s", e.Err, who)
		}
	}
	return err
}

func (l *Lane) install(ctx context.Context, g *Group) error {
	if err := l.prepare(ctx, g); err != nil {
		return l.failed(err)
	}
	checked := l.compose(g)
	if checked {
		// A count that is not what the template promises must stop the commit, so it cannot be
		// on the wire yet.
		if err := l.run(ctx, nil); err != nil {
			return l.failed(err)
		}
		l.begin()
		l.exec(0, AnyRows, sqlCommit)
	}
	committed := false
	err := l.run(ctx, &committed)
	if err == nil && !committed {
		err = &Error{Class: Broken, Err: errors.New("the server rolled the transaction back without an error")}
	}
	if err != nil {
		return l.failed(err)
	}
	return nil
}

// Unchanged returns how many versions of the last group have statements of which none changed a row:
// an initiator had installed them before.
func (l *Lane) Unchanged() int { return l.tally.versions - l.tally.effective }

// tally counts the versions of a group that have statements, and those that changed a row.
type tally struct {
	versions, effective int
	last, changed       talos.Version // the latest of each
}

func (t *tally) add(v talos.Version, rows int64) {
	if v == 0 {
		return // the host's own
	}
	if v != t.last {
		t.last = v
		t.versions++
	}
	if rows > 0 && v != t.changed {
		t.changed = v
		t.effective++
	}
}

// prepare makes sure that the server knows every template of the group.
func (l *Lane) prepare(ctx context.Context, g *Group) error {
	for i := range g.Works {
		for _, s := range g.Works[i].Statements {
			if _, known := l.prepared[s.Template]; known {
				continue
			}
			name := "guest_" + strconv.Itoa(len(l.prepared))
			if _, err := l.conn.PgConn().Prepare(ctx, name, s.Template.SQL, numbersOf(s.Template.Params)); err != nil {
				e := failure(err, "prepare a guest's statement")
				e.Culprit = g.Works[i].Version
				return e
			}
			l.prepared[s.Template] = name
		}
	}
	return nil
}

func (l *Lane) begin() {
	l.batch, l.leading = pgconn.Batch{}, 0
	l.versions, l.rows = l.versions[:0], l.rows[:0]
}

func (l *Lane) exec(v talos.Version, rows int, name string, args ...[]byte) {
	l.batch.ExecPrepared(name, args, nil, nil)
	l.versions = append(l.versions, v)
	l.rows = append(l.rows, rows)
}

// compose writes the transaction into the batch. It reports true, and leaves out the COMMIT,
// when a statement's count of rows must be checked before.
func (l *Lane) compose(g *Group) bool {
	l.begin()
	l.exec(0, AnyRows, sqlBegin)
	if g.LockWait > FirstLockWait {
		l.exec(0, AnyRows, sqlWait, []byte(milliseconds(g.LockWait)))
	}
	own := &l.in.own
	if a := g.Advance; a != nil {
		l.exec(0, AnyRows, sqlAdvance, number(own.epoch), number(own.token), number(l.in.stateToken.Load()), number(int64(a.From)),
			number(int64(a.Snapshot)), number(int64(a.Resume)), number(int64(a.Anchor.Position)),
			number(int64(a.Anchor.Hash)), number(int64(a.Ledgered)))
	} else {
		l.exec(0, AnyRows, sqlAhead, number(own.epoch), number(own.token), number(int64(l.number)), number(l.laneToken), versionArray(g.Works))
	}
	for _, u := range g.Uses {
		l.exec(0, AnyRows, sqlUse, []byte(u.Guest), []byte(u.Digest), number(int64(u.From)), []byte(strconv.FormatBool(u.Only)))
	}
	for _, e := range g.Ends {
		l.exec(0, AnyRows, sqlEnd, number(int64(e.Version)), []byte(e.How), []byte(e.Digest))
	}
	l.leading = len(l.versions)
	checked := false
	for i := range g.Works {
		w := &g.Works[i]
		for _, s := range w.Statements {
			l.exec(w.Version, s.Template.Rows, l.prepared[s.Template], s.Args...)
			checked = checked || s.Template.Rows != AnyRows
		}
	}
	if !checked {
		l.exec(0, AnyRows, sqlCommit)
	}
	return checked
}

// run sends the batch and reads every answer. committed, when not nil, says that the batch
// ends with COMMIT, and is set when the server confirms it.
func (l *Lane) run(ctx context.Context, committed *bool) error {
	results := l.conn.PgConn().ExecBatch(ctx, &l.batch)
	done := 0
	var wrong error
	for results.NextResult() {
		tag, err := results.ResultReader().Close()
		if err != nil {
			break
		}
		if want := l.rows[done]; want != AnyRows && wrong == nil && tag.RowsAffected() != int64(want) {
			wrong = &Error{Class: Poison, Code: codeRows, Culprit: l.versions[done],
				Err: fmt.Errorf("a statement of version %d changed %d rows, and its template promises %d", l.versions[done], tag.RowsAffected(), want)}
		}
		l.tally.add(l.versions[done], tag.RowsAffected())
		if committed != nil && done == len(l.versions)-1 {
			*committed = tag.String() == "COMMIT"
		}
		done++
	}
	err := results.Close()
	if err == nil {
		return wrong
	}
	e := failure(err, "install")
	// Whatever a server says last, it may have committed before: a backend that is shut down says
	// so after its commit. Only a statement that it refused means that there was none.
	e.InDoubt = e.Lost && committed != nil
	if !e.Lost && done < len(l.versions) {
		e.Culprit = l.versions[done]
	}
	if !e.Lost && done < l.leading && e.Class == Poison {
		// The host's own statement, not a version's: a right that was taken away is waited for, and a
		// row that is there already was written by nobody but this host.
		e.Class = Transient
		if e.Code == "23505" {
			e.Class = Broken
		}
	}
	if e.Lost && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Class = TimedOut
		e.Err = fmt.Errorf("not finished within installer.deadline of %v: %w", l.in.opts.Deadline, e.Err)
	}
	return e
}

// failed rolls back, or closes the connection and sets Lost.
func (l *Lane) failed(err error) error {
	e := failure(err, "install")
	if !e.Lost && !l.conn.IsClosed() && l.conn.PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := l.conn.Exec(ctx, "rollback"); err != nil {
			e.Lost = true
		}
	}
	if e.Lost || l.conn.IsClosed() {
		e.Lost = true
		l.Close()
	}
	return e
}

func number(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

func versionArray(works []Work) []byte {
	b := []byte{'{'}
	for i := range works {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(works[i].Version), 10)
	}
	return append(b, '}')
}
