// Package installer makes groups of versions durable in PostgreSQL: rows, snapshot and resume
// point in one transaction, sent in one round trip, fenced by an epoch.
//
// It decides nothing: the core says what a group is, and what to do when it fails. It is the
// only importer of pgx in the host.
package installer

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

//go:embed schema.sql
var schema string

// Schema returns the SQL that Init runs.
func Schema() string { return schema }

// Options says where the database is and how long it may take.
type Options struct {
	// URL is a PostgreSQL URL or key=value string; what it leaves out comes from the PG*
	// environment variables.
	URL   string
	Owner string // this host, for people who look at ichor.state
	Lanes int

	ConnectTimeout   time.Duration
	StatementTimeout time.Duration // of one statement, enforced by the server
	LockTimeout      time.Duration // of one wait for a row
	Deadline         time.Duration // of one group, enforced here
	SearchPath       string        // of the lanes' sessions
}

// The defaults of Options.
const (
	DefaultConnectTimeout   = 5 * time.Second
	DefaultStatementTimeout = 30 * time.Second
	DefaultLockTimeout      = 5 * time.Second
	DefaultDeadline         = time.Minute
	DefaultSearchPath       = "public"
)

func (o *Options) fill() {
	for d, def := range map[*time.Duration]time.Duration{
		&o.ConnectTimeout: DefaultConnectTimeout, &o.StatementTimeout: DefaultStatementTimeout,
		&o.LockTimeout: DefaultLockTimeout, &o.Deadline: DefaultDeadline,
	} {
		if *d == 0 {
			*d = def
		}
	}
	if o.SearchPath == "" {
		o.SearchPath = DefaultSearchPath
	}
	o.Lanes = max(o.Lanes, 1)
}

// Installer is one host's access to the cohort's database.
type Installer struct {
	opts   Options
	config *pgx.ConnConfig
	log    *slog.Logger

	epoch int64
	claim atomic.Int64 // of the state row; only a lane with a frontier group in doubt raises it
}

// New checks the options; it does not connect.
func New(opts Options, log *slog.Logger) (*Installer, error) {
	opts.fill()
	config, err := pgx.ParseConfig(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	config.ConnectTimeout = opts.ConnectTimeout
	return &Installer{opts: opts, config: config, log: log}, nil
}

// connect opens a session with everything pinned that the installation depends on.
func (in *Installer) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	config := in.config.Copy()
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	for setting, value := range map[string]string{
		"application_name":                    "ichor " + name,
		"search_path":                         in.opts.SearchPath,
		"statement_timeout":                   ms(in.opts.StatementTimeout),
		"lock_timeout":                        ms(in.opts.LockTimeout),
		"idle_in_transaction_session_timeout": ms(in.opts.Deadline),
		"default_transaction_isolation":       "read committed",
		"standard_conforming_strings":         "on",
		"client_encoding":                     "UTF8",
		// What a text means as a time must not depend on where the database is.
		"TimeZone":      "UTC",
		"DateStyle":     "ISO, YMD",
		"IntervalStyle": "postgres",
		// A statement that is prepared while its table is small keeps a plan that scans it, and
		// the table bloats: measured at 100 hot rows as a twelfth of the speed.
		"enable_seqscan": "off",
	} {
		config.RuntimeParams[setting] = value
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, failure(err, "connect to the database")
	}
	var standby bool
	var readOnly string
	err = conn.QueryRow(ctx, "select pg_is_in_recovery(), current_setting('transaction_read_only')").Scan(&standby, &readOnly)
	if err == nil && (standby || readOnly == "on") {
		err = &Error{Class: Transient, Code: "25006", Lost: true, Err: ErrStandby}
	}
	if err != nil {
		closeSoon(conn)
		return nil, failure(err, "ask whether the database takes writes")
	}
	return conn, nil
}

// with runs f on a connection of its own.
func (in *Installer) with(ctx context.Context, name string, f func(*pgx.Conn) error) error {
	conn, err := in.connect(ctx, name)
	if err != nil {
		return err
	}
	defer closeSoon(conn)
	return f(conn)
}

// Init creates what is missing of the schema.
func (in *Installer) Init(ctx context.Context) error {
	return in.with(ctx, "init", func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, schema); err != nil {
			return failure(err, "create the schema")
		}
		return nil
	})
}

// NotReadyError says what the database lacks before a host can run on it, and how to mend it.
type NotReadyError struct{ What, Mend string }

// Error implements error.
func (e *NotReadyError) Error() string { return e.What + ": " + e.Mend }

// Check reports whether the schema is there and whole. It changes nothing.
func (in *Installer) Check(ctx context.Context) error {
	return in.with(ctx, "check", func(conn *pgx.Conn) error { return check(ctx, conn) })
}

func check(ctx context.Context, conn *pgx.Conn) error {
	for _, table := range []string{"ichor.state", "ichor.lane", "ichor.ledger", "ichor.guest_module",
		"ichor.guest_history", "ichor.quarantine", "ichor.audit", "public.cohort_snapshot"} {
		var there bool
		if err := conn.QueryRow(ctx, "select to_regclass($1) is not null", table).Scan(&there); err != nil {
			return failure(err, "look for "+table)
		}
		if !there {
			return &NotReadyError{"the database has no table " + table, "run ichor db init"}
		}
	}
	var version *int64
	err := conn.QueryRow(ctx, "select (select version from public.cohort_snapshot where id = 'SINGLETON')").Scan(&version)
	if err != nil {
		return failure(err, "read cohort_snapshot")
	}
	if version == nil {
		return &NotReadyError{"cohort_snapshot has no row SINGLETON",
			"restore it with the version up to which everything is installed, or on a new cohort run ichor db init"}
	}
	return nil
}

// State is what the database says when a host takes over.
type State struct {
	Epoch    int64
	Snapshot talos.Version
	// Resume is where to read from; HasResume is false on a database that Ichor has never
	// committed to: what lies below Snapshot was installed by the reference.
	Resume    talos.Position
	HasResume bool
	Anchor    talos.Anchor
	Cluster   string
	Topic     string
	Ledger    []talos.Version
	History   []Use
}

// Use is a row of the guest history.
type Use struct {
	Guest  string
	Digest string
	From   talos.Version
	Only   bool
}

// Read returns the state without taking the epoch, for status and checks.
func (in *Installer) Read(ctx context.Context) (State, error) {
	var s State
	err := in.with(ctx, "read", func(conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		return load(ctx, conn, &s)
	})
	return s, err
}

// Take makes this host the owner: whatever an earlier owner has open can not commit any more.
// It returns the state as it is from then on. cluster and topic are kept for people.
func (in *Installer) Take(ctx context.Context, cluster, topic string) (State, error) {
	var s State
	err := in.with(ctx, "take-over", func(conn *pgx.Conn) error {
		if err := check(ctx, conn); err != nil {
			return err
		}
		for attempt := 0; ; attempt++ {
			err := in.takeEpoch(ctx, conn, cluster, topic)
			var e *Error
			if errors.As(err, &e) && e.Code == "55P03" && attempt < 3 {
				in.evict(ctx, conn)
				continue
			}
			if err != nil {
				return err
			}
			return load(ctx, conn, &s)
		}
	})
	if err != nil {
		return s, err
	}
	in.epoch = s.Epoch
	return s, nil
}

func (in *Installer) takeEpoch(ctx context.Context, conn *pgx.Conn, cluster, topic string) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into ichor.state (snapshot)
			select version from public.cohort_snapshot where id = 'SINGLETON' on conflict (id) do nothing`)
		if err != nil {
			return err
		}
		var epoch, claim int64
		err = tx.QueryRow(ctx, `update ichor.state set epoch = epoch + 1, claim = claim + 1, owner = $1,
			cluster = $2, topic = $3, changed_at = now() returning epoch, claim`,
			in.opts.Owner, cluster, topic).Scan(&epoch, &claim)
		if err != nil {
			return err
		}
		in.claim.Store(claim)
		// Every lane row, also those of an owner with more lanes.
		if _, err = tx.Exec(ctx, "update ichor.lane set epoch = $1, claim = claim + 1", epoch); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into ichor.lane (lane, epoch) select n, $1 from generate_series(0, $2::int - 1) n
			on conflict (lane) do nothing`, epoch, in.opts.Lanes)
		return err
	})
	if err != nil {
		return failure(err, "take the epoch")
	}
	return nil
}

// evict ends the sessions of an owner that hold the rows of the epoch: a host that is gone
// may leave a transaction open.
func (in *Installer) evict(ctx context.Context, conn *pgx.Conn) {
	tag, err := conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()
		  and application_name like 'ichor lane %' and xact_start < now() - interval '1 second'`)
	in.log.Warn("the epoch's rows are locked by an earlier owner: its sessions were ended", "sessions", tag.RowsAffected(), "error", err)
}

func load(ctx context.Context, conn *pgx.Conn, s *State) error {
	var resume *int64
	var snapshot, cohort, hash int64
	err := conn.QueryRow(ctx, `select epoch, snapshot, resume, anchor_position, anchor_hash, cluster, topic,
		(select version from public.cohort_snapshot where id = 'SINGLETON') from ichor.state`).
		Scan(&s.Epoch, &snapshot, &resume, &s.Anchor.Position, &hash, &s.Cluster, &s.Topic, &cohort)
	if errors.Is(err, pgx.ErrNoRows) { // no host has run on it yet
		s.Anchor = talos.NoAnchor
		err = conn.QueryRow(ctx, "select version from public.cohort_snapshot where id = 'SINGLETON'").Scan(&s.Snapshot)
		if err != nil {
			return failure(err, "read cohort_snapshot")
		}
		return nil
	}
	if err != nil {
		return failure(err, "read ichor.state")
	}
	if snapshot != cohort {
		return &Error{Class: Broken, Err: fmt.Errorf(
			"ichor.state has snapshot %d and cohort_snapshot has %d: something else writes cohort_snapshot; find out which is true and set both", snapshot, cohort)}
	}
	s.Snapshot, s.Anchor.Hash = talos.Version(snapshot), uint64(hash)
	if resume != nil {
		s.Resume, s.HasResume = talos.Position(*resume), true
	}
	rows, err := conn.Query(ctx, "select version from ichor.ledger order by version")
	if err == nil {
		s.Ledger, err = pgx.CollectRows(rows, pgx.RowTo[talos.Version])
	}
	if err != nil {
		return failure(err, "read the ledger")
	}
	rows, err = conn.Query(ctx, "select name, digest, from_version, only_version from ichor.guest_history order by from_version, only_version, name")
	if err == nil {
		s.History, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Use])
	}
	if err != nil {
		return failure(err, "read the guest history")
	}
	return nil
}

// StoreModule keeps a guest's module by its digest. It must be durable before the module's
// first conversion is installed.
func (in *Installer) StoreModule(ctx context.Context, name, digest string, module []byte) error {
	return in.with(ctx, "guest", func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into ichor.guest_module (digest, name, module) values ($1, $2, $3) on conflict (digest) do nothing",
			digest, name, module)
		if err != nil {
			return failure(err, "store the guest's module")
		}
		return nil
	})
}

// LoadModule returns a module that was stored, or an error that says what to do without it.
func (in *Installer) LoadModule(ctx context.Context, name, digest string) ([]byte, error) {
	var module []byte
	err := in.with(ctx, "guest", func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "select module from ichor.guest_module where digest = $1", digest).Scan(&module)
		if errors.Is(err, pgx.ErrNoRows) {
			return &NotReadyError{fmt.Sprintf("the history says that guest %s with digest %s converts versions that are not installed yet, and ichor.guest_module does not have it", name, digest),
				"put that file into the guest directory and start again"}
		}
		if err != nil {
			return failure(err, "load the guest's module")
		}
		return nil
	})
	return module, err
}

// closeSoon ends a session without waiting for a server that is gone.
func closeSoon(conn interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // there is nothing left to do on a connection that cannot be closed
}
