package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// violation is a promise that was not kept.
type violation struct{ what string }

// Error implements error.
func (v *violation) Error() string { return v.what }

func violated(format string, args ...any) error { return &violation{fmt.Sprintf(format, args...)} }

// state is how far the database is.
type state struct {
	snapshot int64
	ledger   int
	held     int
	asked    int // requests of operators that stand
}

// state asks the server, past the proxy. While it is down it is asked again.
func (w *world) state(ctx context.Context) (s state, err error) {
	for begun := time.Now(); time.Since(begun) < w.options.Patience; {
		if s, err = readState(ctx, w.server.URL(database)); err == nil {
			return s, nil
		}
		if err := hosttest.Sleep(ctx, 20*time.Millisecond); err != nil {
			return s, err
		}
	}
	return s, err
}

func readState(ctx context.Context, url string) (s state, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return s, err
	}
	err = conn.QueryRow(ctx, `select (select version from cohort_snapshot), (select count(*) from ichor.ledger),
		(select count(*) from ichor.quarantine where held), (select count(*) from ichor.request where ended_at is null)`).Scan(&s.snapshot, &s.ledger, &s.held, &s.asked)
	return s, errors.Join(err, conn.Close(ctx))
}

// passes waits until the snapshot is beyond a version.
func (w *world) passes(ctx context.Context, version int64) error {
	return w.reaches(ctx, func(s state) bool { return s.snapshot > version })
}

// reaches waits until the database is as wanted. A host that ends by itself, or takes too long, breaks its
// promise.
func (w *world) reaches(ctx context.Context, wanted func(state) bool) error {
	for begun := time.Now(); ; {
		s, err := w.state(ctx)
		if err != nil {
			return err
		}
		if wanted(s) {
			return nil
		}
		if err := w.host.Check(); err != nil {
			return violated("%v", err)
		}
		if time.Since(begun) > w.options.Patience {
			return violated("it does not get on: %+v of version %d after %v; its log ends:\n%s", s, w.traffic.last.Load(), w.options.Patience, w.host.Tail())
		}
		if err := hosttest.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// settles waits until everything is installed and nothing is left over: liveness.
func (w *world) settles(ctx context.Context) error {
	return w.reaches(ctx, func(s state) bool { return s == state{snapshot: w.traffic.last.Load()} })
}

// once compares the database with a serial replay of the log, and what the host wrote down with both: safety.
func (w *world) once(ctx context.Context) error {
	log, err := verdict.Read(ctx, []string{w.broker.other}, topic)
	if err != nil {
		return err
	}
	v, err := verdict.Check(ctx, log, w.bank.Opening, w.server.URL(database))
	if err != nil {
		return err
	}
	if !v.OK() {
		return violated("the database differs from the serial replay in %d of %d accounts, %v; snapshot %d, should be %d; money %s, should be %s",
			v.Different, v.Rows, v.Differences, v.Snapshot, v.WantSnapshot, v.Total, v.WantTotal)
	}
	return errors.Join(w.converted(ctx), w.books(ctx, true), w.watched(ctx))
}

// books holds what the hosts wrote down against the log, also while they are under way.
func (w *world) books(ctx context.Context, rest books.Rest) error {
	cohort := w.bank.Cohort
	cohort.URL = w.server.URL(database)
	is, _, err := w.stage.Books(ctx, topic, cohort, rest)
	if err != nil {
		return err
	}
	if wrong := stage.BooksError(is); wrong != nil {
		return violated("%v", wrong)
	}
	return nil
}
