package installer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// guard asks again what was asked of templates when their guests were accepted. A table that is made
// UNLOGGED, put behind a view or hidden by another of its name is no error to the server: the versions
// would be installed, and their effects lost.
type guard struct {
	turn    chan struct{} // holds one thing while somebody looks: the fields below are theirs
	watched []*Template
	what    objects
	sum     string    // of what, when the templates were last taken; "" has all be judged again
	sure    time.Time // when the last look began that found the database as it was; zero before
	changes atomic.Int64
}

// objects are what a judgement depends on, for fingerprint.
type objects struct {
	relations, functions, types []oid
	relationNames, schemas      []string
	functionNames               []string
}

// Look judges again the templates by which lanes may install, if what they depend on in the database changed,
// or another is among them than the last time. Lanes do not install by a template that would be refused by
// now, nor by one that names other relations than when it was looked at first: their versions fail with an
// *Error of which IsNoLongerTaken is true, until a later look finds the database as it was. What the server
// itself refuses is left to the lanes. The error says that the database could not be asked.
func (in *Installer) Look(ctx context.Context, templates []*Template) error {
	end, err := in.guard.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	g := &in.guard
	begun := time.Now()
	if !sameTemplates(g.watched, templates) {
		g.watched, g.sum = slices.Clone(templates), ""
	}
	if g.sum != "" {
		err = in.with(ctx, "look", in.lookOn)
		if err != nil && !IsTransient(err) && ctx.Err() == nil { // a session of the role is no longer as it must be
			g.sum = ""
		}
	}
	if g.sum == "" {
		err = in.lookAgain(ctx)
	}
	if g.sum != "" && err == nil {
		g.sure = begun
	}
	return err
}

// Refused returns, for people, what speaks against the templates by which lanes do not install: each thing once, for one
// table that was altered speaks against many.
func Refused(templates []*Template) error {
	var all []error
	said := map[string]bool{}
	also := 0
	for _, t := range templates {
		e := t.refused.Load()
		switch {
		case e == nil:
		case said[e.What]:
			also++
		default:
			said[e.What] = true
			all = append(all, e)
		}
	}
	if also > 0 {
		all = append(all, fmt.Errorf("the same of %d more", also))
	}
	return errors.Join(all...)
}

// lookIfChanged is Look for a lane that connects: what was accepted on the connection before may be refused by now.
func (in *Installer) lookIfChanged(ctx context.Context, conn *pgx.Conn) error {
	end, err := in.guard.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return in.lookOn(ctx, conn)
}

// begin waits until nobody else looks.
func (g *guard) begin(ctx context.Context) (end func(), err error) {
	select {
	case g.turn <- struct{}{}:
		return func() { <-g.turn }, nil
	case <-ctx.Done():
		return nil, failure(context.Cause(ctx), "wait for the look at the guests' tables")
	}
}

// lookOn asks on a session whether anything changed, and judges again if so.
func (in *Installer) lookOn(ctx context.Context, conn *pgx.Conn) error {
	g := &in.guard
	if g.sum != "" {
		now, err := in.fingerprint(ctx, conn, &g.what)
		if err != nil || now == g.sum {
			return err
		}
	} else if len(g.watched) == 0 {
		return nil
	}
	return in.lookAgain(ctx)
}

// looksMost bounds how often templates are judged in one look while the database goes on changing.
const looksMost = 3

// lookAgain judges all templates again. What they depend on must be the same before and after, or the
// judgement is of neither.
func (in *Installer) lookAgain(ctx context.Context) error {
	g := &in.guard
	before := g.sum
	g.sum = ""
	for range looksMost {
		r, err := in.judgeWatched(ctx)
		g.changes.Add(1) // AFTER: what was prepared while it was judged may be of before
		if err != nil {
			return err
		}
		if r == nil {
			return nil // some are refused: all are judged again the next time
		}
		g.what = in.objectsOf(r)
		var now string
		err = in.with(ctx, "look", func(ctx context.Context, conn *pgx.Conn) (err error) {
			now, err = in.fingerprint(ctx, conn, &g.what)
			return err
		})
		if err != nil {
			return err
		}
		if now == before {
			g.sum = now
			return nil
		}
		before = now
	}
	return nil
}

// judgeWatched judges the watched templates; nil if one is not taken. What they are refused for is in them.
func (in *Installer) judgeWatched(ctx context.Context) (*tried, error) {
	g := &in.guard
	if len(g.watched) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to judge
	}
	templates := make([]Template, len(g.watched))
	for i, t := range g.watched {
		templates[i] = Template{ID: t.ID, Name: t.Name, SQL: t.SQL, Params: t.Params}
	}
	r, _, err := in.tryAll(ctx, templates)
	if IsTransient(err) || ctx.Err() != nil {
		return nil, err
	}
	all := err == nil
	for i, t := range g.watched {
		var wrong *TemplateError
		switch {
		case err != nil: // it cannot be found out whether they would be taken
			wrong = &TemplateError{ID: t.ID, Name: t.Name, What: err.Error()}
		case r.refused[i] != nil:
			all = false
			wrong = silent(r.refused[i])
		case t.names == nil:
			t.names = r.names[i]
		default:
			wrong = t.namesOthers(r.names[i])
		}
		if all = all && wrong == nil; wrong != nil && err == nil && !g.sure.IsZero() {
			wrong.What += fmt.Sprintf("; what was installed after %s may lack its effects: ichor verify --scratch says which rows", g.sure.UTC().Format(time.RFC3339))
		}
		in.tellRefused(t, wrong)
	}
	if !all {
		return nil, nil //nolint:nilnil // as above
	}
	return r, nil
}

// silent returns what the judge says against a template. Where it is the server that refuses it, the server says so to
// the lane too, and the version is held with that error.
func silent(refused error) *TemplateError {
	var e *TemplateError
	if !errors.As(refused, &e) || e.byServer {
		return nil
	}
	return e
}

// tellRefused notes what speaks against a template, and says in one line when that begins, changes and ends.
func (in *Installer) tellRefused(t *Template, wrong *TemplateError) {
	before := t.refused.Swap(wrong)
	switch {
	case wrong != nil && (before == nil || before.Error() != wrong.Error()):
		in.log.Error("the database is no longer as it was when the guest was accepted: versions wait that need this template, until it is undone", "because", wrong)
	case wrong == nil && before != nil:
		in.log.Info("the database takes the template again: its versions go on", "template", t.Name)
	}
}

// namesOthers says that a template names other relations now than at first, or returns nil. A table in the place
// of another has none of what was installed.
func (t *Template) namesOthers(now []named) *TemplateError {
	var gone, come []string
	for _, n := range t.names {
		if !slices.Contains(now, n) {
			gone = append(gone, n.name)
		}
	}
	for _, n := range now {
		if !slices.Contains(t.names, n) {
			come = append(come, n.name)
		}
	}
	if len(gone)+len(come) == 0 {
		return nil
	}
	what := fmt.Sprintf("it names %s now, where it named %s when the guest was accepted", strings.Join(come, ", "), strings.Join(gone, ", "))
	if slices.Equal(gone, come) {
		what = fmt.Sprintf("it names another relation %s than when the guest was accepted: that one was dropped or renamed", strings.Join(come, ", "))
	}
	return &TemplateError{ID: t.ID, Name: t.Name, What: what, Hint: "undo that; if it is meant, and the rows are where it leads now, restart the host"}
}

func sameTemplates(a, b []*Template) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(t *Template) bool { return !slices.Contains(b, t) })
}

// searchPath separates the schemas of a search path.
var searchPath = regexp.MustCompile(`[ ,"]+`)

// objectsOf returns what a judgement looked up.
func (in *Installer) objectsOf(r *tried) objects {
	o := objects{
		relations: slices.Collect(maps.Keys(r.cat.relations)), functions: slices.Collect(maps.Keys(r.cat.functions)), types: slices.Collect(maps.Keys(r.cat.types)),
		schemas: searchPath.Split(in.opts.SearchPath, -1),
	}
	for _, f := range r.cat.functions {
		o.functionNames = append(o.functionNames, f.Name)
	}
	for _, known := range r.cat.relations {
		o.relationNames, o.schemas = append(o.relationNames, known.Name), append(o.schemas, known.Schema)
	}
	return o
}

// sqlFingerprint sums up the rows of the catalogue that a judgement read, and those that would make it read others: a relation or
// a function of one of the names in a schema that is searched. Every change of a row gives it another xmin, but for the counts
// that VACUUM and ANALYZE leave there.
const sqlFingerprint = `with path as (select oid, xmin from pg_namespace where nspname = any($3::text[]) or nspname = current_user and '$user' = any($3::text[])),
	rel as (select unnest($1::oid[]) as oid union select c.oid from pg_class c join path on path.oid = c.relnamespace where c.relname = any($2::text[]))
	select md5(string_agg(kind || a || ':' || b || ':' || x, ',' order by kind, a, b, x)) from (
		select 'version' as kind, 0::oid as a, 0 as b, '1' as x
		union all select 'schema', oid, 0, xmin::text from path
		union all select 'relation', oid, 0, xmin::text from pg_class where oid in (select oid from rel)
		union all select 'column', attrelid, attnum, xmin::text from pg_attribute where attrelid in (select oid from rel) and attnum > 0
		union all select 'default', oid, 0, xmin::text from pg_attrdef where adrelid in (select oid from rel)
		union all select 'rule', oid, 0, xmin::text from pg_rewrite where ev_class in (select oid from rel)
		union all select 'trigger', oid, 0, xmin::text from pg_trigger where tgrelid in (select oid from rel)
		union all select 'policy', oid, 0, xmin::text from pg_policy where polrelid in (select oid from rel)
		union all select 'constraint', oid, 0, xmin::text from pg_constraint where conrelid in (select oid from rel) or contypid = any($6::oid[]) and contypid <> 0
		union all select 'index', indexrelid, 0, xmin::text from pg_index where indrelid in (select oid from rel)
		union all select 'heir', inhrelid, inhseqno, xmin::text from pg_inherits where inhparent in (select oid from rel)
		union all select 'function', oid, 0, xmin::text from pg_proc where oid = any($4::oid[])
			or proname = any($5::text[]) and pronamespace in (select oid from path)
		union all select 'operator', oid, 0, xmin::text from pg_operator where oid >= $7
		union all select 'type', oid, 0, xmin::text from pg_type where oid = any($6::oid[])
		union all select 'cast', oid, 0, xmin::text from pg_cast where oid >= $7
	) all_of_them`

// fingerprint returns a word that is another whenever a judgement might be.
func (in *Installer) fingerprint(ctx context.Context, conn *pgx.Conn, o *objects) (sum string, err error) {
	tx, err := conn.Begin(ctx)
	if err == nil {
		if _, err = tx.Exec(ctx, ownPath); err == nil {
			err = tx.QueryRow(ctx, sqlFingerprint, pgx.QueryExecModeDescribeExec, o.relations, o.relationNames, o.schemas, o.functions, o.functionNames, o.types, firstOwn).Scan(&sum)
		}
		err = errors.Join(err, tx.Rollback(ctx))
	}
	if err != nil {
		return "", failure(err, "look whether the guests' tables changed")
	}
	return sum, nil
}

// refusedNow says that a group has a version whose template is not taken by now, or returns nil.
func refusedNow(g *Group) error {
	for i := range g.Works {
		for _, s := range g.Works[i].Statements {
			if e := s.Template.refused.Load(); e != nil {
				return &Error{Class: Transient, Code: codeTemplate, Culprit: g.Works[i].Version, Err: fmt.Errorf("the database changed: %w", e)}
			}
		}
	}
	return nil
}
