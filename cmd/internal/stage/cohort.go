package stage

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Cohort is a database with the tables of an example in it.
type Cohort struct {
	Name string
	URL  string // of the database: for clients in this process, for settings, for psql
}

// OpenCohort makes a database of that name, and has open make the tables in it.
func (s *Stage) OpenCohort(ctx context.Context, name string, open func(context.Context, *pgx.Conn) error) (Cohort, error) {
	c := Cohort{Name: name, URL: s.Postgres.URL(name)}
	if _, err := s.Postgres.CreateDatabase(ctx, name); err != nil {
		return c, err
	}
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return c, fmt.Errorf("open cohort %s: %w", name, err)
	}
	return c, errors.Join(open(ctx, conn), conn.Close(ctx))
}

// Snapshot reads the cohort's snapshot.
func Snapshot(ctx context.Context, conn *pgx.Conn) (talos.Version, error) {
	var snapshot int64
	err := conn.QueryRow(ctx, "select version from cohort_snapshot where id = 'SINGLETON'").Scan(&snapshot)
	if err != nil {
		return 0, fmt.Errorf("read the snapshot: %w", err)
	}
	return talos.Version(snapshot), nil
}
