package installer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Class tells the core how to react to a failure of the database.
type Class uint8

// The classes, by SQLSTATE as ClassOf sorts them.
const (
	Transient  Class = iota
	Contention       // another transaction was in the way
	TimedOut         // the statement ran for longer than statement_timeout
	Poison
	Fenced
	Regressed // the database is a copy that may lack what was committed
	Broken
)

// The codes of the host's own: the functions of schema.sql raise them, but for the fourth, of which see
// Template.Rows, and the last.
const (
	codeFenced   = "IC001" // another host owns the cohort
	codeSnapshot = "IC002" // the snapshot is another one than this host left
	codeLedger   = "IC003" // the ledger has other versions than this host entered
	codeRows     = "IC004" // a statement changed another number of rows than its template promises
	codeClaim    = "IC005" // another connection of this host renewed the fence: one that was given up may do so late
	codeRequest  = "IC006" // the request that is ended is another database's
	codeSchema   = "IC007" // the schema is of a newer Ichor
	codeTemplate = "IC008" // the database changed, and a template would not be taken by now: see Look
)

// codeReadOnly is what a server says that is a standby, or was set to be read-only.
const codeReadOnly = "25006"

// Error is a failure of the database. It is what every method of a Lane returns.
type Error struct {
	Class Class
	// Code is the SQLSTATE; empty when the connection failed.
	Code string
	// Culprit is the version whose statement failed; 0 when it is not known.
	Culprit talos.Version
	// Lost says that the lane has no connection any more.
	Lost bool
	// InDoubt says that the transaction may have been committed all the same.
	InDoubt bool
	// Detail is what else the server said. It may hold a user's row: it is for the quarantine,
	// never for a log.
	Detail string
	Err    error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of an SQLSTATE: Poison, unless the code is known to be another.
func ClassOf(code string) Class {
	switch code {
	case codeFenced:
		return Fenced
	case codeSnapshot, codeLedger:
		return Broken
	case codeRequest:
		return Regressed
	case codeReadOnly, codeClaim:
		return Transient
	case "40001", "40P01", "55P03":
		return Contention
	case "57014":
		return TimedOut
	}
	for _, class := range []string{"08", "53", "57P0", "58"} {
		if strings.HasPrefix(code, class) {
			return Transient
		}
	}
	return Poison
}

// ours matches the first line of a context that a function of schema ichor gave, or the block of schema.sql.
var ours = regexp.MustCompile(`^[^\n]*\b(ichor\.\w+\(|inline_code_block\b)`)

// byHost reports whether the schema's own functions said it: a cohort's may use the same codes.
func byHost(pg *pgconn.PgError) bool {
	return strings.HasPrefix(pg.Code, "IC") && ours.MatchString(pg.Where)
}

// classOf returns the class of what a server said.
func classOf(pg *pgconn.PgError) Class {
	if strings.HasPrefix(pg.Code, "IC") && !byHost(pg) {
		return Poison
	}
	return ClassOf(pg.Code)
}

// failure turns an error of the driver into an Error. A failure that the server did not
// report is one of the connection, but for a row that cannot be read.
func failure(err error, doing string) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	if row := handmade(err, doing); row != nil {
		return row
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return &Error{Class: Transient, Lost: true, Err: fmt.Errorf("%s: %w", doing, err)}
	}
	e := &Error{Class: classOf(pg), Code: pg.Code, Detail: detail(pg), Err: fmt.Errorf("%s: %w", doing, &ServerError{pg})}
	if severity := pg.SeverityUnlocalized; severity == "FATAL" || severity == "PANIC" || strings.HasPrefix(pg.Code, "08") {
		e.Lost = true // the server ends the session with these itself
		if e.Class == Poison {
			e.Class = Transient // it is about the session, not about a version
		}
	}
	if e.Class == Transient && (pg.Code == codeClaim || pg.Code == codeReadOnly) {
		// The connection is of no use any more: the next one has the newest claim, or says that the database takes nothing.
		e.Lost = true
	}
	if lostStatement(pg.Code) {
		e.Class, e.Lost = Transient, true
		e.Err = fmt.Errorf("%w: %w", e.Err, &PoolerError{"the server does not know what this session prepared"})
	}
	return e
}

// handmade turns what the driver says of a value that does not fit into an Error, nil where it says something else. The
// database answered, and asking again gives the same: no host writes such a row. What was done names the table.
func handmade(err error, doing string) *Error {
	var value pgx.ScanArgError
	if !errors.As(err, &value) {
		return nil
	}
	return &Error{Class: Broken, Err: fmt.Errorf("%s: %w", doing, &NotReadyError{
		What: fmt.Sprintf("a row has in %s what Ichor does not write there, as NULL or a number below 0: it was changed by hand", value.FieldName), Hint: "set it right, and try again",
	})}
}

// reading names the table of a row that cannot be read, where failure is told of more than that table; it returns other
// errors as they are.
func reading(table string, err error) error {
	if row := handmade(err, "read "+table); row != nil {
		return row
	}
	return err
}

// lostStatement tells the codes of a server that lost, or shares, a session's prepared
// statements: none of the host's own statements can cause them.
func lostStatement(code string) bool { return code == "26000" || code == "42P05" || code == "08P01" }

// ServerError is what the server said, in words that are fit for a log: a message whose class is
// about values may quote a user's row, so only its code is shown.
type ServerError struct{ err *pgconn.PgError }

// Error implements error.
func (e *ServerError) Error() string {
	pg := e.err
	// What stands in a context was said by a function of the cohort's, in whatever words and with
	// whatever code its owner chose.
	if !namesObjects(pg.Code) || (pg.Where != "" && !byHost(pg)) {
		return fmt.Sprintf("SQLSTATE %s (its message may quote a row: see ichor.quarantine, or the server's log)", pg.Code)
	}
	return describe(pg)
}

// Unwrap returns the driver's error.
func (e *ServerError) Unwrap() error { return e.err }

// describe says what the server said and what helps to find the place. Of a statement that was
// executed with a user's values it may hold some.
func describe(pg *pgconn.PgError) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s (SQLSTATE %s)", pg.Message, pg.Code)
	for _, part := range [...]struct{ name, text string }{
		{"hint", pg.Hint}, {"table", pg.TableName}, {"column", pg.ColumnName}, {"constraint", pg.ConstraintName},
	} {
		if part.text != "" {
			fmt.Fprintf(&s, ", %s: %s", part.name, part.text)
		}
	}
	return s.String()
}

// namesObjects reports whether the messages of a code name tables, columns and limits, and
// never a value.
func namesObjects(code string) bool {
	if len(code) < 2 {
		return false
	}
	switch code[:2] {
	case "08", "23", "25", "26", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "IC":
		return true
	}
	return false
}

// detail is everything that the server said.
func detail(pg *pgconn.PgError) string {
	s := pg.Message
	for _, part := range [...]string{pg.Detail, pg.Hint, pg.Where} {
		if part != "" {
			s += "; " + part
		}
	}
	return s
}

// IsNoLongerTaken reports whether a version waits because its template would not be taken by now: see Look.
func IsNoLongerTaken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == codeTemplate && e.Class == Transient
}

// IsFenced reports whether the error says that another host owns the cohort.
func IsFenced(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == Fenced
}

// IsTransient reports whether trying again later may help: the database is away, a standby or
// starting.
func IsTransient(err error) bool {
	if errors.Is(err, ErrStandby) {
		return true
	}
	var pooler *PoolerError
	var notReady *NotReadyError
	if errors.Is(err, context.Canceled) || errors.As(err, &pooler) || errors.As(err, &notReady) {
		return false
	}
	var e *Error
	return errors.As(err, &e) && (e.Class == Transient || e.Class == Contention || e.Class == TimedOut)
}

// IsChanged reports whether a right or a table is not as a host needs it, of which a host that was taken before waits that somebody
// mends it: a change of tables that takes seconds ends no host.
func IsChanged(err error) bool {
	var rights *RightsError
	var notReady *NotReadyError
	var e *Error
	return errors.As(err, &rights) || errors.As(err, &notReady) && notReady.gone || errors.As(err, &e) && strings.HasPrefix(e.Code, "42")
}

// What one asks the database beside what it installs is asked again while it is away or busy, so often and so long.
const (
	patience  = 10 * time.Second
	patiently = 200 * time.Millisecond
)

// Patiently does again what the database does not answer just now, see IsTransient, for ten seconds at most. It returns the last
// error.
func Patiently(ctx context.Context, do func() error) error {
	until := time.Now().Add(patience)
	for {
		err := do()
		if err == nil || !IsTransient(err) || !time.Now().Before(until) {
			return err
		}
		if sleep(ctx, patiently); ctx.Err() != nil {
			return err
		}
	}
}
