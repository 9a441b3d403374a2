package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// The commands of a QUERY and of a MERGEACTION.
const (
	commandSelect = 1
	commandUpdate = 2
	commandInsert = 3
	commandDelete = 4
	commandMerge  = 5
)

// conflictUpdate is the action of ON CONFLICT DO UPDATE.
const conflictUpdate = 2

// query judges what is asked of the relations of one query. Its expressions are judged as
// nodes below it.
func (j *judge) query(ctx context.Context, n *querytree.Node) error {
	if n.Has("utilityStmt") {
		j.refuse(nil, "a template is INSERT, UPDATE, DELETE or MERGE", "a command that is no query")
	}
	if n.Has("hasRecursive") && j.owner == "" {
		j.refuse(nil, "recursion may never end", "WITH RECURSIVE is not allowed")
	}
	if j.owner == "" {
		if err := j.rightsOf(ctx, n); err != nil {
			return err
		}
	}
	if n.Has("limitCount") || n.Has("limitOffset") || n.Has("hasDistinctOn") {
		j.firsts(n)
	}
	target := n.Int("resultRelation")
	for i, entry := range n.Nodes("rtable") {
		if entry.OID("relid") == 0 {
			continue
		}
		r, err := j.cat.relation(ctx, entry.OID("relid"))
		if err != nil {
			return err
		}
		if j.owner == "" {
			j.cat.named = append(j.cat.named, named{r.String(), r.Number})
		}
		if i+1 == target {
			err = j.change(ctx, n, r)
		} else {
			err = j.read(ctx, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firsts tells of a query that takes the first of its rows and does not say which of them come first: of those that are equal by its
// ORDER BY any may. It is not refused, since who wrote it may know that no two are equal.
func (j *judge) firsts(q *querytree.Node) {
	sort := q.Nodes("sortClause")
	if len(sort) == 0 || q.Has("hasAggs") && !q.Has("groupClause") {
		return // what is in no order is refused by its text, and of one row it is the first
	}
	all := !q.Has("hasDistinctOn")
	for _, target := range q.Nodes("targetList") { // rows that are equal in all that is taken of them are the same
		all = all && (target.Has("resjunk") || slices.ContainsFunc(sort, func(by *querytree.Node) bool {
			return target.Int("ressortgroupref") == by.Int("tleSortGroupRef")
		}))
	}
	p := picks{id: j.identity}
	keyed := func(by *querytree.Node) bool { return p.keyed(q, "sortClause", by) }
	if from := q.Node("jointree").Nodes("fromlist"); all || len(from) == 1 && from[0].Kind == "RANGETBLREF" && slices.ContainsFunc(clauseOf(q, "sortClause"), keyed) {
		return
	}
	j.tell("a query takes the first of rows of which several may be equal by its ORDER BY, and then which of them differs from run to run: order by all columns of a unique index")
}

// change judges a query that changes a relation.
func (j *judge) change(ctx context.Context, n *querytree.Node, r *relation) error {
	if j.owner != "" && !slices.Contains(j.allowed.Relations, r.String()) {
		j.refuse(nil, "write to the relation itself, or add "+r.String()+" to guests.sql.relations", "it writes %s", r)
		return nil
	}
	if j.owner == "" && !j.allowed.Unbounded {
		spared, err := j.sparesRows(ctx, n, r)
		if err != nil {
			return err
		}
		if !spared {
			j.refuse(nil, "compare a column of it, or set guests.sql.unbounded", "a condition that is not about the rows of %s changes every one of them", r)
		}
	}
	if command := n.Int("commandType"); j.owner == "" && (command == commandUpdate || command == commandDelete) {
		if err := j.matched(ctx, n); err != nil {
			return err
		}
	}
	return j.write(ctx, r, writeOf(n))
}

// sparesRows reports whether the condition of a query mentions a column of its target. A test for null
// of a column that is NOT NULL does not count.
func (j *judge) sparesRows(ctx context.Context, n *querytree.Node, r *relation) (bool, error) {
	columns, err := j.cat.columns(ctx, r.Number)
	if err != nil {
		return false, err
	}
	about := aboutTarget{target: n.Int("resultRelation"), never: map[int]bool{}}
	for _, c := range columns {
		about.never[c.Number] = c.NotNull
	}
	var quals []*querytree.Node
	if from := n.Node("jointree"); from != nil {
		quals = append(from.Nodes("quals"), n.Nodes("mergeJoinCondition")...)
		for _, join := range from.Nodes("fromlist") { // of a MERGE, before 17
			quals = append(quals, join.Nodes("quals")...)
		}
	}
	switch n.Int("commandType") {
	case commandUpdate, commandDelete:
		return about.any(quals, 0), nil
	case commandMerge:
		for _, action := range n.Nodes("mergeActionList") {
			command := action.Int("commandType")
			if (command == commandUpdate || command == commandDelete) && !about.any(append(action.Nodes("qual"), quals...), 0) {
				return false, nil
			}
		}
	}
	return true, nil
}

// aboutTarget finds columns of a query's target.
type aboutTarget struct {
	target int
	never  map[int]bool // the columns that are never null
}

func (a aboutTarget) any(all []*querytree.Node, level int) bool {
	return slices.ContainsFunc(all, func(n *querytree.Node) bool {
		inner := level
		switch n.Kind {
		case "VAR":
			return a.is(n, level)
		case "NULLTEST":
			if of := n.Node("arg"); of != nil && of.Kind == "VAR" && a.is(of, level) {
				return !a.never[of.Int("varattno")]
			}
		case "QUERY":
			inner++
		}
		return a.any(n.Children(), inner)
	})
}

func (a aboutTarget) is(column *querytree.Node, level int) bool {
	return column.Int("varno") == a.target && column.Int("varlevelsup") == level
}

// permitted reports whether guests may name a relation, and refuses the template if not.
func (j *judge) permitted(r *relation) bool {
	full := r.String()
	switch {
	case r.Schema == "ichor" || r.Schema == "information_schema" || strings.HasPrefix(r.Schema, "pg_") || r.Name == "cohort_snapshot":
		j.refuse(nil, hintRelations, "relation %s is not for guests", full)
	case r.Temporary:
		j.refuse(nil, hintRelations, "relation %s is temporary, or unlogged: a crash of the server empties it", full)
	case r.Kind == "S":
		j.refuse(nil, "take the value from the statemap", "relation %s is a sequence", full)
	case r.Kind == "f" && !slices.Contains(j.allowed.Relations, full):
		j.refuse(nil, "add it to guests.sql.relations if it is read alone and never changes", "relation %s is on another server", full)
	case j.owner == "" && len(j.allowed.Relations) > 0 && !slices.Contains(j.allowed.Relations, full) && !slices.Contains(j.allowed.Relations, r.Schema+".*"):
		j.refuse(nil, "add it to guests.sql.relations", "relation %s is not among those allowed", full)
	default:
		return true
	}
	return false
}

// read judges a relation that is read: what a view is made of, and the policies of its rows.
func (j *judge) read(ctx context.Context, r *relation) error {
	if !j.permitted(r) {
		return nil
	}
	if r.Kind == "v" {
		if err := j.within(ctx, "view "+r.String(), r.View); err != nil {
			return err
		}
	}
	return j.lookAtHeirs(ctx, r)
}

// lookAtHeirs judges the policies of a relation and the relations that inherit from it, which
// are read and written with it.
func (j *judge) lookAtHeirs(ctx context.Context, r *relation) error {
	for i, policy := range r.Policies {
		if err := j.within(ctx, fmt.Sprintf("policy %d of %s", i+1, r), policy); err != nil {
			return err
		}
	}
	for _, number := range r.Heirs {
		heir, err := j.cat.relation(ctx, number)
		if err != nil {
			return err
		}
		before := j.owner
		j.owner = "a part of " + r.String()
		j.permitted(heir)
		j.owner = before
	}
	return nil
}
