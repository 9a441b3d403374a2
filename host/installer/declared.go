package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Declared is a template as a guest declares it.
type Declared struct {
	ID     uint32
	Name   string
	SQL    string
	Params []string // the type of each parameter, as PostgreSQL spells it
}

// TemplateError is why the database does not take a template.
type TemplateError struct {
	ID     uint32
	Name   string
	Line   int // of its SQL, from 1; 0 when the server names no place
	Column int
	What   string
	Hint   string
}

// Error implements error.
func (e *TemplateError) Error() string {
	text := fmt.Sprintf("template %d %s", e.ID, e.Name)
	if e.Line > 0 {
		text += fmt.Sprintf(", %d:%d", e.Line, e.Column)
	}
	text += ": " + e.What
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Try gives templates to the database as a lane would, in a transaction that it rolls back,
// and changes nothing: it prepares each, compares its parameters with what is declared, and
// plans its execution, for which the server checks the rights of the role. It returns a
// *TemplateError for each template that fails, joined, or an *Error when the database could
// not be asked.
func (in *Installer) Try(ctx context.Context, templates []Declared) error {
	return in.with(ctx, "check", func(ctx context.Context, conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return failure(err, "begin")
		}
		var refused []error
		for i := range templates {
			err := tryOne(ctx, tx, &templates[i])
			var e *TemplateError
			switch {
			case errors.As(err, &e):
				refused = append(refused, e)
			case err != nil:
				return failure(err, "try the templates")
			}
		}
		if err := tx.Rollback(ctx); err != nil {
			return failure(err, "roll back")
		}
		return errors.Join(refused...)
	})
}

// tryOne tries a template in a transaction of its own within tx.
func tryOne(ctx context.Context, tx pgx.Tx, t *Declared) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	trial := tryWithin(ctx, inner, t)
	if err := inner.Rollback(ctx); err != nil {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(trial, &pg) || IsTransient(failure(trial, "")) {
		return trial
	}
	e := &TemplateError{ID: t.ID, Name: t.Name, What: describe(pg)}
	if at := int(pg.Position) - 1; at >= 0 && pg.InternalQuery == "" {
		e.Line, e.Column = place(t.SQL, at)
	}
	if pg.Code == "42501" {
		e.Hint = "grant it to the role of database.url"
	}
	return e
}

const trial = "ichor_trial"

func tryWithin(ctx context.Context, tx pgx.Tx, t *Declared) error {
	description, err := tx.Prepare(ctx, trial, t.SQL)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Conn().Deallocate(ctx, trial) }() // a failed transaction has none; the session ends soon
	if have := len(description.ParamOIDs); have != len(t.Params) {
		return &TemplateError{ID: t.ID, Name: t.Name, What: fmt.Sprintf("it has %d parameters, the manifest declares %d", have, len(t.Params))}
	}
	for i, oid := range description.ParamOIDs {
		var is, want string
		if err := tx.QueryRow(ctx, "select $1::oid::regtype::text, $2::text::regtype::text", oid, t.Params[i]).Scan(&is, &want); err != nil {
			return err
		}
		if is != want {
			return &TemplateError{
				ID: t.ID, Name: t.Name, What: fmt.Sprintf("parameter $%d is %s in the database and %s in the manifest", i+1, is, t.Params[i]),
				Hint: fmt.Sprintf("write $%d::%s, or declare %s", i+1, t.Params[i], is),
			}
		}
	}
	nulls := strings.TrimSuffix(strings.Repeat("null,", len(t.Params)), ",")
	if nulls != "" {
		nulls = "(" + nulls + ")"
	}
	// The simple protocol: the statement's name is no parameter.
	_, err = tx.Conn().PgConn().Exec(ctx, "explain execute "+trial+nulls).ReadAll()
	return err
}

// place turns an index of a character into line and column, both from 1.
func place(text string, at int) (line, column int) {
	line, column = 1, 1
	for _, r := range text {
		if at == 0 {
			break
		}
		at--
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}
