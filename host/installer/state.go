package installer

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

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
	Held      []talos.Version // in quarantine, and not ended yet
	History   cohort.History
	Routes    []cohort.Routes // that versions went by, ascending by when they were recorded; none where no host recorded any
	Requests  []Request       // of operators, that are not ended
	Abandoned []talos.Version // at or above the resume point
}

// Read returns the state without taking the epoch, for status and checks. It refuses what no
// host can run on: a schema that is missing or may not be used, a pooler that loses sessions.
func (in *Installer) Read(ctx context.Context) (State, error) {
	var s State
	err := in.with(ctx, "read", func(ctx context.Context, conn *pgx.Conn) error {
		if err := in.checkPooler(ctx, conn); err != nil {
			return err
		}
		if err := check(ctx, conn); err != nil {
			return err
		}
		return load(ctx, conn, &s)
	})
	return s, err
}

func load(ctx context.Context, conn *pgx.Conn, s *State) error {
	var cohort talos.Version
	if err := loadState(ctx, conn, s, &cohort); err != nil {
		return err
	}
	if s.Snapshot != cohort {
		return &Error{Class: Broken, Err: fmt.Errorf(
			"ichor.state has snapshot %d and cohort_snapshot has %d: something else writes cohort_snapshot; find out which is true and set both", s.Snapshot, cohort)}
	}
	return nil
}

// loadState reads the state, and what cohort_snapshot says.
func loadState(ctx context.Context, conn *pgx.Conn, s *State, cohort *talos.Version) error {
	var resume *talos.Position
	var hash int64
	err := conn.QueryRow(ctx, `select epoch, snapshot, resume, anchor_position, anchor_hash, cluster, topic,
		(select version from public.cohort_snapshot where id = 'SINGLETON') "the version of cohort_snapshot" from ichor.state`).
		Scan(&s.Epoch, &s.Snapshot, &resume, &s.Anchor.Position, &hash, &s.Cluster, &s.Topic, cohort)
	if errors.Is(err, pgx.ErrNoRows) { // no host has run on it yet
		s.Anchor = talos.NoAnchor
		err = conn.QueryRow(ctx, "select version from public.cohort_snapshot where id = 'SINGLETON'").Scan(&s.Snapshot)
		if err != nil {
			return failure(err, "read cohort_snapshot")
		}
		*cohort = s.Snapshot
		return nil
	}
	if err != nil {
		return failure(err, "read ichor.state")
	}
	s.Anchor.Hash = uint64(hash)
	if resume != nil {
		s.Resume, s.HasResume = *resume, true
	}
	rows, err := conn.Query(ctx, "select version from ichor.ledger order by version")
	if err == nil {
		s.Ledger, err = pgx.CollectRows(rows, pgx.RowTo[talos.Version])
	}
	if err != nil {
		return failure(err, "read ichor.ledger")
	}
	rows, err = conn.Query(ctx, "select version from ichor.quarantine where held order by version")
	if err == nil {
		s.Held, err = pgx.CollectRows(rows, pgx.RowTo[talos.Version])
	}
	if err != nil {
		return failure(err, "read ichor.quarantine")
	}
	if s.History, err = loadHistory(ctx, conn); err != nil {
		return err
	}
	if s.Routes, err = loadRoutes(ctx, conn); err != nil {
		return err
	}
	return loadRequests(ctx, conn, s)
}

func loadHistory(ctx context.Context, conn *pgx.Conn) (history cohort.History, err error) {
	rows, err := conn.Query(ctx, "select name, digest, from_version, only_version from ichor.guest_history order by from_version, only_version, name")
	if err == nil {
		history, err = pgx.CollectRows(rows, pgx.RowToStructByPos[cohort.Use])
	}
	if err != nil {
		return nil, failure(err, "read ichor.guest_history")
	}
	return history, nil
}

func loadRoutes(ctx context.Context, conn *pgx.Conn) (routes []cohort.Routes, err error) {
	rows, err := conn.Query(ctx, "select from_version, earlier, routes from ichor.guest_routes order by id")
	if err == nil {
		routes, err = pgx.CollectRows(rows, pgx.RowToStructByPos[cohort.Routes])
	}
	if err != nil {
		return nil, failure(err, "read ichor.guest_routes")
	}
	return routes, nil
}
