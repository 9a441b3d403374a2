package installer

import (
	"context"
	_ "embed"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// Schema returns the SQL that Init runs.
func Schema() string { return schema }

// Init creates what is missing of the schema. Several hosts may do it at once.
func (in *Installer) Init(ctx context.Context) error {
	return in.with(ctx, "init", func(ctx context.Context, conn *pgx.Conn) error {
		// One after the other: two that create the same thing at once refuse each other.
		if _, err := conn.Exec(ctx, "select set_config('lock_timeout', '20000', false), pg_advisory_xact_lock(1768122738);\n"+schema); err != nil {
			return failure(err, "create the schema")
		}
		return nil
	})
}

// NotReadyError says what the database lacks before a host can run on it; Hint is what to do.
type NotReadyError struct{ What, Hint string }

// Error implements error.
func (e *NotReadyError) Error() string { return e.What + ": " + e.Hint }

// needed is what a host does with each table of the schema.
var needed = []struct{ table, privileges string }{
	{"ichor.state", "select, insert, update"},
	{"ichor.lane", "select, insert, update"},
	{"ichor.beat", "select, insert, update"},
	{"ichor.ledger", "select"},
	{"ichor.guest_module", "select, insert, update, delete"},
	{"ichor.guest_check", "select, insert"},
	{"ichor.guest_history", "select, insert"},
	{"ichor.guest_event", "select, insert"},
	{"ichor.quarantine", "select, insert, update"},
	{"ichor.audit", "select, insert"},
	{"ichor.request", "select, insert, update"},
	{"public.cohort_snapshot", "select"},
}

// check reports what the schema lacks, and what the role may not do with it.
func check(ctx context.Context, conn *pgx.Conn) error {
	var grants []string
	for _, n := range needed {
		var there bool
		var role string
		if err := conn.QueryRow(ctx, "select to_regclass($1) is not null, current_user", n.table).Scan(&there, &role); err != nil {
			return failure(err, "look for "+n.table)
		}
		if !there {
			return &NotReadyError{"the database has no table " + n.table + ", or " + role + " may not see its schema", "run ichor db init as the owner"}
		}
		for _, privilege := range strings.Split(n.privileges, ", ") {
			var may bool
			if err := conn.QueryRow(ctx, "select has_table_privilege($1, $2)", n.table, privilege).Scan(&may); err != nil {
				return failure(err, "ask for the rights on "+n.table)
			}
			if !may {
				grants = append(grants, "grant "+n.privileges+" on "+n.table+" to "+pgx.Identifier{role}.Sanitize())
				break
			}
		}
	}
	if len(grants) > 0 {
		return &NotReadyError{"the role of database.url lacks rights", strings.Join(grants, "; ")}
	}
	if err := checkFormat(ctx, conn); err != nil {
		return err
	}
	return checkSnapshotRow(ctx, conn)
}

// checkFormat tells a schema that an earlier Ichor made from today's.
func checkFormat(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	err := conn.QueryRow(ctx, `select exists (select from pg_attribute
		where attrelid = to_regclass('ichor.guest_module') and attname = 'signatures' and not attisdropped)`).Scan(&there)
	if err != nil {
		return failure(err, "look for ichor.guest_module.signatures")
	}
	if !there {
		return &NotReadyError{"schema ichor is of another version: ichor.guest_module has no column signatures", "run ichor db init as the owner"}
	}
	for _, f := range []string{advanceFunction, aheadFunction, endFunction} {
		var there bool
		if err := conn.QueryRow(ctx, "select to_regprocedure($1) is not null", f).Scan(&there); err != nil {
			return failure(err, "look for "+f)
		}
		if !there {
			return &NotReadyError{"schema ichor is of another version: it has no " + f, "run ichor db init as the owner"}
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
		return &NotReadyError{"cohort_snapshot has no row SINGLETON",
			"restore it with the version up to which everything is installed, or on a new cohort run ichor db init"}
	}
	return nil
}
