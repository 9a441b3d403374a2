package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// write is what a statement does to a relation.
type write struct {
	events int
	given  map[int]bool // the columns to which an INSERT gives values
	asked  map[int]bool // the columns for which DEFAULT is written
	read   map[int]bool // the columns that RETURNING gives to the rest of the statement
}

// writeOf returns what a query does to its target.
func writeOf(n *querytree.Node) write {
	w := write{given: map[int]bool{}, asked: map[int]bool{}, read: map[int]bool{}}
	w.returns(n.Nodes("returningList"), n.Int("resultRelation"))
	w.targets(n, n.Nodes("targetList"), n.Int("commandType"))
	for _, action := range n.Nodes("mergeActionList") {
		w.targets(n, action.Nodes("targetList"), action.Int("commandType"))
	}
	if conflict := n.Node("onConflict"); conflict != nil && conflict.Int("action") == conflictUpdate {
		w.targets(n, conflict.Nodes("onConflictSet"), commandUpdate)
	}
	return w
}

// wholeRow is the number of the column that stands for all.
const wholeRow = 0

func (w *write) returns(nodes []*querytree.Node, target int) {
	for _, n := range nodes {
		if n.Kind == "VAR" && n.Int("varno") == target {
			w.read[n.Int("varattno")] = true
		}
		w.returns(n.Children(), target)
	}
}

func (w *write) targets(query *querytree.Node, list []*querytree.Node, command int) {
	switch command {
	case commandInsert:
		w.events |= onInsert
	case commandUpdate:
		w.events |= onUpdate
	case commandDelete:
		w.events |= onDelete
	case commandMerge: // its actions say it
		return
	}
	for _, entry := range list {
		column, value := entry.Int("resno"), entry.Node("expr")
		if entry.Has("resjunk") || value == nil {
			continue
		}
		w.given[column] = w.given[column] || command == commandInsert
		if asksDefault(query, value) {
			w.asked[column] = true
		}
	}
}

// asksDefault reports whether a value is DEFAULT, or in one of several rows of VALUES.
func asksDefault(query, value *querytree.Node) bool {
	if value.Kind == "SETTODEFAULT" {
		return true
	}
	entries := query.Nodes("rtable")
	at := value.Int("varno")
	if value.Kind != "VAR" || at < 1 || at > len(entries) || value.Int("varlevelsup") != 0 {
		return false
	}
	for _, row := range entries[at-1].Lists("values_lists") {
		if i := value.Int("varattno"); i >= 1 && i <= len(row) && row[i-1].Kind == "SETTODEFAULT" {
			return true
		}
	}
	return false
}

// write judges everything that happens when a relation is written beside what the statement
// says: defaults, checks, rules, triggers, and foreign keys that change other relations.
func (j *judge) write(ctx context.Context, r *relation, w write) error {
	if !j.permitted(r) {
		return nil
	}
	if r.Kind == "f" || r.Kind == "m" {
		j.refuse(nil, hintRelations, "relation %s cannot be written in the transaction of a version", r)
		return nil
	}
	key := fmt.Sprint("write ", r, w)
	if j.visited[key] {
		return nil
	}
	j.visited[key] = true
	if err := j.defaults(ctx, r, w); err != nil {
		return err
	}
	for _, beside := range []func(context.Context, *relation, write) error{j.checks, j.rules, j.triggers, j.cascades} {
		if err := beside(ctx, r, w); err != nil {
			return err
		}
	}
	if r.Kind == "v" {
		return j.writeView(ctx, r, w)
	}
	return j.lookAtHeirs(ctx, r)
}

// defaults judges the defaults that a statement uses: of columns that an INSERT leaves out, or
// for which DEFAULT is written.
func (j *judge) defaults(ctx context.Context, r *relation, w write) error {
	columns, err := j.cat.columns(ctx, r.Number)
	if err != nil {
		return err
	}
	for _, c := range columns {
		asked := w.asked[c.Number]
		used := asked || w.events&onInsert != 0 && !w.given[c.Number]
		if !used && !c.Generated {
			continue
		}
		if err := j.columnDefault(ctx, r, c, asked || w.read[c.Number] || w.read[wholeRow]); err != nil {
			return err
		}
	}
	return nil
}

// columnDefault judges the default of one column. A number that a column draws from a sequence
// of its own, as serial and identity columns do, tells rows apart and is nobody's business:
// only a template that wants it, by DEFAULT or by RETURNING, is refused.
func (j *judge) columnDefault(ctx context.Context, r *relation, c column, wanted bool) error {
	owner := "column " + r.String() + "." + c.Name
	text := c.Default
	if text == "" {
		t, err := j.cat.dataType(ctx, c.Type)
		if err != nil {
			return err
		}
		text = t.Default
	}
	own := c.Identity
	if sequence := drawsFrom(text); sequence != 0 {
		var err error
		if !strings.HasPrefix(j.owner, foreignKey) { // which runs with the rights of the table's owner
			err = j.needs(ctx, mayUseSequence, sequence)
		}
		if err != nil {
			return err
		}
		if own, err = j.cat.owns(ctx, r.Number, c.Number, sequence); err != nil {
			return err
		}
	}
	switch {
	case !own:
		return j.within(ctx, "the default of "+owner, text)
	case wanted && !slices.Contains(j.allowed.Functions, "nextval"):
		j.refuse(nil, "leave the column out, take the value from the statemap, or add nextval to guests.sql.functions", "DEFAULT or RETURNING of %s, which draws from a sequence", owner)
	default:
		j.tell("%s draws from a sequence of its own", owner)
	}
	return nil
}

// drawsFrom returns the sequence of a default that is nextval('…') alone, or 0.
func drawsFrom(text string) oid {
	const nextval oid = 1574
	if text == "" {
		return 0
	}
	nodes, err := querytree.Parse(text)
	if err != nil || len(nodes) != 1 {
		return 0
	}
	n := nodes[0]
	for n.Kind == "FUNCEXPR" && n.OID("funcid") != nextval && n.Int("funcformat") != 0 && len(n.Nodes("args")) == 1 { // a cast
		n = n.Nodes("args")[0]
	}
	args := n.Nodes("args")
	if n.Kind != "FUNCEXPR" || n.OID("funcid") != nextval || len(args) != 1 || args[0].Kind != "CONST" {
		return 0
	}
	return wordOf(args[0].Bytes())
}

func (j *judge) checks(ctx context.Context, r *relation, w write) error {
	if w.events&(onInsert|onUpdate) == 0 {
		return nil
	}
	all, err := j.cat.checks(ctx, r)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := j.within(ctx, "check "+c.Name+" of "+r.String(), c.Tree); err != nil {
			return err
		}
	}
	return nil
}

// triggers judges a trigger by its name alone: nobody can see what its function does.
func (j *judge) triggers(ctx context.Context, r *relation, w write) error {
	all, err := j.cat.triggers(ctx, r)
	if err != nil {
		return err
	}
	events := w.events
	if r.Kind == "p" && events&onUpdate != 0 {
		events |= onInsert | onDelete // a row that moves to another partition
	}
	for _, t := range all {
		if t.Events&events == 0 {
			continue
		}
		f, err := j.cat.function(ctx, t.Function)
		if err != nil {
			return err
		}
		if !j.names(f) && (!f.builtIn() || !harmlessTriggers[f.Name]) {
			name := f.Schema + "." + f.Name
			j.refuse(nil, "if it does the same whenever it runs, and writes nothing of the host's, add "+name+" to guests.sql.functions",
				"relation %s has a trigger %s, whose function %s may do anything", r, t.Name, name)
			continue
		}
		j.tell("trigger %s of %s runs", t.Name, r)
		if err := j.within(ctx, "the condition of trigger "+t.Name+" of "+r.String(), t.Tree); err != nil {
			return err
		}
	}
	return nil
}

// foreignKey begins the name of an owner that is one.
const foreignKey = "foreign key "

// cascades judges the relations that foreign keys change along with this one.
func (j *judge) cascades(ctx context.Context, r *relation, w write) error {
	all, err := j.cat.cascades(ctx, r)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Events&w.events == 0 {
			continue
		}
		other, err := j.cat.relation(ctx, c.Target)
		if err != nil {
			return err
		}
		j.tell("foreign key %s changes %s too", c.Name, other)
		before := j.owner
		j.owner = foreignKey + c.Name
		follows := write{events: c.Changes, asked: map[int]bool{}}
		for _, number := range c.Columns {
			follows.asked[number] = true
		}
		err = j.write(ctx, other, follows)
		j.owner = before
		if err != nil {
			return err
		}
	}
	return nil
}

// writeView judges a view that is written: it must be one that PostgreSQL writes through to
// the relation below it, which is judged as if it were written itself.
func (j *judge) writeView(ctx context.Context, r *relation, w write) error {
	nodes := j.parse(r.View)
	if len(nodes) != 1 {
		return nil
	}
	query := nodes[0]
	below := query.Nodes("jointree")
	if len(below) != 1 || len(below[0].Nodes("fromlist")) != 1 || below[0].Nodes("fromlist")[0].Kind != "RANGETBLREF" {
		return j.within(ctx, "view "+r.String(), r.View) // its triggers and rules were judged
	}
	at := below[0].Nodes("fromlist")[0].Int("rtindex")
	through := write{events: w.events, given: map[int]bool{}, asked: map[int]bool{}, read: map[int]bool{}}
	for _, entry := range query.Nodes("targetList") {
		value := entry.Node("expr")
		if value != nil && value.Kind == "VAR" && value.Int("varno") == at {
			through.given[value.Int("varattno")] = w.given[entry.Int("resno")]
			through.asked[value.Int("varattno")] = w.asked[entry.Int("resno")]
			through.read[value.Int("varattno")] = w.read[entry.Int("resno")] || w.read[wholeRow]
		}
	}
	if err := j.within(ctx, "view "+r.String(), r.View); err != nil {
		return err
	}
	entries := query.Nodes("rtable")
	if at < 1 || at > len(entries) || entries[at-1].OID("relid") == 0 {
		return nil
	}
	base, err := j.cat.relation(ctx, entries[at-1].OID("relid"))
	if err != nil {
		return err
	}
	j.tell("view %s is written through to %s", r, base)
	before := j.owner
	j.owner = "view " + r.String()
	err = j.write(ctx, base, through)
	j.owner = before
	return err
}
