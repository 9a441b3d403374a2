// Package sqlpolicy says which SQL a guest may declare, and which values it may send.
//
// A template is parsed by Postgres's own parser and its tree is compared with a list of
// what is allowed: statements, clauses, types. What is not on the list is refused, by name and
// place, so that a later Postgres's syntax is refused until somebody has looked at it. What the
// list is made for: a guest changes rows of its own tables, by statements that give the same
// result whenever they are run again; it cannot end the transaction, change the session, look
// at the clock, or wait.
//
// The same templates are then given to the database, by package installer: it knows what their
// names mean.
package sqlpolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/wasilibs/go-pgquery/parser"

	"github.com/ichor-replicator/ichor/abi"
)

// Policy is what the owner of a database allows its guests beyond, and short of, the
// list. The zero Policy is a good one. Names are as Postgres folds them: lower case unless
// they were created in quotes.
type Policy struct {
	// Schema is where a relation is looked for that is named without one: the first schema
	// of the session's search path; default is public.
	Schema string
	// Relations are the only ones that templates may name, as schema.name or schema.*;
	// empty allows all but the host's own and the system's.
	Relations []string
	// Functions and Types are allowed beside Postgres's own: schema.name for one's own, a bare
	// name for a built-in one that would be refused. Functions must give the same result for the
	// same arguments, always.
	Functions []string
	Types     []string
	// Unbounded allows UPDATE and DELETE without a condition.
	Unbounded bool
	// Database says that a database is given the templates afterwards, by package installer:
	// what it knows better is left to it, as what an overloaded name means, or as what a text
	// is read. Without it, what may be wrong is refused.
	Database bool
}

// The schema that is assumed, and those of nobody but the host and the system. A relation
// of the host's stands outside of its schema because the cohort's own programs read it.
const (
	DefaultSchema = "public"
	hostSchema    = "ichor"
	hostRelation  = "cohort_snapshot"
)

// systemSchemas are refused whatever the policy says.
var systemSchemas = []string{hostSchema, "pg_catalog", "information_schema", "pg_toast", "pg_temp"}

// Finding is one reason why a template is refused.
type Finding struct {
	ID     uint32 // the template's
	Name   string
	Line   int // of its SQL, from 1; 0 when the finding has no place
	Column int
	What   string // what was found
	Hint   string // what to do
}

// String returns the finding as one line.
func (f Finding) String() string {
	text := fmt.Sprintf("template %d %s", f.ID, f.Name)
	if f.Line > 0 {
		text += fmt.Sprintf(", %d:%d", f.Line, f.Column)
	}
	text += ": " + f.What
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// Error is why the templates of a guest are refused: everything that was found.
type Error struct{ Findings []Finding }

// Error implements error.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "; ")
}

// Validate reports names that cannot be what the policy asks for.
func (p Policy) Validate() error {
	var errs []error
	for _, name := range p.Relations {
		schema, relation, ok := strings.Cut(name, ".")
		if !ok || schema == "" || relation == "" {
			errs = append(errs, fmt.Errorf("sql relation %q: want schema.name or schema.*", name))
		}
		if slices.Contains(systemSchemas, schema) {
			errs = append(errs, fmt.Errorf("sql relation %q: schema %s is not for guests", name, schema))
		}
	}
	for _, name := range append(slices.Clone(p.Functions), p.Types...) {
		if name == "" || strings.Count(name, ".") > 1 {
			errs = append(errs, fmt.Errorf("sql name %q: want schema.name, or the bare name of a built-in one", name))
		}
	}
	return errors.Join(errs...)
}

// Check compares templates with the policy. Its error is an *Error. The first call takes
// a second or two, for the parser has to be brought up; see Warm.
func (p Policy) Check(templates []abi.Template) error {
	Warm() // two first calls side by side would bring up two parsers
	var all []Finding
	for i := range templates {
		all = append(all, p.check(&templates[i])...)
	}
	if len(all) > 0 {
		return &Error{all}
	}
	return nil
}

// Warm brings the parser up, once a process; call it early, from a goroutine of its own.
var Warm = sync.OnceFunc(func() { _, _ = parser.ParseToJSON("select 1") })

// check returns what is wrong with one template.
func (p Policy) check(t *abi.Template) []Finding {
	if p.Schema == "" {
		p.Schema = DefaultSchema
	}
	c := &checker{policy: p, template: t, written: map[string]bool{}, used: make([]bool, len(t.Params)+1)}
	text, err := parse(t.SQL)
	if err != nil {
		var syntax *parser.Error
		if errors.As(err, &syntax) {
			c.find(syntax.Cursorpos-1, "see where it points", "%s", syntax.Message)
		} else {
			c.find(-1, "", "it cannot be parsed: %s", err)
		}
		return c.findings
	}
	c.tree([]byte(text))
	return c.findings
}

// checker collects what is wrong with one template.
type checker struct {
	policy   Policy
	template *abi.Template
	findings []Finding
	scope    []string // names of common table expressions that can be seen
	written  map[string]bool
	used     []bool            // parameters, from 1
	guarded  bool              // the guard column is mentioned
	inner    bool              // in a common table expression, whose rows are read
	windows  map[string]window // of the query that is looked at, by name
	same     []any             // what is the same in all its rows
	grouped  []any             // and what in all rows of a group
	made     float64           // bytes that functions make of constants
	at       int               // the place of the node that is looked at
}

// find notes a finding at a byte of the SQL, -1 for none.
func (c *checker) find(at int, hint, format string, args ...any) {
	f := Finding{ID: c.template.ID, Name: c.template.Name, What: fmt.Sprintf(format, args...), Hint: hint}
	if at >= 0 && at <= len(c.template.SQL) {
		before := c.template.SQL[:at]
		f.Line = strings.Count(before, "\n") + 1
		f.Column = len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	}
	c.findings = append(c.findings, f)
}
