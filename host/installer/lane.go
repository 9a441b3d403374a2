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

// Lane is one connection that installs. One goroutine uses it.
type Lane struct {
	in       *Installer
	number   int
	claim    int64
	conn     *pgx.Conn
	prepared map[*Template]string
	batch    pgconn.Batch
	// versions[i] is whose the i-th statement of the batch is; 0 is the host's own.
	versions []talos.Version
	rows     []int // how many rows the i-th statement must change; AnyRows is not checked
}

// Lane returns the lane of that number, which must be below Options.Lanes. It has no connection yet.
func (in *Installer) Lane(number int) *Lane { return &Lane{in: in, number: number} }

// Template is a statement that a guest declared. Its address is its identity: a lane prepares
// it once.
type Template struct {
	SQL  string
	Rows int // how many rows it must change, or AnyRows
}

// AnyRows lets a statement change any number of rows.
const AnyRows = -1

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
}

// Doubt is a group whose commit is unknown.
type Doubt struct {
	Frontier bool
	Versions []talos.Version
}

// Up is what the database says to a lane that is connected.
type Up struct {
	Snapshot talos.Version
	Ledgered int // how many versions of the group in doubt the ledger has
}

// Connect opens the connection and renews the lane's fence, so that a transaction of an
// earlier connection can not commit any more; only then does it read what had been committed.
func (l *Lane) Connect(ctx context.Context, doubt *Doubt) (Up, error) {
	l.Close()
	conn, err := l.in.connect(ctx, "lane "+strconv.Itoa(l.number))
	if err != nil {
		return Up{}, err
	}
	up, err := l.claimWith(ctx, conn, doubt)
	if err == nil {
		err = prepareOwn(ctx, conn)
	}
	if err != nil {
		closeSoon(conn)
		e := failure(err, fmt.Sprintf("connect lane %d", l.number))
		e.Lost = true
		return Up{}, e
	}
	l.conn, l.prepared = conn, map[*Template]string{}
	return up, nil
}

func (l *Lane) claimWith(ctx context.Context, conn *pgx.Conn, doubt *Doubt) (Up, error) {
	var up Up
	err := conn.QueryRow(ctx, "update ichor.lane set claim = claim + 1 where lane = $1 and epoch = $2 returning claim",
		l.number, l.in.epoch).Scan(&l.claim)
	if errors.Is(err, pgx.ErrNoRows) {
		return up, &Error{Class: Fenced, Code: "IC001", Err: fmt.Errorf("epoch %d is over: another host owns the cohort", l.in.epoch)}
	}
	if err != nil {
		return up, err
	}
	if doubt != nil && doubt.Frontier {
		var claim int64
		err = conn.QueryRow(ctx, "update ichor.state set claim = claim + 1 where epoch = $1 returning claim, snapshot",
			l.in.epoch).Scan(&claim, &up.Snapshot)
		if err == nil {
			l.in.claim.Store(claim)
		}
	} else {
		err = conn.QueryRow(ctx, "select snapshot from ichor.state where epoch = $1", l.in.epoch).Scan(&up.Snapshot)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return up, &Error{Class: Fenced, Code: "IC001", Err: fmt.Errorf("epoch %d is over: another host owns the cohort", l.in.epoch)}
	}
	if err != nil || doubt == nil || doubt.Frontier {
		return up, err
	}
	err = conn.QueryRow(ctx, "select count(*) from ichor.ledger where version = any($1)", doubt.Versions).Scan(&up.Ledgered)
	return up, err
}

// The host's own statements.
const (
	sqlBegin, sqlCommit, sqlAdvance, sqlAhead, sqlUse = "ichor_begin", "ichor_commit", "ichor_advance", "ichor_ahead", "ichor_use"
)

func prepareOwn(ctx context.Context, conn *pgx.Conn) error {
	for name, sql := range map[string]string{
		sqlBegin:   "begin",
		sqlCommit:  "commit",
		sqlAdvance: "select ichor.advance($1, $2, $3, $4, $5, $6, $7, $8)",
		sqlAhead:   "select ichor.ahead($1, $2, $3, $4)",
		sqlUse: `insert into ichor.guest_history (name, digest, from_version, only_version) values ($1, $2, $3, $4)
			on conflict (name, from_version, only_version) do nothing`,
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
		return &Error{Class: Transient, Lost: true, Err: errors.New("the lane has no connection")}
	}
	ctx, cancel := context.WithTimeout(ctx, l.in.opts.Deadline)
	defer cancel()
	if err := l.prepare(ctx, g); err != nil {
		return l.failed(err)
	}
	checked := l.compose(g)
	if checked {
		// A count that is not what the template promises must stop the commit, so it can not be
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

// prepare makes sure that the server knows every template of the group.
func (l *Lane) prepare(ctx context.Context, g *Group) error {
	for i := range g.Works {
		for _, s := range g.Works[i].Statements {
			if _, known := l.prepared[s.Template]; known {
				continue
			}
			name := "guest_" + strconv.Itoa(len(l.prepared))
			if _, err := l.conn.PgConn().Prepare(ctx, name, s.Template.SQL, nil); err != nil {
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
	l.batch = pgconn.Batch{}
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
	if a := g.Advance; a != nil {
		l.exec(0, AnyRows, sqlAdvance, number(l.in.epoch), number(l.in.claim.Load()), number(int64(a.From)),
			number(int64(a.Snapshot)), number(int64(a.Resume)), number(int64(a.Anchor.Position)),
			number(int64(a.Anchor.Hash)), number(int64(a.Ledgered)))
	} else {
		l.exec(0, AnyRows, sqlAhead, number(l.in.epoch), number(int64(l.number)), number(l.claim), versionArray(g.Works))
	}
	for _, u := range g.Uses {
		l.exec(0, AnyRows, sqlUse, []byte(u.Guest), []byte(u.Digest), number(int64(u.From)), []byte(strconv.FormatBool(u.Only)))
	}
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
			wrong = &Error{Class: Poison, Code: "IC004", Culprit: l.versions[done],
				Err: fmt.Errorf("a statement of version %d changed %d rows, and its template promises %d", l.versions[done], tag.RowsAffected(), want)}
		}
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
	if e.Lost && e.Code == "" {
		e.InDoubt = committed != nil
	}
	if !e.Lost && done < len(l.versions) {
		e.Culprit = l.versions[done]
	}
	return e
}

// failed leaves the lane in a state that the error tells: rolled back and usable, or closed.
func (l *Lane) failed(err error) error {
	e := failure(err, "install")
	if !e.Lost && l.conn.PgConn().TxStatus() != 'I' {
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

// Close ends the lane's connection, if it has one.
func (l *Lane) Close() {
	if l.conn != nil {
		closeSoon(l.conn)
		l.conn = nil
	}
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
