package installer

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// Schema returns the SQL that Init runs.
func Schema() string { return schema }

// Init creates what is missing of the schema. Several hosts may do it at once. The schema of a newer Ichor stays as
// it is, and the error is a *NotReadyError.
func (in *Installer) Init(ctx context.Context) error {
	return in.with(ctx, "init", func(ctx context.Context, conn *pgx.Conn) error {
		// One after the other: two that create the same thing at once refuse each other.
		_, err := conn.Exec(ctx, "select set_config('lock_timeout', '20000', false), pg_advisory_xact_lock(1768122738);\n"+schema)
		var e *Error
		if err != nil && errors.As(failure(err, "create the schema"), &e) && e.Code == codeSchema {
			return &NotReadyError{What: e.Error(), Hint: "run the newer Ichor that made the schema; it is as it was"}
		}
		if err != nil {
			return failure(err, "create the schema")
		}
		return nil
	})
}

// NotReadyError says what the database lacks, or has that no host wrote, before one can run on it; Hint is what to do.
type NotReadyError struct {
	What, Hint string
	gone       bool // a table is not there, as while it is being changed
}

// Error implements error.
func (e *NotReadyError) Error() string { return e.What + ": " + e.Hint }

// needed is what a host does with each table of the schema.
var needed = []struct{ table, privileges string }{
	{"ichor.schema", "select"},
	{"ichor.state", "select, insert, update"},
	{"ichor.lane", "select, insert, update"},
	{"ichor.beat", "select, insert, update"},
	{"ichor.ledger", "select"},
	{"ichor.guest_module", "select, insert, update, delete"},
	{"ichor.guest_check", "select, insert, delete"},
	{"ichor.guest_history", "select, insert"},
	{"ichor.guest_routes", "select, insert"},
	{"ichor.guest_event", "select, insert, delete"},
	{"ichor.quarantine", "select, insert, update"},
	{"ichor.audit", "select, insert"},
	{"ichor.request", "select, insert, update"},
	{"public.cohort_snapshot", "select"},
}

// check reports what the schema lacks, and what the role may not do with it.
func check(ctx context.Context, conn *pgx.Conn) error {
	role, grants, err := missing(ctx, conn)
	if err != nil {
		return err
	}
	if len(grants) > 0 {
		return &RightsError{role, grants}
	}
	if err := checkVersion(ctx, conn); err != nil {
		return err
	}
	return checkSnapshotRow(ctx, conn)
}

// missing returns the role and the grants that it lacks, all of them, also while it may not see the schema.
func missing(ctx context.Context, conn *pgx.Conn) (role string, grants []string, err error) {
	var sees, runs *bool
	err = conn.QueryRow(ctx, `select current_user, (select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = 'ichor'),
		(select bool_and(has_function_privilege(p.oid, 'execute')) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'ichor')`).
		Scan(&role, &sees, &runs)
	if err != nil {
		return role, nil, failure(err, "look for schema ichor")
	}
	to := " TO " + pgx.Identifier{role}.Sanitize()
	if sees != nil && !*sees {
		grants = append(grants, "GRANT USAGE ON SCHEMA ichor"+to)
	}
	for _, n := range needed {
		schema, table, _ := strings.Cut(n.table, ".")
		var number *uint32
		err := conn.QueryRow(ctx, "select (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2)", schema, table).Scan(&number)
		if err != nil {
			return role, nil, failure(err, "look for "+n.table)
		}
		if number == nil {
			return role, nil, &NotReadyError{What: "the database has no table " + n.table, Hint: "run ichor db init as the owner", gone: true}
		}
		for _, privilege := range strings.Split(n.privileges, ", ") {
			var may bool
			if err := conn.QueryRow(ctx, "select has_table_privilege($1::oid, $2)", *number, privilege).Scan(&may); err != nil {
				return role, nil, failure(err, "ask for the rights on "+n.table)
			}
			if !may {
				grants = append(grants, "GRANT "+strings.ToUpper(n.privileges)+" ON "+n.table+to)
				break
			}
		}
	}
	if runs != nil && !*runs {
		grants = append(grants, "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ichor"+to)
	}
	return role, grants, nil
}

// schemaVersion is the version that schema.sql makes.
const schemaVersion = 1

// checkVersion tells a schema of another Ichor from today's.
func checkVersion(ctx context.Context, conn *pgx.Conn) error {
	var version, usableFrom int
	err := conn.QueryRow(ctx, "select coalesce(max(version), 0), coalesce(max(usable_from), 0) from ichor.schema").Scan(&version, &usableFrom)
	switch {
	case err != nil:
		return failure(err, "read ichor.schema")
	case version < schemaVersion:
		return &NotReadyError{What: fmt.Sprintf("schema ichor has version %d, and this host needs version %d", version, schemaVersion), Hint: "run ichor db init as the owner"}
	case usableFrom > schemaVersion:
		return &NotReadyError{
			What: fmt.Sprintf("schema ichor has version %d, on which a host must know version %d, and this one knows version %d", version, usableFrom, schemaVersion),
			Hint: "run the newer Ichor that made the schema",
		}
	}
	return nil
}

func checkSnapshotRow(ctx context.Context, conn *pgx.Conn) error {
	var version *int64
	err := conn.QueryRow(ctx, "select (select version from public.cohort_snapshot where id = 'SINGLETON')").Scan(&version)
	if err != nil {
		return failure(err, "read cohort_snapshot")
	}
	if version == nil {
		return &NotReadyError{What: "cohort_snapshot has no row SINGLETON",
			Hint: "restore it with the version up to which everything is installed, or on a new cohort run ichor db init"}
	}
	return nil
}
