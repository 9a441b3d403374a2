package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Class is how the core meets a failure of the database.
type Class uint8

// The classes, by SQLSTATE as ClassOf sorts them.
const (
	Transient Class = iota
	Contention
	Poison
	Fenced
	Broken
)

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
	Err     error
}

// Error implements error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrStandby says that the database answers but takes no writes.
var ErrStandby = errors.New("the database is a standby or read-only: point database.url at the primary, or promote this one")

// ClassOf returns the class of an SQLSTATE. Whatever is not known to pass by itself is poison.
func ClassOf(code string) Class {
	switch code {
	case "IC001":
		return Fenced
	case "IC002", "IC003":
		return Broken
	case "25006":
		return Transient
	case "40001", "40P01", "55P03", "57014":
		return Contention
	}
	for _, class := range []string{"08", "53", "57P0", "58"} {
		if strings.HasPrefix(code, class) {
			return Transient
		}
	}
	return Poison
}

// failure turns an error of the driver into an Error. A failure that the server did not
// report is one of the connection.
func failure(err error, doing string) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return &Error{Class: Transient, Lost: true, Err: fmt.Errorf("%s: %w", doing, err)}
	}
	e := &Error{Class: ClassOf(pg.Code), Code: pg.Code, Err: fmt.Errorf("%s: %s", doing, describe(pg))}
	// The server ends the session with these itself.
	e.Lost = strings.HasPrefix(pg.Code, "57P0") || strings.HasPrefix(pg.Code, "08")
	return e
}

// describe says what the server said, with what helps to find the place.
func describe(pg *pgconn.PgError) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s (SQLSTATE %s)", pg.Message, pg.Code)
	for _, part := range [...]struct{ name, text string }{
		{"detail", pg.Detail}, {"hint", pg.Hint}, {"table", pg.TableName},
		{"column", pg.ColumnName}, {"constraint", pg.ConstraintName},
	} {
		if part.text != "" {
			fmt.Fprintf(&s, ", %s: %s", part.name, part.text)
		}
	}
	return s.String()
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
	if errors.Is(err, context.Canceled) {
		return false
	}
	var e *Error
	return errors.As(err, &e) && (e.Class == Transient || e.Class == Contention)
}
