package installer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// RightsError says which rights the role of database.url lacks: on the tables of a host, or for the templates of a guest.
type RightsError struct {
	Role   string
	Grants []string // the statements that give them, in order, each once
}

// Error implements error.
func (e *RightsError) Error() string {
	return fmt.Sprintf("role %s lacks rights: %s", e.Role, strings.Join(e.Grants, "; "))
}

// The rights that a query needs of a relation, as bits of requiredPerms.
const (
	mayInsert = 1 << iota
	maySelect
	mayUpdate
	mayDelete
)

// columnRights are the rights that may be given of single columns, with the fields of a tree that say
// of which they are needed.
var columnRights = []struct {
	bit         int
	name, field string
}{
	{maySelect, "SELECT", "selectedCols"}, {mayInsert, "INSERT", "insertedCols"}, {mayUpdate, "UPDATE", "updatedCols"},
}

// firstColumn is what PostgreSQL adds to the number of a column where it keeps a set of them.
const firstColumn = 7

// lacking is what the role may not do with one relation.
type lacking struct {
	relation string
	whole    map[string]bool         // rights on the relation
	columns  map[string]map[int]bool // rights on columns, by name
	names    map[int]string          // of the columns
}

// rights collects what the role lacks for the templates that were judged.
type rights struct {
	role      string
	relations map[oid]*lacking
	others    map[string]bool // statements that give rights on sequences, functions and schemas
}

func newRights(role string) *rights { return &rights{role, map[oid]*lacking{}, map[string]bool{}} }

// err returns what is lacking as an error, or nil.
func (r *rights) err() error {
	var grants []string
	for _, l := range r.relations {
		var what []string
		for _, right := range columnRights {
			if l.whole[right.name] {
				what = append(what, right.name)
				continue
			}
			var names []string
			for _, number := range slices.Sorted(maps.Keys(l.columns[right.name])) {
				names = append(names, l.names[number])
			}
			if len(names) > 0 {
				what = append(what, right.name+" ("+strings.Join(names, ", ")+")")
			}
		}
		if l.whole["DELETE"] {
			what = append(what, "DELETE")
		}
		if len(what) > 0 {
			grants = append(grants, "GRANT "+strings.Join(what, ", ")+" ON "+l.relation+" TO "+r.role)
		}
	}
	grants = slices.Sorted(slices.Values(slices.AppendSeq(grants, maps.Keys(r.others))))
	if len(grants) == 0 {
		return nil
	}
	return &RightsError{r.role, grants}
}

// rightsOf notes what the role lacks to execute one query of a template. PostgreSQL writes into the
// tree what it will ask for then: since 16 apart from the relations.
func (j *judge) rightsOf(ctx context.Context, n *querytree.Node) error {
	entries := n.Nodes("rteperminfos")
	if !n.Has("rteperminfos") {
		entries = n.Nodes("rtable")
	}
	for _, entry := range entries {
		if entry.Int("requiredPerms") == 0 || entry.OID("relid") == 0 {
			continue
		}
		if err := j.rightsOn(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) rightsOn(ctx context.Context, entry *querytree.Node) error {
	has, err := j.cat.privileges(ctx, entry.OID("relid"))
	if err != nil {
		return err
	}
	l := j.cat.rights.relations[entry.OID("relid")]
	if l == nil {
		l = &lacking{has.relation, map[string]bool{}, map[string]map[int]bool{}, map[int]string{}}
		j.cat.rights.relations[entry.OID("relid")] = l
	}
	perms := entry.Int("requiredPerms")
	if perms&mayDelete != 0 && !has.whole["DELETE"] {
		l.whole["DELETE"], j.lacks = true, true
	}
	for _, right := range columnRights {
		if perms&right.bit == 0 || has.whole[right.name] {
			continue
		}
		columns := entry.OIDs(right.field)
		if len(columns) == 0 && len(has.columns[right.name]) == 0 { // any column would do
			l.whole[right.name], j.lacks = true, true
		}
		for _, c := range columns {
			number := int(c) - firstColumn
			switch {
			case number == wholeRow && len(has.columns[right.name]) < len(has.names), number < wholeRow:
				l.whole[right.name], j.lacks = true, true
			case number > wholeRow && !has.columns[right.name][number]:
				if l.columns[right.name] == nil {
					l.columns[right.name] = map[int]bool{}
				}
				l.columns[right.name][number], l.names[number], j.lacks = true, has.names[number], true
			}
		}
	}
	return nil
}

// privileges returns what the role may do with a relation, in the form of what it may not.
func (c *catalogue) privileges(ctx context.Context, relation oid) (*lacking, error) {
	if known := c.granted[relation]; known != nil {
		return known, nil
	}
	has := &lacking{whole: map[string]bool{}, columns: map[string]map[int]bool{}, names: map[int]string{}}
	var mayS, mayI, mayU, mayD bool
	err := c.tx.QueryRow(ctx, `select format('%I.%I', n.nspname, c.relname), has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT'),
		has_table_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE')
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1`, relation).Scan(&has.relation, &mayS, &mayI, &mayU, &mayD)
	has.whole["SELECT"], has.whole["INSERT"], has.whole["UPDATE"], has.whole["DELETE"] = mayS, mayI, mayU, mayD
	var rows pgx.Rows
	if err == nil {
		rows, err = c.tx.Query(ctx, `select attnum::int, quote_ident(attname), has_column_privilege(attrelid, attnum, 'SELECT'),
			has_column_privilege(attrelid, attnum, 'INSERT'), has_column_privilege(attrelid, attnum, 'UPDATE')
			from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped`, relation)
	}
	if err == nil {
		var number int
		var name string
		_, err = pgx.ForEachRow(rows, []any{&number, &name, &mayS, &mayI, &mayU}, func() error {
			has.names[number] = name
			for right, may := range map[string]bool{"SELECT": mayS, "INSERT": mayI, "UPDATE": mayU} {
				if has.columns[right] == nil {
					has.columns[right] = map[int]bool{}
				}
				if may {
					has.columns[right][number] = true
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("look up the rights on relation %d: %w", relation, err)
	}
	c.granted[relation] = has
	return has, nil
}

// needs notes what the role lacks to use an object that is no relation: it is told by one statement.
func (j *judge) needs(ctx context.Context, sql string, number oid) error {
	var grant string
	if err := j.cat.tx.QueryRow(ctx, sql, number).Scan(&grant); err != nil {
		return fmt.Errorf("look up the rights on object %d: %w", number, err)
	}
	if grant != "" {
		j.cat.rights.others[grant+" TO "+j.cat.rights.role], j.lacks = true, true
	}
	return nil
}

// The questions of needs: they answer the statement without its role, "" if the right is there.
const (
	mayUseSequence = `select case when has_sequence_privilege(c.oid, 'USAGE, UPDATE') then ''
		else format('GRANT USAGE ON SEQUENCE %I.%I', n.nspname, c.relname) end
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1`
	mayExecute = `select case when has_function_privilege(p.oid, 'EXECUTE') then ''
		else format('GRANT EXECUTE ON FUNCTION %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) end
		from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = $1`
)

// schemasOf notes the schemas that a template seems to speak of and the role may not use, when the server
// could not read the template for that reason: an object is not permitted, or not found.
func (r *rights) schemasOf(ctx context.Context, tx pgx.Tx, t *Template, reason error) error {
	var pg *pgconn.PgError
	if !errors.As(reason, &pg) || !slices.Contains([]string{"42501", "42P01", "42883", "42704"}, pg.Code) {
		return nil
	}
	rows, err := tx.Query(ctx, `select pg_catalog.format('GRANT USAGE ON SCHEMA %I', n.nspname) from pg_catalog.pg_namespace n
		where not pg_catalog.has_schema_privilege(n.oid, 'USAGE') and n.nspname !~ '^(pg_|information_schema$|ichor$)' and (
			pg_catalog.strpos($1, n.nspname) > 0 or n.nspname = any (pg_catalog.regexp_split_to_array(pg_catalog.current_setting('search_path'), '[ ,"]+')))`, t.SQL)
	if err != nil {
		return err
	}
	grants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, grant := range grants {
		r.others[grant+" TO "+r.role] = true
	}
	return err
}
