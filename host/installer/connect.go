package installer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// pinned returns the settings of a session that the installation depends on. They are set after
// connecting, for a pooler may drop what stands in the start-up message, and read back.
func (in *Installer) pinned() [][2]string {
	return [][2]string{
		{"search_path", in.opts.SearchPath},
		{"statement_timeout", milliseconds(in.opts.StatementTimeout)},
		{"lock_timeout", milliseconds(FirstLockWait)},
		{"idle_in_transaction_session_timeout", milliseconds(in.opts.Deadline)},
		{"idle_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"standard_conforming_strings", "on"},
		{"client_encoding", "UTF8"},
		{"bytea_output", "hex"},
		{"extra_float_digits", "1"},
		// What a text means as a time, a number or a word must not depend on where the database is.
		{"TimeZone", "UTC"},
		{"DateStyle", "ISO, YMD"},
		{"IntervalStyle", "postgres"},
		{"timezone_abbreviations", "Default"},
		{"array_nulls", "on"},
		{"quote_all_identifiers", "off"},
		{"transform_null_equals", "off"},
		{"gin_fuzzy_search_limit", "0"},
		{"lc_monetary", "C"},
		{"lc_numeric", "C"},
		{"lc_time", "C"},
		{"default_text_search_config", "pg_catalog.simple"},
		// A policy that hides a row makes a statement change nothing, and nobody hears of it: so it fails instead.
		{"row_security", "off"},
		// A statement that is prepared while its table is small keeps a plan that scans it, and
		// the table bloats: measured at 100 hot rows as a twelfth of the speed. A plan that must
		// scan looks so dear to the planner then that it would be compiled each time.
		{"enable_seqscan", "off"},
		{"jit", "off"},
	}
}

// tcpSettings let the server end a session whose peer is gone; on a Unix socket they do nothing.
func (in *Installer) tcpSettings() [][2]string {
	return [][2]string{
		{"tcp_keepalives_idle", "5"},
		{"tcp_keepalives_interval", "2"},
		{"tcp_keepalives_count", "3"},
		{"tcp_user_timeout", milliseconds(in.opts.Deadline)},
	}
}

// once is how a question is sent that a session asks once: in one round trip, for it is not worth
// preparing.
const once = pgx.QueryExecModeExec

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// URLError says that database.url cannot be understood. It shows nothing that may be a part of the password, as what the
// driver complains of may be.
type URLError struct{ what string } // what of it, where that is known

// Error implements error.
func (e *URLError) Error() string {
	if e.what != "" {
		return "database.url " + e.what
	}
	return "database.url is neither a URL, as in postgres://user:password@host:5432/database, nor key=value pairs: " +
		"in a URL write @ as %40, : as %3A, / as %2F, # as %23 and % as %25 in a user's name or password"
}

// parameters are those of a URL whose values may be none. What else follows a question mark may be a part of the password.
var parameters = []string{"sslmode", "connect_timeout", "target_session_attrs", "sslcert", "sslkey", "sslrootcert", "sslnegotiation", "min_protocol_version", "max_protocol_version"}

// Validate returns what is wrong with the options, by the path of its setting.
func (o Options) Validate() error {
	if o.URL == "" {
		return errors.New("database.url is empty: give a PostgreSQL URL, as in postgres://user@host/database")
	}
	_, err := o.parse(o.URL)
	return err
}

// parse understands a URL of PostgreSQL, also as JDBC writes it, or key=value pairs.
func (o *Options) parse(text string) (*pgx.ConnConfig, error) {
	text = strings.TrimSpace(text)
	if rest, jdbc := strings.CutPrefix(text, "jdbc:"); jdbc {
		text = rest
	}
	what := ""
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return nil, &URLError{}
		}
		if u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return nil, &URLError{fmt.Sprintf("begins with %s://: write postgres://", u.Scheme)}
		}
		if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
			return nil, &URLError{"has a port that is not one of 1 to 65535"}
		}
		for _, name := range parameters {
			if u.Query().Has(name) {
				what = "has a parameter whose value is none, as " + name + " may be"
				break
			}
		}
		text = u.Scheme + text[len(u.Scheme):] // in small letters, as the driver has it
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, &URLError{what}
	}
	config.ConnectTimeout = o.ConnectTimeout
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	config.DialFunc = dialer.DialContext
	return config, nil
}

// renew reads the login again: a password that was changed is found without a restart.
func (in *Installer) renew() {
	text := in.opts.URL
	if in.opts.Reread != nil {
		fresh, err := in.opts.Reread()
		if err != nil {
			in.log.Warn("the database refused the login, and it could not be read again", "error", err)
			return
		}
		text = fresh
	}
	config, err := in.opts.parse(text)
	if err != nil {
		in.log.Warn("the database refused the login, and what was read again is no URL", "error", err)
		return
	}
	in.config.Store(config)
}

// ErrStandby says that the database answers but takes no writes.
var ErrStandby = errors.New("the database is a standby or read-only: point database.url at the primary, or promote this one")

// connect opens a session with everything pinned that the installation depends on.
func (in *Installer) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, in.config.Load().Copy())
	if err != nil {
		e := failure(err, "connect to the database")
		if strings.HasPrefix(e.Code, "28") {
			in.renew()
		}
		return nil, e
	}
	if err := in.pin(ctx, conn, name); err != nil {
		closeSoon(conn)
		e := failure(err, "prepare a session")
		e.Lost = true
		return nil, e
	}
	return conn, nil
}

// pin sets what the session depends on and reads it back, and asks whether the database takes
// writes.
func (in *Installer) pin(ctx context.Context, conn *pgx.Conn, name string) error {
	pinned := append(in.pinned(), [2]string{"application_name", "ichor " + name})
	var names, values []string
	for _, setting := range append(in.tcpSettings(), pinned...) {
		names, values = append(names, setting[0]), append(values, setting[1])
	}
	if _, err := conn.Exec(ctx, "select set_config(n, v, false) from unnest($1::text[], $2::text[]) s(n, v)", once, names, values); err != nil {
		return err
	}
	// What is confirmed must be durable; stricter than on is the database's own affair.
	if _, err := conn.Exec(ctx, "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "select name, setting from pg_settings where name = any($1::text[])", once, names)
	if err != nil {
		return err
	}
	is := map[string]string{}
	var setting, value string
	if _, err := pgx.ForEachRow(rows, []any{&setting, &value}, func() error { is[setting] = value; return nil }); err != nil {
		return err
	}
	for _, want := range pinned {
		if is[want[0]] != want[1] {
			return &PoolerError{fmt.Sprintf("the session's %s is %q after it was set to %q", want[0], is[want[0]], want[1])}
		}
	}
	var standby bool
	var readOnly, replication, role, database string
	err = conn.QueryRow(ctx, `select pg_is_in_recovery(), current_setting('transaction_read_only'), current_setting('session_replication_role'),
		quote_ident(current_user), quote_ident(current_database())`, once).Scan(&standby, &readOnly, &replication, &role, &database)
	switch {
	case err == nil && (standby || readOnly == "on"):
		return &Error{Class: Transient, Code: codeReadOnly, Lost: true, Err: ErrStandby}
	case err == nil && replication != "origin": // compared and not set: only a superuser may
		return &NotReadyError{What: fmt.Sprintf("session_replication_role of role %s is %s: foreign keys are not checked, and triggers and rules do not run", role, replication),
			Hint: fmt.Sprintf("ALTER ROLE %s RESET session_replication_role; ALTER DATABASE %s RESET session_replication_role; see pg_db_role_setting and postgresql.conf", role, database)}
	}
	return err
}

// PoolerError says that what stands between the host and the database does not keep a session.
type PoolerError struct{ What string }

// Error implements error.
func (e *PoolerError) Error() string {
	return e.What + ": a pooler that gives sessions away between transactions (PgBouncer with pool_mode=transaction) cannot be used; " +
		"set pool_mode=session for this user, or point database.url at the server itself"
}

// checkPooler finds out whether a pooler gives this session's backend away between transactions:
// then a second session gets the one that this session is not using just now.
func (in *Installer) checkPooler(ctx context.Context, conn *pgx.Conn) error {
	backend, err := backendOf(ctx, conn)
	if err != nil {
		return err
	}
	if backend.pid == conn.PgConn().PID() {
		return nil // nothing stands between: the server named itself when it let us in
	}
	for range 3 {
		other, err := in.connect(ctx, "check for a pooler")
		if err != nil {
			return err
		}
		shared, err := backendOf(ctx, other)
		closeSoon(other)
		if err != nil {
			return err
		}
		if shared == backend {
			return &PoolerError{"two sessions share one backend of the server"}
		}
	}
	return nil
}

// backend is a process of the server, told apart from a later one with the same number.
type backend struct {
	pid   uint32
	since int64 // us since 2000
}

func backendOf(ctx context.Context, conn *pgx.Conn) (b backend, err error) {
	err = conn.QueryRow(ctx, `select pid, (extract(epoch from backend_start) * 1000000)::bigint
		from pg_stat_activity where pid = pg_backend_pid()`, once).Scan(&b.pid, &b.since)
	if err != nil {
		return b, failure(err, "ask for this session's backend")
	}
	return b, nil
}

// withTime bounds what is done on a connection of its own, so that a server which falls silent
// is noticed.
const withTime = 30 * time.Second

// within runs f within that time.
func (in *Installer) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, max(in.opts.Deadline, withTime))
	defer cancel()
	return f(ctx)
}

// connectWithin opens a session within that time.
func (in *Installer) connectWithin(ctx context.Context, name string) (conn *pgx.Conn, err error) {
	err = in.within(ctx, func(ctx context.Context) error {
		conn, err = in.connect(ctx, name)
		return err
	})
	return conn, err
}

// with runs f on a connection of its own, or on the one of ctx.
func (in *Installer) with(ctx context.Context, name string, f func(context.Context, *pgx.Conn) error) error {
	return in.within(ctx, func(ctx context.Context) error {
		if s, shares := ctx.Value(sharing{}).(*shared); shares && name == sharedName && s.mu.TryLock() {
			defer s.mu.Unlock()
			if !s.over {
				return s.with(ctx, in, f)
			}
		}
		conn, err := in.connect(ctx, name)
		if err != nil {
			return err
		}
		defer closeSoon(conn)
		return ofConnection(conn, f(ctx, conn), name)
	})
}

// ofConnection returns an error that no other function turned into an Error as one of the connection, where that is gone: what
// was asked may be asked again.
func ofConnection(conn *pgx.Conn, err error, doing string) error {
	var known *Error
	if err == nil || !conn.IsClosed() || errors.As(err, &known) {
		return err
	}
	return failure(err, doing)
}

// sharing is the key of a context's shared session.
type sharing struct{}

// sharedName is what is done on a shared session: what is asked about guests. The look at their tables is not, for it is
// also one at what the role's sessions are given by now.
const sharedName = "guest"

// shared is a session that is kept from one use to the next.
type shared struct {
	mu   sync.Mutex
	conn *pgx.Conn // nil before it is needed, and once it failed
	over bool      // who asks by its context later has a session of their own
}

// Sharing returns a context under which what is asked about guests one after the other is asked on one session, up to the
// call of done. A server starts a process for each session: a swap asked on a dozen of them, which took a tenth of a second
// of processor time.
func Sharing(ctx context.Context) (sharedBy context.Context, done func()) {
	s := &shared{}
	return context.WithValue(ctx, sharing{}, s), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = true
		s.drop()
	}
}

// with runs f on the session. One that failed is not used again, nor one that ended while nothing was asked.
func (s *shared) with(ctx context.Context, in *Installer, f func(context.Context, *pgx.Conn) error) (err error) {
	if s.conn != nil && !s.answers(ctx, in.opts.ConnectTimeout) {
		s.drop()
	}
	if s.conn == nil {
		if s.conn, err = in.connect(ctx, sharedName); err != nil {
			return err
		}
	}
	if err = ofConnection(s.conn, f(ctx, s.conn), sharedName); err != nil {
		s.drop()
	}
	return err
}

// answers asks whether the server is still there, and waits no longer than for a new session.
func (s *shared) answers(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return s.conn.Ping(ctx) == nil
}

func (s *shared) drop() {
	if s.conn != nil {
		closeSoon(s.conn)
		s.conn = nil
	}
}

// closeSoon ends a session without waiting for a server that is gone.
func closeSoon(conn interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // there is nothing left to do on a connection that cannot be closed
}
