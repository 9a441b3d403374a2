package installer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Lane is one connection that installs. One goroutine uses it.
type Lane struct {
	in     *Installer
	number int
	// laneToken is the claim of the lane's row: an earlier connection has a lower one.
	laneToken int64
	conn      *pgx.Conn
	backend   backend // the one of conn, or of the connection before
	prepared  map[*Template]string
	names     int      // given to templates
	changes   int64    // of the database, that what is prepared comes after
	wire      *wire    // of conn
	under     []*begun // oldest first, at most two
}

// Lane returns the lane of that number, which must be below Options.Lanes. It has no connection yet.
func (in *Installer) Lane(number int) *Lane { return &Lane{in: in, number: number} }

// Doubt is a group whose commit is unknown.
type Doubt struct {
	Frontier bool
	Versions []talos.Version
}

// Connected is what the database says to a lane that has connected.
type Connected struct {
	Snapshot talos.Version
	Ledgered int // how many versions of the group in doubt the ledger has
}

// Connect opens the connection and renews the lane's fence, so that a transaction of an
// earlier connection cannot commit any more; only then does it read what had been committed.
// A server that never heard that the earlier connection is gone keeps its transaction and with
// it the rows of the fence; that backend is ended by its number.
func (l *Lane) Connect(ctx context.Context, doubt *Doubt) (Connected, error) {
	l.Close()
	ctx, cancel := context.WithTimeout(ctx, l.in.opts.ConnectTimeout+fenceTime)
	defer cancel()
	conn, err := l.in.connect(ctx, "lane "+strconv.Itoa(l.number))
	if err != nil {
		return Connected{}, err
	}
	blockers, end := l.in.watch(conn.PgConn().PID(), fenceWatch)
	defer end()
	connected, err := l.takeFence(ctx, conn, doubt)
	if err == nil {
		l.backend, err = backendOf(ctx, conn)
	}
	if err == nil {
		err = prepareOwn(ctx, conn)
	}
	if err == nil {
		err = l.in.lookIfChanged(ctx, conn)
	}
	if err != nil {
		closeSoon(conn)
		e := failure(err, fmt.Sprintf("connect lane %d", l.number))
		e.inTheWay(blockers)
		e.Lost = true
		return Connected{}, e
	}
	l.conn, l.wire, l.prepared = conn, newWire(conn, l.in.opts.Deadline), map[*Template]string{}
	return connected, nil
}

const (
	// fenceTime bounds what a connect does once the server let it in.
	fenceTime = 5 * time.Second
	// fenceWatch is after what time a connect looks who keeps it from the fence: half of what it waits.
	fenceWatch = 500 * time.Millisecond
)

// takeFence renews the fence, and ends the backend of the connection before when that holds it.
func (l *Lane) takeFence(ctx context.Context, conn *pgx.Conn, doubt *Doubt) (connected Connected, err error) {
	if _, err := conn.Exec(ctx, waitForFence); err != nil {
		return connected, err
	}
	for range 3 {
		connected, err = l.renewFence(ctx, conn, doubt)
		if err == nil {
			_, err = conn.Exec(ctx, "select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)",
				once, milliseconds(FirstLockWait), milliseconds(l.in.opts.StatementTimeout))
			return connected, err
		}
		if !isLocked(failure(err, "")) || l.backend.pid == 0 {
			return connected, err
		}
		if !l.endFormer(ctx, conn) {
			return connected, err
		}
		l.in.log.Debug("the server kept the transaction of a connection that is gone: its backend was ended", "lane", l.number, "pid", l.backend.pid)
	}
	return connected, err
}

// endFormer ends the backend of the connection before; false when there is none any more, or it
// does not end.
func (l *Lane) endFormer(ctx context.Context, conn *pgx.Conn) bool {
	var ended bool
	err := conn.QueryRow(ctx, `select coalesce(bool_or(pg_terminate_backend(pid, 2000)), false) from pg_stat_activity
		where pid = $1::int and (extract(epoch from backend_start) * 1000000)::bigint = $2::bigint`, once, int32(l.backend.pid), l.backend.since).Scan(&ended)
	return err == nil && ended
}

// renewFence raises the fencing token of the lane, and that of the state when a frontier group is in
// doubt. It returns what the database says then.
func (l *Lane) renewFence(ctx context.Context, conn *pgx.Conn, doubt *Doubt) (connected Connected, err error) {
	own := &l.in.own
	var now uint32
	if err := conn.QueryRow(ctx, "select "+timeline, once).Scan(&now); err != nil {
		return connected, err
	}
	before := l.laneToken
	err = conn.QueryRow(ctx, "update ichor.lane set claim = claim + 1 where lane = $1 and epoch = $2 and token = $3 returning claim",
		once, l.number, own.epoch, own.token).Scan(&l.laneToken)
	err = reading("ichor.lane", err)
	if err == nil && l.laneToken <= before { // a claim only rises
		return connected, &Error{Class: Regressed, Err: fmt.Errorf("the claim of lane %d is %d, and %d had been taken: this is a copy of the database from before, or it was restored", l.number, l.laneToken, before)}
	}
	if err == nil && now != own.timeline {
		return connected, &Error{Class: Regressed, Err: fmt.Errorf("the server went over to timeline %d from %d: a copy was promoted, and it may lack what was committed", now, own.timeline)}
	}
	if err == nil {
		state := "select claim, snapshot from ichor.state where epoch = $1 and token = $2"
		if doubt != nil && doubt.Frontier {
			state = "update ichor.state set claim = claim + 1 where epoch = $1 and token = $2 returning claim, snapshot"
		}
		var stateToken int64
		err = reading("ichor.state", conn.QueryRow(ctx, state, once, own.epoch, own.token).Scan(&stateToken, &connected.Snapshot))
		if err == nil {
			l.in.learn(stateToken)
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return connected, l.in.fencedBy(ctx, conn)
	}
	if err != nil || doubt == nil || doubt.Frontier {
		return connected, err
	}
	versions := make([]int64, len(doubt.Versions))
	for i, v := range doubt.Versions {
		versions[i] = int64(v)
	}
	err = conn.QueryRow(ctx, "select count(*) from ichor.ledger where version = any($1::bigint[])", once, versions).Scan(&connected.Ledgered)
	return connected, err
}

// beatTime bounds a beat, so that a database that fell silent is noticed within seconds.
const beatTime = 2 * time.Second

// Beat asks whether the connection lives, the cohort is still this host's, and its snapshot where this host
// left it: an idle host would notice only at its next commit, and cohorts read cohort_snapshot. The error is
// always an *Error.
func (l *Lane) Beat(ctx context.Context) error {
	if l.conn == nil {
		return errNoConnection()
	}
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	var mine bool
	var snapshot, cohorts int64
	durable := l.in.durable.Load() // BEFORE it is asked: other lanes go on
	err := l.conn.QueryRow(ctx, `select epoch = $1 and token = $2, snapshot,
		coalesce((select version from public.cohort_snapshot where id = 'SINGLETON'), -1) from ichor.state`,
		once, l.in.own.epoch, l.in.own.token).Scan(&mine, &snapshot, &cohorts)
	switch {
	case err != nil:
		err = reading("ichor.state", err)
	case !mine:
		err = l.in.fencedBy(ctx, l.conn)
	case snapshot < durable: // as at a commit, whose fence finds it too
		err = &Error{Class: Broken, Code: codeSnapshot, Err: fmt.Errorf("the snapshot is %d, expected %d or more: something else writes ichor.state", snapshot, durable)}
	case snapshot != cohorts: // they are written in one transaction, and read in one statement
		err = &Error{Class: Broken, Code: codeSnapshot, Err: fmt.Errorf("cohort_snapshot is %d, expected %d: something else writes it", cohorts, snapshot)}
	}
	if err != nil {
		return l.failed(failure(err, "ask whether the database is there"))
	}
	return nil
}

func errNoConnection() error {
	return &Error{Class: Transient, Lost: true, Err: errors.New("the lane has no connection")}
}

// Close ends the lane's connection, if it has one, and with it what is under way.
func (l *Lane) Close() {
	if l.conn == nil {
		return
	}
	l.wire.close(len(l.under) > 0)
	closeSoon(l.conn)
	l.conn, l.wire, l.under = nil, nil, nil
}
