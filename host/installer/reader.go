package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Evidence is everything that a host wrote down about itself, as it is at one moment. Of its State, Abandoned
// has all versions that were, also below the resume point.
type Evidence struct {
	State
	// Cohort is what cohort_snapshot says, which is the snapshot unless somebody else moved it.
	Cohort     talos.Version
	Quarantine []QuarantineRow
	Audit      []AuditRow
	// Modules has for each digest of ichor.guest_module the SHA-256 of what is kept under it.
	Modules map[string]string
}

// QuarantineRow is a row of ichor.quarantine, without its candidate.
type QuarantineRow struct {
	Version        talos.Version
	Held           bool
	Kind           string
	Resolution     string // "" while there is none
	ResolvedDigest string
}

// AuditRow is a row of ichor.audit.
type AuditRow struct {
	ID     int64     `json:"id"`     // ascending
	At     time.Time `json:"at"`     // when it was done
	Who    string    `json:"who"`    // a token's or a user's name
	Deed   string    `json:"deed"`   // what was done, to what, and how it went
	Reason string    `json:"reason"` // that they gave
}

// Reader reads a cohort's database in one transaction that sees one moment of it, also beside a
// host that runs. It changes nothing. One goroutine uses it.
type Reader struct{ conn *pgx.Conn }

// OpenReader begins that transaction. The caller must Close the reader; until then the server keeps
// the dead rows of that moment.
func (in *Installer) OpenReader(ctx context.Context) (*Reader, error) {
	conn, err := in.connectWithin(ctx, "verify")
	if err == nil {
		_, err = conn.Exec(ctx, patient)
		if err == nil {
			_, err = conn.Exec(ctx, "begin isolation level repeatable read read only")
		}
		if err != nil {
			closeSoon(conn)
		}
	}
	if err != nil {
		return nil, failure(err, "begin to read")
	}
	return &Reader{conn}, nil
}

// patient lets a session take the time that large tables need.
const patient = `select set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
	set_config('idle_in_transaction_session_timeout', '0', false), set_config('enable_seqscan', 'on', false)`

// Close ends the transaction.
func (r *Reader) Close() { closeSoon(r.conn) }

// Evidence returns what the host wrote down.
func (r *Reader) Evidence(ctx context.Context) (*Evidence, error) {
	if err := check(ctx, r.conn); err != nil {
		return nil, err
	}
	e := &Evidence{Modules: map[string]string{}}
	if err := loadState(ctx, r.conn, &e.State, &e.Cohort); err != nil {
		return nil, err
	}
	if err := loadAbandoned(ctx, r.conn, &e.State, 0); err != nil {
		return nil, err
	}
	rows, err := r.conn.Query(ctx, `select version, held, kind, coalesce(resolution, ''), coalesce(resolved_digest, '') from ichor.quarantine order by version`)
	if err == nil {
		e.Quarantine, err = pgx.CollectRows(rows, pgx.RowToStructByPos[QuarantineRow])
	}
	if err != nil {
		return nil, failure(err, "read ichor.quarantine")
	}
	rows, err = r.conn.Query(ctx, "select id, at, who, deed, reason from ichor.audit order by id")
	if err == nil {
		e.Audit, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AuditRow])
	}
	if err != nil {
		return nil, failure(err, "read ichor.audit")
	}
	rows, err = r.conn.Query(ctx, "select digest, encode(sha256(module), 'hex') from ichor.guest_module")
	if err == nil {
		var digest, is string
		_, err = pgx.ForEachRow(rows, []any{&digest, &is}, func() error { e.Modules[digest] = is; return nil })
	}
	if err != nil {
		return nil, failure(err, "read ichor.guest_module")
	}
	return e, nil
}

// Module returns a module that the history names.
func (r *Reader) Module(ctx context.Context, digest string) (Module, error) {
	m, err := scanModule(r.conn.QueryRow(ctx, selectModule, digest))
	if err != nil {
		return m, failure(err, "load from ichor.guest_module "+digest)
	}
	return m, nil
}

// Identity names a database of a running server, so that two ways to one are found out; a copy of it that
// another server runs is another one.
func (r *Reader) Identity(ctx context.Context) (string, error) { return identityOf(ctx, r.conn) }

func identityOf(ctx context.Context, conn *pgx.Conn) (name string, err error) {
	err = conn.QueryRow(ctx, "select extract(epoch from pg_postmaster_start_time()) || '/' || oid from pg_database where datname = current_database()").Scan(&name)
	if err != nil {
		return "", failure(err, "ask which database it is")
	}
	return name, nil
}

// Table is a table as it is compared.
type Table struct {
	Name    string   // with its schema
	Columns []string // in the order of their names
	Key     []string // of the primary key; none if there is none
	types   []string // of the columns of the key
	// Guard is the column that holds the version which last wrote the row; "" if there is none.
	Guard string
	// LeftOut are columns that draw from a sequence of their own: those numbers tell rows apart and differ
	// from run to run.
	LeftOut []string
}

// Table looks a table up by the name that a guest's manifest has for it. guard is the column that the
// manifest names as holding the version.
func (r *Reader) Table(ctx context.Context, name, guard string) (*Table, error) {
	return lookUpTable(ctx, r.conn, name, guard)
}

func lookUpTable(ctx context.Context, conn *pgx.Conn, name, guard string) (*Table, error) {
	t := &Table{Name: name}
	err := conn.QueryRow(ctx, `select n.nspname || '.' || c.relname,
			array(select a.attname::text from pg_index i, unnest(i.indkey) k join pg_attribute a on a.attnum = k
				where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid order by a.attname),
			array(select format_type(a.atttypid, a.atttypmod) from pg_index i, unnest(i.indkey) k join pg_attribute a on a.attnum = k
				where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid order by a.attname)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1) and c.relkind in ('r', 'p')`, name).
		Scan(&t.Name, &t.Key, &t.types)
	if err != nil {
		return nil, failure(err, "look up the table "+name)
	}
	rows, err := conn.Query(ctx, `select a.attname::text, a.attidentity <> '' or exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
				and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype in ('a', 'i')
				and (select s.relkind from pg_class s where s.oid = d.objid) = 'S')
		from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attname`, name)
	var column string
	var drawn bool
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&column, &drawn}, func() error {
			switch {
			case drawn:
				t.LeftOut = append(t.LeftOut, column)
				t.Key = without(t.Key, column)
			default:
				t.Columns = append(t.Columns, column)
			}
			if column == guard {
				t.Guard = guard
			}
			return nil
		})
	}
	if err != nil {
		return nil, failure(err, "look up the columns of "+name)
	}
	return t, nil
}

// without leaves a key empty that is not whole any more.
func without(key []string, column string) []string {
	for _, k := range key {
		if k == column {
			return nil
		}
	}
	return key
}

// Row is a row of a table.
type Row struct {
	Key     string // sorts the rows of a table; all columns where there is no primary key
	Text    string // all columns
	Guard   string // of the column that holds a version; "" if there is none
	Version string // in a scratch database, the version that wrote it last; "" if none did since its start
}

// Rows are those of a table in the order of their keys.
type Rows struct {
	rows pgx.Rows
	what string
	row  Row
}

// Rows reads a table.
func (r *Reader) Rows(ctx context.Context, t *Table) (*Rows, error) {
	return readRows(ctx, r.conn, t, "''", "")
}

// sql is the table's name in SQL.
func (t *Table) sql() string { return pgx.Identifier(strings.SplitN(t.Name, ".", 2)).Sanitize() }

// at is the condition that a row has the primary key $1, as Row has it.
func (t *Table) at() string {
	var all []string
	for i, name := range t.Key {
		all = append(all, fmt.Sprintf("t.%s = ($1::text[])[%d]::%s", pgx.Identifier{name}.Sanitize(), i+1, t.types[i]))
	}
	return strings.Join(all, " and ")
}

// rowKey is the primary key, or all columns where there is none.
func (t *Table) rowKey() []string {
	if len(t.Key) == 0 {
		return t.Columns
	}
	return t.Key
}

// texts is an array of columns' texts in SQL: they tell 1.0 from 1.00, and every type has one.
func texts(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, "t."+pgx.Identifier{name}.Sanitize()+"::text")
	}
	return "array[" + strings.Join(all, ", ") + "]::text[]::text"
}

// Find returns the text of the row with a primary key, as Row has both; "" if there is none.
func (r *Reader) Find(ctx context.Context, t *Table, key string) (string, error) {
	return findRow(ctx, r.conn, t, key)
}

func findRow(ctx context.Context, conn *pgx.Conn, t *Table, key string) (text string, err error) {
	err = conn.QueryRow(ctx, "select "+texts(t.Columns)+" from "+t.sql()+" t where "+t.at(), key).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", failure(err, "look up a row of "+t.Name)
	}
	return text, nil
}

// readRows reads a table; version is what tells, with the join, who wrote a row.
func readRows(ctx context.Context, conn *pgx.Conn, t *Table, version, join string) (*Rows, error) {
	guard := "''"
	if t.Guard != "" {
		guard = "coalesce(t." + pgx.Identifier{t.Guard}.Sanitize() + "::text, '')"
	}
	rows, err := conn.Query(ctx, fmt.Sprintf(`select %s collate "C" as key, %s, %s, %s from %s t %s order by 1`,
		texts(t.rowKey()), texts(t.Columns), guard, version, t.sql(), join))
	if err != nil {
		return nil, failure(err, "read "+t.Name)
	}
	return &Rows{rows: rows, what: t.Name}, nil
}

// Next returns the next row; nil after the last.
func (r *Rows) Next() (*Row, error) {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return nil, failure(err, "read "+r.what)
		}
		return nil, nil //nolint:nilnil // the end of the rows
	}
	if err := r.rows.Scan(&r.row.Key, &r.row.Text, &r.row.Guard, &r.row.Version); err != nil {
		return nil, failure(err, "read "+r.what)
	}
	row := r.row
	return &row, nil
}

// Close ends the reading.
func (r *Rows) Close() { r.rows.Close() }
