package installer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/crash"
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
	Uses    []cohort.Use
	Ends    []QuarantineEnd
	// LockWait is how long a statement waits for a lock; zero is FirstLockWait.
	LockWait time.Duration
	// Watch finds out who holds the lock, when the group fails for it; it costs a connection.
	Watch bool
}

// The host's own statements.
const (
	sqlBegin, sqlCommit, sqlAdvance, sqlAhead = "ichor_begin", "ichor_commit", "ichor_advance", "ichor_ahead"
	sqlUse, sqlEnd, sqlEndRequest, sqlWait    = "ichor_use", "ichor_end", "ichor_end_request", "ichor_wait"
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
		sqlEndRequest: endRequest,
		sqlWait:       "select set_config('lock_timeout', $1, true)",
	} {
		if _, err := conn.PgConn().Prepare(ctx, name, sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// begun is a group whose answer has not come.
type begun struct {
	group    *Group
	since    time.Time // when it was put on the wire, or became the oldest there; zero before
	checked  bool      // the counts of rows are looked at before COMMIT is sent
	tally    tally
	parsed   []*Template   // the server learns them with this group: it may not have when that fails
	blockers func() string // of a group with Watch
	end      func()
}

// Result is what became of a group. Err is an *Error, and nil when the group is durable; after one with
// Lost the lane must be connected again.
type Result struct {
	Err   error
	Begin time.Time // when the database could begin: the group was sent, and the one before answered
	// Unchanged is how many versions have statements of which none changed a row: an initiator had
	// installed them before.
	Unchanged int
}

// Begin puts the group on its way as one transaction. A second one may be begun before the first has its
// result, a frontier group that the first's snapshot fences: unless the first is durable, it has no
// effect and no result either. The error says that the lane has no connection.
func (l *Lane) Begin(g *Group) error {
	if l.conn == nil {
		return errNoConnection()
	}
	b := &begun{group: g}
	l.under = append(l.under, b)
	if l.under[0] == b || !l.under[0].checked { // the COMMIT of a checked one is still to be sent
		l.write(b)
	}
	return nil
}

func (l *Lane) write(b *begun) {
	if b.group.Watch {
		b.blockers, b.end = l.in.watch(l.backend.pid, max(b.group.LockWait, FirstLockWait)/2)
	}
	b.since = time.Now()
	l.wire.send(l.compose(b))
}

// Answers returns the channel of what the database answers; each must be given to Finish.
func (l *Lane) Answers() <-chan *Batch {
	if l.wire == nil {
		return nil
	}
	return l.wire.answers
}

// Finish takes an answer. It reports true with the result of the oldest group that was begun, and false
// when there is more to come of that.
func (l *Lane) Finish(a *Batch) (Result, bool) {
	b := l.under[0]
	b.tally.join(a.tally)
	err := cmp.Or(a.err, a.wrong)
	if err == nil && !a.commits {
		commit := &Batch{commits: true}
		l.wire.exec(commit, 0, AnyRows, sqlCommit)
		l.wire.send(commit)
		return Result{}, false
	}
	if err == nil && !a.committed {
		err = &Error{Class: Broken, Err: errors.New("the server rolled the transaction back without an error")}
	}
	if err != nil {
		err = l.failed(l.refused(b, a, err))
	}
	if b.end != nil {
		b.end()
	}
	if err == nil && b.group.Advance != nil {
		raise(&l.in.durable, int64(b.group.Advance.Snapshot))
	}
	if err == nil && len(b.group.Uses) > 0 {
		crash.At("cut-recorded")
	}
	r := Result{Err: err, Begin: b.since, Unchanged: b.tally.versions - b.tally.effective}
	l.under = slices.Delete(l.under, 0, min(1, len(l.under)))
	if len(l.under) > 0 {
		next := l.under[0]
		if next.since.IsZero() {
			l.write(next)
		}
		next.since = time.Now()
	}
	return r, true
}

// tally counts the versions of a group that have statements, and those that changed a row.
type tally struct {
	versions, effective int
	last, changed       talos.Version // the latest of each
}

// join adds what another batch of the same group counted; the versions of the two are different.
func (t *tally) join(other tally) {
	t.versions += other.versions
	t.effective += other.effective
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

// compose writes the transaction. It leaves out the COMMIT when a count of rows must be checked before.
func (l *Lane) compose(b *begun) *Batch {
	g, own, w := b.group, &l.in.own, &Batch{err: refusedNow(b.group)}
	if w.err != nil { // nothing is sent, and that is its answer, in its turn
		return w
	}
	l.forget(w)
	l.wire.exec(w, 0, AnyRows, sqlBegin)
	if g.LockWait > FirstLockWait {
		l.wire.exec(w, 0, AnyRows, sqlWait, []byte(milliseconds(g.LockWait)))
	}
	if a := g.Advance; a != nil {
		l.wire.exec(w, 0, AnyRows, sqlAdvance, number(own.epoch), number(own.token), number(l.in.stateToken.Load()), number(int64(a.From)),
			number(int64(a.Snapshot)), number(int64(a.Resume)), number(int64(a.Anchor.Position)),
			number(int64(a.Anchor.Hash)), number(int64(a.Ledgered)))
	} else {
		l.wire.exec(w, 0, AnyRows, sqlAhead, number(own.epoch), number(own.token), number(int64(l.number)), number(l.laneToken), versionArray(g.Works))
	}
	for _, u := range g.Uses {
		l.wire.exec(w, 0, AnyRows, sqlUse, []byte(u.Guest), []byte(u.Digest), number(int64(u.From)), []byte(strconv.FormatBool(u.Only)))
	}
	for _, e := range g.Ends {
		l.wire.exec(w, 0, AnyRows, sqlEnd, number(int64(e.Version)), []byte(e.How), []byte(e.Digest))
		if e.Request != 0 {
			l.wire.exec(w, 0, AnyRows, sqlEndRequest, number(e.Request), []byte(doneOutcome))
		}
	}
	w.leading = len(w.versions)
	for i := range g.Works {
		for _, s := range g.Works[i].Statements {
			l.wire.exec(w, g.Works[i].Version, s.Template.Rows, l.nameOf(b, w, s.Template), s.Args...)
			b.checked = b.checked || s.Template.Rows != AnyRows
		}
	}
	if w.commits = !b.checked; w.commits {
		l.wire.exec(w, 0, AnyRows, sqlCommit)
	}
	return w
}

// forget has the server forget the templates that were dropped: it keeps a plan of each, and every guest whose
// SQL is another brings some. When the database changed it forgets all of them: what it made of a statement
// while a rule put nothing in its place it keeps when that rule is gone.
func (l *Lane) forget(w *Batch) {
	changes := l.in.guard.changes.Load()
	for t, name := range l.prepared {
		if t.dropped.Load() || changes != l.changes {
			l.wire.forget(w, name)
			delete(l.prepared, t)
		}
	}
	l.changes = changes
}

// nameOf returns the name by which the server knows a template, and tells it where it does not.
func (l *Lane) nameOf(b *begun, w *Batch, t *Template) string {
	name, known := l.prepared[t]
	if !known {
		l.names++ // a name is not given twice: the server may know what failed, or not
		name = "guest_" + strconv.Itoa(l.names)
		l.wire.parse(w, name, t.SQL, numbersOf(t.Params))
		l.prepared[t] = name
		b.parsed = append(b.parsed, t)
	}
	return name
}

// refused says what an answer's error means for its group.
func (l *Lane) refused(b *begun, a *Batch, err error) *Error {
	e := failure(err, "install")
	// Whatever a server says last, it may have committed before: a backend that is shut down says
	// so after its commit. Only a statement that it refused means that there was none.
	e.InDoubt = e.Lost && a.commits
	if !e.Lost && e.Culprit == 0 && a.done < len(a.versions) {
		e.Culprit = a.versions[a.done]
	}
	if !e.Lost && a.done < a.leading && e.Class == Poison {
		// The host's own statement, not a version's: a right that was taken away is waited for, and a
		// row that is there already was written by nobody but this host.
		e.Class = Transient
		if e.Code == "23505" {
			e.Class = Broken
		}
	}
	if e.Lost && pgconn.Timeout(err) {
		e.Class = TimedOut
		e.Err = fmt.Errorf("not finished within installer.deadline of %v: %w", l.in.opts.Deadline, e.Err)
	}
	if b.blockers != nil {
		e.inTheWay(b.blockers)
	}
	return e
}

// failed takes back what is under way after the failure of the oldest group, and rolls back, or closes
// the connection and sets Lost.
func (l *Lane) failed(e *Error) error {
	if e.Lost {
		_ = l.conn.PgConn().Conn().Close() // what is on its way comes back at once
	}
	for i, b := range l.under {
		for _, t := range b.parsed {
			delete(l.prepared, t)
		}
		if i == 0 || b.since.IsZero() {
			continue
		}
		if a := <-l.wire.answers; a.committed && !e.Lost {
			e = &Error{Class: Broken, Err: errors.New("the server committed a transaction although the one before it on the same connection, which it follows, was not")}
		}
	}
	l.under = l.under[:min(1, len(l.under))]
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
