// Package installer makes groups of versions durable in PostgreSQL: rows, snapshot and resume
// point in one transaction, sent in one round trip, fenced by an epoch and its token.
//
// It decides nothing: the core says what a group is, and what to do when it fails. It is the
// only importer of pgx in the host.
package installer

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options says where the database is and how long it may take.
type Options struct {
	// URL is a PostgreSQL URL, also with a jdbc: before it, or a key=value string; what it leaves
	// out comes from the PG* environment variables.
	URL string
	// Reread returns the URL as it is now; it is asked when the database refuses the login. Nil
	// keeps URL, and reads the file of passwords again that it or PGPASSFILE names.
	Reread func() (string, error)
	Owner  string // this host, for people who look at ichor.state
	Lanes  int
	// Routes say which guest gets what, as text: they are kept from the version on from which they are others. Empty
	// ones are not.
	Routes string

	ConnectTimeout   time.Duration
	StatementTimeout time.Duration // of one statement, enforced by the server
	Deadline         time.Duration // of one group, enforced here
	SearchPath       string        // of the sessions

	Allowed Allowed // what templates may do beyond, and short of, what is allowed to all
}

// The defaults of Options.
const (
	DefaultConnectTimeout   = 5 * time.Second
	DefaultStatementTimeout = 10 * time.Second
	DefaultDeadline         = 15 * time.Second
	DefaultSearchPath       = "public"
)

// FirstLockWait is how long a lane's statement waits for a lock at first; a group that is tried
// again may say more. It is short because a deadlock with a cohort's initiator, which writes the
// same rows, costs everybody deadlock_timeout, a second by default.
const FirstLockWait = 100 * time.Millisecond

func (o *Options) fill() {
	for d, def := range map[*time.Duration]time.Duration{
		&o.ConnectTimeout: DefaultConnectTimeout, &o.StatementTimeout: DefaultStatementTimeout, &o.Deadline: DefaultDeadline,
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

// Times returns the deadline of a group and the time-out of a statement, as they are with their
// defaults.
func (o Options) Times() (deadline, statement time.Duration) {
	o.fill()
	return o.Deadline, o.StatementTimeout
}

// Installer is one host's access to the cohort's database.
type Installer struct {
	opts   Options
	config atomic.Pointer[pgx.ConnConfig]
	log    *slog.Logger

	// What Take found and set; the lanes that are opened afterwards read it.
	own   ownership
	tried []int64 // tokens with which Take was tried since it last succeeded
	// stateToken is the claim of the state row. Only a lane with a frontier group in doubt raises it; a
	// connection that was given up may do so late, so every lane that connects learns it.
	stateToken atomic.Int64
	durable    atomic.Int64 // the highest snapshot that is known to be committed since Take
	guard      guard
	troubles   troubles
}

// learn takes the claim of the state row that a lane was told, which another may have raised meanwhile.
func (in *Installer) learn(claim int64) { raise(&in.stateToken, claim) }

// raise sets a number that only rises.
func raise(number *atomic.Int64, to int64) {
	for {
		known := number.Load()
		if known >= to || number.CompareAndSwap(known, to) {
			return
		}
	}
}

// ownership identifies one take-over of the cohort.
type ownership struct {
	epoch    int64
	token    int64  // random: after a failover to a copy two hosts may hold the same epoch
	timeline uint32 // of the server's write-ahead log: another one is a promoted copy
}

// New checks the options; it does not connect.
func New(opts Options, log *slog.Logger) (*Installer, error) {
	opts.fill()
	in := &Installer{opts: opts, log: log, guard: guard{turn: make(chan struct{}, 1)}}
	config, err := in.opts.parse(opts.URL)
	if err != nil {
		return nil, err
	}
	in.config.Store(config)
	return in, nil
}
