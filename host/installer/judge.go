package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// Allowed is what the owner of the database allows templates beyond, and short of, what is
// allowed to all. Names are as PostgreSQL folds them. The zero Allowed is a good one.
type Allowed struct {
	// Functions may be called though their results may differ: schema.name, or the bare name of
	// a built-in one. The same names allow defaults, triggers and views that call them.
	Functions []string
	// Types are allowed though their input and output functions are somebody's own.
	Types []string
	// Relations are the only ones that templates may name, as schema.name or schema.*; empty
	// allows all but the host's own and the system's.
	Relations []string
	// Unbounded allows UPDATE and DELETE whose condition is not about the rows they change.
	Unbounded bool
}

// judge checks one template by the tree that PostgreSQL resolved: it must give the same result
// whenever it runs, and name only what guests may. See ../RATIONALE.md.
type judge struct {
	allowed  Allowed
	cat      *catalogue
	template *Template
	now      int64 // of the server, in microseconds since 2000
	offset   int   // of the template in the text that was parsed

	identity *identity // of the tree that is judged

	near    []*querytree.Node // constants that are times near the clock
	lacks   bool              // the role lacks a right that the plan needs
	refused []error
	told    []string // what happens beside the statement, for people
	// owner is what the tree belongs to that is looked at: "" is the template itself, else a
	// view, a default or the like, which the owner of the database made.
	owner   string
	visited map[string]bool // what was looked at beside the template
}

// Refusals as they are repeated.
const (
	hintFunctions = "if it does the same for the same arguments, always, add %s to guests.sql.functions"
	hintRelations = "a guest has the cohort's own tables"
)

// refuse notes a finding about a node; nil for one without a place.
func (j *judge) refuse(n *querytree.Node, hint, format string, args ...any) {
	e := &TemplateError{ID: j.template.ID, Name: j.template.Name, What: fmt.Sprintf(format, args...), Hint: hint}
	if j.owner != "" {
		e.What = j.owner + ": " + e.What
	} else if n != nil {
		if at := n.Location() - j.offset; at >= 0 && at <= len(j.template.SQL) {
			e.Line, e.Column = place(j.template.SQL, len([]rune(j.template.SQL[:at])))
		}
	}
	for _, known := range j.refused {
		if known.Error() == e.Error() {
			return
		}
	}
	j.refused = append(j.refused, e)
}

// tell notes an effect beside the statement that is allowed, as a trigger or a rule, for people.
func (j *judge) tell(format string, args ...any) {
	if what := fmt.Sprintf(format, args...); !slices.Contains(j.told, what) {
		j.told = append(j.told, what)
	}
}

// within judges the tree of something that the template brings in, such as a view or a default. Each
// is judged once.
func (j *judge) within(ctx context.Context, owner, text string) error {
	if text == "" || j.visited[owner] {
		return nil
	}
	j.visited[owner] = true
	before := j.owner
	j.owner = owner
	defer func() { j.owner = before }()
	return j.tree(ctx, text)
}

// tree judges a tree and all in it.
func (j *judge) tree(ctx context.Context, text string) error {
	before := j.identity
	defer func() { j.identity = before }()
	nodes := j.parse(text)
	var err error
	if j.identity, err = j.identities(ctx, nodes); err != nil {
		return err
	}
	if err = j.all(ctx, nodes); err == nil {
		j.picked(nodes)
	}
	return err
}

// parse reads a tree; one that cannot be read refuses the template.
func (j *judge) parse(text string) []*querytree.Node {
	if text == "" {
		return nil
	}
	nodes, err := querytree.Parse(text)
	if err != nil {
		j.refuse(nil, "say it with the clauses and functions that other templates use", "%s", unread(err))
	}
	return nodes
}

// unread says why a tree cannot be read, with the SQL of a node that is not known.
func unread(err error) string {
	var e *querytree.UnknownError
	if !errors.As(err, &e) {
		return err.Error()
	}
	for kind, words := range map[string]string{
		"XMLEXPR": "XML expressions are", "TABLEFUNC": "XMLTABLE and JSON_TABLE are", "TABLESAMPLECLAUSE": "TABLESAMPLE is",
		"ROWMARKCLAUSE": "a row lock is", "CURRENTOFEXPR": "CURRENT OF is",
		"CTESEARCHCLAUSE": "SEARCH is", "CTECYCLECLAUSE": "CYCLE is",
		"JSONCONSTRUCTOREXPR": "the JSON constructors are", "JSONEXPR": "the SQL/JSON functions are", "JSONISPREDICATE": "IS JSON is",
	} {
		if e.What == "a node "+kind {
			return words + " not allowed (" + kind + ")"
		}
	}
	return e.Error()
}

// all judges expressions and queries, and all below them.
func (j *judge) all(ctx context.Context, nodes []*querytree.Node) error {
	for _, n := range nodes {
		if err := j.node(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// node judges one node and all below it.
func (j *judge) node(ctx context.Context, n *querytree.Node) error {
	below := n.Children()
	var err error
	switch n.Kind {
	case "QUERY":
		err = j.query(ctx, n)
	case "FUNCEXPR":
		var settled bool
		settled, err = j.call(ctx, n, n.OID("funcid"))
		if settled { // the constant of nextval('s') is a regclass
			below = slices.DeleteFunc(below, func(b *querytree.Node) bool { return b.Kind == "CONST" })
		}
	case "AGGREF":
		_, err = j.call(ctx, n, n.OID("aggfnoid"))
	case "WINDOWFUNC":
		_, err = j.call(ctx, n, n.OID("winfnoid"))
	case "WINDOWCLAUSE":
		err = j.functions(ctx, n, n.OID("startInRangeFunc"), n.OID("endInRangeFunc"))
	case "OPEXPR", "DISTINCTEXPR", "NULLIFEXPR", "SCALARARRAYOPEXPR":
		err = j.operators(ctx, n, n.OID("opno"))
	case "ROWCOMPAREEXPR", "ROWCOMPARE":
		err = j.operators(ctx, n, n.OIDs("opnos")...)
	case "SORTGROUPCLAUSE":
		err = j.operators(ctx, n, n.OID("eqop"), n.OID("sortop"))
	case "RANGETBLFUNCTION":
		err = j.tableFunction(ctx, n)
	case "CONST":
		err = j.constant(ctx, n)
	case "COERCEVIAIO":
		err = j.coercion(ctx, n)
	case "COERCETODOMAIN":
		err = j.domain(ctx, n.OID("resulttype"))
	case "VAR":
		if n.Int("varattno") < 0 && j.owner == "" {
			j.refuse(n, "use a column of the table's own", "a column of the system's differs from database to database")
		}
	case "SQLVALUEFUNCTION":
		j.valueFunction(n)
	case "NEXTVALUEEXPR":
		j.refuse(n, "take the value from the statemap", "it draws from a sequence")
	}
	if err != nil {
		return err
	}
	return j.all(ctx, below)
}

// valueFunction judges CURRENT_TIMESTAMP and its like. What tells who is logged in is the same
// in every session of the host, so a default may use it.
func (j *judge) valueFunction(n *querytree.Node) {
	const firstOfSession = 9 // CURRENT_ROLE; those before are clocks
	if n.Int("op") < firstOfSession && !slices.Contains(j.allowed.Functions, "now") {
		j.refuse(n, "take the value from the statemap, or the time of the candidate as a parameter", "it reads the clock")
	} else if n.Int("op") >= firstOfSession && j.owner == "" {
		j.refuse(n, "take the value from the statemap", "it asks who is logged in")
	}
}

// call judges a call of a function. It reports whether that settles what its constants are: the
// settings name the function, or it is refused.
func (j *judge) call(ctx context.Context, n *querytree.Node, number oid) (settled bool, err error) {
	f, err := j.cat.function(ctx, number)
	if err != nil {
		return false, err
	}
	if j.owner == "" && !f.builtIn() {
		if err := j.needs(ctx, mayExecute, number); err != nil {
			return false, err
		}
	}
	if j.names(f) {
		return true, nil
	}
	before := len(j.refused)
	if err := j.function(ctx, n, number); err != nil || !f.builtIn() || len(j.refused) > before {
		return true, err
	}
	args := n.Nodes("args")
	switch {
	case writesText[f.Name]:
		for _, a := range args {
			err = errors.Join(err, j.output(ctx, n, a.Type()))
		}
	case writesJSON[f.Name]:
		for _, a := range args {
			err = errors.Join(err, j.json(ctx, n, a.Type()))
		}
	case readsColumns[f.Name] && n.OID("funcresulttype") != querytree.Record:
		err = j.input(ctx, n, n.OID("funcresulttype"))
	}
	return false, err
}

// tableFunction judges the columns that a function of json is asked for in FROM.
func (j *judge) tableFunction(ctx context.Context, n *querytree.Node) error {
	call := n.Node("funcexpr")
	if call == nil || call.Kind != "FUNCEXPR" {
		return nil
	}
	f, err := j.cat.function(ctx, call.OID("funcid"))
	if err != nil || !readsColumns[f.Name] || j.names(f) {
		return err
	}
	for _, t := range n.OIDs("funccoltypes") {
		if err := j.input(ctx, n, t); err != nil {
			return err
		}
	}
	return nil
}

// names reports whether the settings name a function.
func (j *judge) names(f *function) bool {
	if slices.Contains(j.allowed.Functions, f.Schema+"."+f.Name) {
		return true
	}
	return f.builtIn() && slices.Contains(j.allowed.Functions, f.Name)
}

func (j *judge) functions(ctx context.Context, n *querytree.Node, numbers ...oid) error {
	for _, number := range numbers {
		if number == 0 {
			continue
		}
		if err := j.function(ctx, n, number); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) operators(ctx context.Context, n *querytree.Node, numbers ...oid) error {
	for _, number := range numbers {
		if number == 0 {
			continue
		}
		f, err := j.cat.operator(ctx, number)
		if err != nil {
			return err
		}
		if _, err := j.call(ctx, n, f); err != nil {
			return err
		}
	}
	return nil
}

// function judges a function by what the catalogue says of it: PostgreSQL's own ones that are
// immutable or pinned, and those that the settings name. In what the owner of the database
// made, a function of one's own is taken at its word if it is declared immutable.
func (j *judge) function(ctx context.Context, n *querytree.Node, number oid) error {
	f, err := j.cat.function(ctx, number)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(f.Schema+"."+f.Name, catalogueSchema+".")
	switch {
	case j.names(f):
	case f.builtIn() && f.addsInexactly():
		j.refuse(n, "give it numeric values, as in sum(x::numeric), or add "+name+" to guests.sql.functions",
			"function %s gives another result where it meets the rows in another order, which differs from run to run", strings.TrimPrefix(f.Signature, catalogueSchema+"."))
	case f.builtIn() && sameEachTime(f.Name, f.Volatility):
		return j.functions(ctx, n, f.aggregateDetail...)
	case !f.builtIn() && f.Volatility == "i" && j.owner != "":
	case f.builtIn():
		hint := "take the value from the statemap, or the time of the candidate as a parameter"
		if j.owner != "" { // as a column's default, of which the owner may know that it does no harm
			hint = "take the value from the statemap, or add " + name + " to guests.sql.functions"
		}
		j.refuse(n, hint, "function %s may give another result each time", strings.TrimPrefix(f.Signature, catalogueSchema+"."))
	default:
		j.refuse(n, fmt.Sprintf(hintFunctions, name), "function %s.%s is not PostgreSQL's own", f.Schema, f.Signature)
	}
	return nil
}

// sameEachTime reports whether a function of PostgreSQL's own gives the same result for the
// same arguments in every session of the host.
func sameEachTime(name, volatility string) bool {
	return volatility == "i" && !mislabelled[name] || volatility == "s" && pinned[name]
}
