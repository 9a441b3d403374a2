package installer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Template is a statement that a guest declared. Its address is its identity: a lane prepares it
// once, so generations that declare the same statement share one, whose ID and Name are the first's.
type Template struct {
	ID     uint32 // in its guest's manifest; it and the name are for messages
	Name   string
	SQL    string
	Params []string // the type of each parameter, as PostgreSQL spells it; the server says those beyond
	Rows   int      // how many rows it must change, or AnyRows

	dropped atomic.Bool
	refused atomic.Pointer[TemplateError] // why lanes do not install by it now: see Look
	names   []named                       // what it named when it was looked at first; Look's alone
}

// Drop has each lane and its server forget the template with the next group: no generation declares it any more.
func (t *Template) Drop() { t.dropped.Store(true) }

// AnyRows lets a statement change any number of rows.
const AnyRows = -1

// TemplateError is why the database does not take a template.
type TemplateError struct {
	ID     uint32
	Name   string
	Line   int // of its SQL, from 1; 0 when the server names no place
	Column int
	What   string
	Hint   string

	byServer bool // it refuses the statement itself, whenever it is sent
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

// CheckTemplates gives templates to the database as a lane would, in transactions that are rolled
// back, and judges what the server made of them. It changes nothing. Of each template it asks:
//
//   - that it can be prepared with the types of its parameters that are declared,
//   - that everything in it, by the tree that PostgreSQL resolved, is allowed: see judge,
//   - that it means the same when it is read twice: a text in it may say "now",
//   - that its execution can be planned, for which the server checks the rights of the role.
//
// It returns, in the order of the templates and each once, what happens beside what they say:
// triggers, rules, foreign keys that change other relations, numbers drawn from a sequence.
// The error is a *TemplateError for everything that is wrong with each template, and a
// *RightsError of what the role may not do, joined; a *NotReadyError when the role lacks a right that
// the trial needs; or an *Error, which names the template that was tried, when the database could not
// be asked. One that runs into statement_timeout is tried trialTries times, for the server may be busy,
// and then refused: it would do so in every lane.
func (in *Installer) CheckTemplates(ctx context.Context, templates []Template) (told []string, err error) {
	tries := map[uint32]int{}
	for {
		tried, slow, err := in.tryAll(ctx, templates)
		if err == nil {
			return unique(tried.told), tried.err()
		}
		if slow == nil || ctx.Err() != nil {
			return nil, err
		}
		if tries[slow.ID]++; tries[slow.ID] == trialTries {
			return nil, &TemplateError{ID: slow.ID, Name: slow.Name,
				What: fmt.Sprintf("the server did not understand and plan it within database.statement_timeout of %v, %d times over", in.opts.StatementTimeout, trialTries),
				Hint: "what functions make of constants is computed whenever it is planned: let it be less, or give it as a parameter"}
		}
		select {
		case <-ctx.Done():
		case <-time.After(trialPause):
		}
	}
}

// How often a template is tried that runs into statement_timeout, and how long the server is left
// alone in between.
const (
	trialTries = 3
	trialPause = time.Second
)

// tried is what became of templates that were tried.
type tried struct {
	told    []string
	refused []error   // by template: nil for one that is taken
	names   [][]named // by template
	cat     *catalogue
}

// err returns what is wrong with the templates and what the role may not do, joined.
func (t *tried) err() error {
	return errors.Join(append(slices.Clone(t.refused), t.cat.rights.err())...)
}

// tryAll tries templates once, on a connection of its own. It returns the one that ran into
// statement_timeout, if that is what the error is about.
func (in *Installer) tryAll(ctx context.Context, templates []Template) (result *tried, slow *Template, err error) {
	conn, err := in.connectWithin(ctx, "check")
	if err != nil {
		return nil, nil, err
	}
	defer closeSoon(conn)
	var role string
	err = in.within(ctx, func(ctx context.Context) error {
		role, err = mayTry(ctx, conn)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	each := func(try func(ctx context.Context, tx pgx.Tx, i int) error) error {
		return in.trial(ctx, conn, func(tx pgx.Tx) error {
			for i := range templates {
				err := in.within(ctx, func(ctx context.Context) error { return try(ctx, tx, i) })
				if err != nil {
					e := failure(err, fmt.Sprintf("try template %d %s", templates[i].ID, templates[i].Name))
					if e.Class == TimedOut {
						slow = &templates[i]
					}
					return e
				}
			}
			return nil
		})
	}
	earlier := make([][sha256.Size]byte, len(templates)) // of each tree: all of them at once are too large
	err = each(func(ctx context.Context, tx pgx.Tx, i int) error {
		body, err := readBody(ctx, tx, &templates[i])
		if err != nil && refusal(&templates[i], err) == nil {
			return err
		}
		earlier[i] = sha256.Sum256([]byte(body)) // what is wrong is said the second time
		return nil
	})
	if err != nil {
		return nil, slow, err
	}
	cat := newCatalogue(role)
	result = &tried{refused: make([]error, len(templates)), names: make([][]named, len(templates)), cat: cat}
	err = each(func(ctx context.Context, tx pgx.Tx, i int) error {
		cat.named = nil
		beside, err := in.tryOne(ctx, tx, cat, &templates[i], earlier[i])
		result.told, result.names[i] = append(result.told, beside...), cat.named
		if e := refusal(&templates[i], err); e != nil {
			result.refused[i] = e
			return cat.rights.schemasOf(ctx, tx, &templates[i], err)
		}
		return err
	})
	if err != nil {
		return nil, slow, err
	}
	return result, nil, nil
}

// unique returns what stands in a list, each once.
func unique(all []string) []string {
	var once []string
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// firstVersion is the first PostgreSQL whose SQL functions have bodies that are trees.
const firstVersion = 14

// mayTry reports what the server or the role lacks for a trial, and the role as SQL names it.
func mayTry(ctx context.Context, conn *pgx.Conn) (role string, err error) {
	var version int
	var temporary bool
	var database string
	err = conn.QueryRow(ctx, `select current_setting('server_version_num')::int, has_database_privilege(current_database(), 'TEMPORARY'),
		quote_ident(current_user), quote_ident(current_database())`).Scan(&version, &temporary, &role, &database)
	switch {
	case err != nil:
		return "", failure(err, "ask what the role may do")
	case version < firstVersion*10_000:
		return "", &NotReadyError{What: fmt.Sprintf("the server is PostgreSQL %d, which cannot show how it understands a template", version/10_000), Hint: "use PostgreSQL 14 or newer"}
	case !temporary:
		return "", &NotReadyError{What: fmt.Sprintf("role %s may not make temporary objects in database %s, as the check of the guests' SQL does", role, database),
			Hint: fmt.Sprintf("GRANT TEMPORARY ON DATABASE %s TO %s", database, role)}
	}
	return role, nil
}

// trial runs f in a transaction that is rolled back.
func (in *Installer) trial(ctx context.Context, conn *pgx.Conn, f func(pgx.Tx) error) error {
	var tx pgx.Tx
	err := in.within(ctx, func(ctx context.Context) (err error) { tx, err = conn.Begin(ctx); return err })
	if err != nil {
		return failure(err, "begin")
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := in.within(ctx, tx.Rollback); err != nil {
		return failure(err, "roll back")
	}
	return nil
}

// refusal returns an error as one that is the template's, or nil if it is not.
func refusal(t *Template, err error) error {
	var e *TemplateError
	if errors.As(err, &e) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || IsTransient(failure(err, "")) {
		return nil
	}
	e = &TemplateError{ID: t.ID, Name: t.Name, What: describe(pg), byServer: true}
	if at := int(pg.Position) - 1; at >= 0 && pg.InternalQuery == "" {
		e.Line, e.Column = place(t.SQL, at)
	}
	if pg.Code == "42501" {
		e.Hint = "grant it to the role of database.url"
	}
	return e
}

// inside runs f in a part of a transaction that is rolled back.
func inside(ctx context.Context, tx pgx.Tx, f func(pgx.Tx) error) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	result := f(inner)
	if err := inner.Rollback(ctx); err != nil {
		return err
	}
	return result
}

// tryOne tries a template, of whose tree this was the hash in an earlier transaction.
func (in *Installer) tryOne(ctx context.Context, tx pgx.Tx, cat *catalogue, t *Template, earlier [sha256.Size]byte) (told []string, err error) {
	body, err := readBody(ctx, tx, t)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256([]byte(body)) != earlier {
		return nil, &TemplateError{ID: t.ID, Name: t.Name, What: "it means another thing each time that it is read: a text in it says now or the like",
			Hint: "take the time from the statemap, or the time of the candidate as a parameter"}
	}
	told, lacks, err := in.judge(ctx, tx, cat, t, body)
	if err != nil || lacks {
		return told, err // what the role lacks for the plan is in cat.rights
	}
	return told, inside(ctx, tx, func(tx pgx.Tx) error { return plan(ctx, tx, t) })
}

const trial = "ichor_trial"

// bodyMost bounds the tree of a template, in bytes of its text: a short query that hands a thousand
// columns on through sixty others has a tree of 10 MB, which takes hundreds to be judged.
const bodyMost = 2 << 20

// prepareAs prepares a template as a lane does, and checks how many parameters it has.
func prepareAs(ctx context.Context, tx pgx.Tx, t *Template) error {
	description, err := tx.Conn().PgConn().Prepare(ctx, trial, t.SQL, numbersOf(t.Params))
	if err != nil {
		return err
	}
	if have := len(description.ParamOIDs); have != len(t.Params) {
		_ = tx.Conn().Deallocate(ctx, trial) // the session ends soon
		return &TemplateError{ID: t.ID, Name: t.Name, What: fmt.Sprintf("it has %d parameters, the manifest declares %d", have, len(t.Params))}
	}
	return nil
}

// bodyHead and bodyTail make a function of a template, whose body the server keeps as the tree
// that it resolved. The function is never called.
const (
	bodyHead = "create function pg_temp." + trial + "(%s) returns void language sql begin atomic "
	bodyTail = "\n; end"
)

func headOf(t *Template) string { return fmt.Sprintf(bodyHead, strings.Join(t.Params, ", ")) }

// readBody returns a template as the server understands it.
func readBody(ctx context.Context, tx pgx.Tx, t *Template) (body string, err error) {
	err = inside(ctx, tx, func(tx pgx.Tx) error {
		if err := prepareAs(ctx, tx, t); err != nil {
			return err // BEFORE the text is put into another: it is one statement, or refused
		}
		defer func() { _ = tx.Conn().Deallocate(ctx, trial) }() // a failed transaction has none; the session ends soon
		if err := tx.Conn().PgConn().ExecParams(ctx, headOf(t)+t.SQL+bodyTail, nil, nil, nil, nil).Read().Err; err != nil {
			var pg *pgconn.PgError
			if errors.As(err, &pg) {
				pg.Position = max(0, pg.Position-int32(len(headOf(t)))) // a parameter's type is ASCII
			}
			return err
		}
		var size int
		const found = "from (select prosqlbody::text as body from pg_catalog.pg_proc where proname = $1 and pronamespace = pg_catalog.pg_my_temp_schema()) b"
		err := tx.QueryRow(ctx, "select coalesce(octet_length(body), 0), case when octet_length(body) <= $2 then body else '' end "+found, trial, bodyMost).Scan(&size, &body)
		if err == nil && size > bodyMost {
			return &TemplateError{ID: t.ID, Name: t.Name, What: fmt.Sprintf("what the database makes of it has %d bytes, more than %d", size, bodyMost),
				Hint: "name fewer columns, and none through several queries"}
		}
		return err
	})
	return body, err
}

// judge judges a template by its tree, and says whether the role lacks rights on what it names. The
// error is of what is wrong with it, or of the database.
func (in *Installer) judge(ctx context.Context, tx pgx.Tx, cat *catalogue, t *Template, body string) (told []string, lacks bool, err error) {
	j := &judge{allowed: in.opts.Allowed, cat: cat, template: t, offset: len(headOf(t)), visited: map[string]bool{}}
	err = cat.asking(ctx, tx, func() error {
		err := cat.tx.QueryRow(ctx, "select ((extract(epoch from now()) - extract(epoch from timestamptz '2000-01-01 00:00:00+00')) * 1000000)::bigint").Scan(&j.now)
		if err != nil {
			return err
		}
		return j.tree(ctx, body)
	})
	if err == nil {
		err = j.saysPresent(ctx, tx)
	}
	if err != nil {
		return nil, false, err
	}
	return j.told, j.lacks, errors.Join(j.refused...)
}

// plan makes the server plan the execution of a template, with nulls for values.
func plan(ctx context.Context, tx pgx.Tx, t *Template) error {
	if err := prepareAs(ctx, tx, t); err != nil {
		return err
	}
	defer func() { _ = tx.Conn().Deallocate(ctx, trial) }() // as above
	nulls := strings.TrimSuffix(strings.Repeat("null,", len(t.Params)), ",")
	if nulls != "" {
		nulls = "(" + nulls + ")"
	}
	// The simple protocol: the statement's name is no parameter.
	_, err := tx.Conn().PgConn().Exec(ctx, "explain execute "+trial+nulls).ReadAll()
	return err
}

// parameterTypes are the numbers of the types that parameters may have, the same in every
// PostgreSQL. A lane says them when it prepares a template, as they are said when it is judged:
// what PostgreSQL would make of $1 by itself may be another function.
var parameterTypes = map[string]uint32{
	"boolean": 16, "bytea": 17, "bigint": 20, "smallint": 21, "integer": 23, "text": 25, "json": 114, "real": 700,
	"double precision": 701, "text[]": 1009, "bigint[]": 1016, "varchar": 1043, "date": 1082, "time": 1083, "timestamp": 1114,
	"timestamptz": 1184, "interval": 1186, "numeric[]": 1231, "numeric": 1700, "uuid": 2950, "jsonb": 3802,
}

// numbersOf returns the types of a template's parameters, 0 for those whose name is not known:
// the server says what they are.
func numbersOf(params []string) []uint32 {
	all := make([]uint32, len(params))
	for i, name := range params {
		all[i] = parameterTypes[name]
	}
	return all
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
