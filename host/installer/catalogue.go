package installer

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// oid is the number of an object in the catalogue.
type oid = querytree.OID

// firstOwn is the lowest number that PostgreSQL gives to what its users create.
const firstOwn oid = 16384

const catalogueSchema = "pg_catalog"

// catalogue reads what numbers mean, each once. Its queries run with a search path of
// pg_catalog alone, for a cohort may have operators and functions of the same names.
type catalogue struct {
	tx        pgx.Tx // of the template that is judged
	functions map[oid]*function
	operators map[oid]oid
	types     map[oid]*dataType
	relations map[oid]*relation
	equal     map[oid][]oid    // the families of operators that compare for equality
	compares  map[oid]bool     // operators
	exact     map[oid]bool     // collations
	unique    map[oid][]key    // of relations
	granted   map[oid]*lacking // what the role may do with relations
	rights    *rights
	named     []named // the relations that the template which is judged names itself
}

// named is a relation as a template names it.
type named struct {
	name   string
	number oid
}

func newCatalogue(role string) *catalogue {
	return &catalogue{nil, map[oid]*function{}, map[oid]oid{}, map[oid]*dataType{}, map[oid]*relation{},
		map[oid][]oid{}, map[oid]bool{}, map[oid]bool{}, map[oid][]key{}, map[oid]*lacking{}, newRights(role), nil}
}

const ownPath = "set local search_path = pg_catalog; set local enable_seqscan = on; set local jit = off"

// asking lets f ask the catalogue. The cohort may have functions and operators of the same names as
// those in the queries; and a session in which a scan is dear compiles every query that has one.
func (c *catalogue) asking(ctx context.Context, tx pgx.Tx, f func() error) error {
	return inside(ctx, tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, ownPath); err != nil {
			return err
		}
		c.tx = tx
		return f()
	})
}

// function is a row of pg_proc.
type function struct {
	Number          oid
	Schema, Name    string
	Signature       string // with the types of its arguments, for people
	Volatility      string // i, s or v
	Kind            string // f, p, a or w
	aggregateDetail []oid  // the functions that an aggregate is made of
}

func (f *function) builtIn() bool { return f.Schema == catalogueSchema && f.Number < firstOwn }

func (c *catalogue) function(ctx context.Context, number oid) (*function, error) {
	if f := c.functions[number]; f != nil {
		return f, nil
	}
	f := &function{Number: number}
	err := c.tx.QueryRow(ctx, `select n.nspname::text, p.proname::text, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
		p.provolatile::text, p.prokind::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = $1`, number).
		Scan(&f.Schema, &f.Name, &f.Signature, &f.Volatility, &f.Kind)
	if err != nil {
		return nil, fmt.Errorf("look up function %d: %w", number, err)
	}
	if f.Kind == "a" {
		err := c.tx.QueryRow(ctx, `select array_remove(array[aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn,
			aggmtransfn, aggminvtransfn, aggmfinalfn]::oid[], 0::oid) from pg_aggregate where aggfnoid = $1`, number).Scan(&f.aggregateDetail)
		if err != nil {
			return nil, fmt.Errorf("look up aggregate %d: %w", number, err)
		}
	}
	c.functions[number] = f
	return f, nil
}

// operator returns the function of an operator.
func (c *catalogue) operator(ctx context.Context, number oid) (oid, error) {
	if f, known := c.operators[number]; known {
		return f, nil
	}
	var f oid
	if err := c.tx.QueryRow(ctx, "select oprcode::oid from pg_operator where oid = $1", number).Scan(&f); err != nil {
		return 0, fmt.Errorf("look up operator %d: %w", number, err)
	}
	c.operators[number] = f
	return f, nil
}

// dataType is a row of pg_type, with what a value of it is made of.
type dataType struct {
	Number       oid
	Schema, Name string
	Kind         string // b, c, d, e, p, r or m
	Element      oid    // of an array, or the subtype of a range
	Base         oid    // of a domain
	Typmod       int    // that a domain declares
	Input        oid    // its functions
	Output       oid
	Columns      []oid    // the types of a composite type's columns
	Loose        bool     // it has parts that are compared by a collation to which different texts are equal
	Checks       []string // of a domain, as trees
	Default      string   // of a domain, as a tree
	RangeParts   []oid    // the functions of a range type
}

func (t *dataType) builtIn() bool { return t.Schema == catalogueSchema && t.Number < firstOwn }

func (c *catalogue) dataType(ctx context.Context, number oid) (*dataType, error) {
	if t := c.types[number]; t != nil {
		return t, nil
	}
	t := &dataType{Number: number}
	err := c.tx.QueryRow(ctx, `select n.nspname::text, t.typname::text, t.typtype::text,
		coalesce(r.rngsubtype, case when t.typcategory = 'A' then t.typelem else 0 end), t.typbasetype, t.typtypmod, t.typinput::oid, t.typoutput::oid,
		array(select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0 and not a.attisdropped),
		exists (select 1 from pg_collation l where not l.collisdeterministic and (l.oid = r.rngcollation
			or l.oid in (select a.attcollation from pg_attribute a where a.attrelid = t.typrelid and t.typrelid <> 0))),
		array(select k.conbin::text from pg_constraint k where k.contypid = t.oid and k.conbin is not null),
		coalesce(t.typdefaultbin::text, ''),
		array_remove(array[coalesce(r.rngcanonical::oid, 0), coalesce(r.rngsubdiff::oid, 0)], 0::oid)
		from pg_type t join pg_namespace n on n.oid = t.typnamespace
		left join pg_range r on t.oid in (r.rngtypid, r.rngmultitypid) where t.oid = $1`, number).
		Scan(&t.Schema, &t.Name, &t.Kind, &t.Element, &t.Base, &t.Typmod, &t.Input, &t.Output, &t.Columns, &t.Loose, &t.Checks, &t.Default, &t.RangeParts)
	if err != nil {
		return nil, fmt.Errorf("look up type %d: %w", number, err)
	}
	c.types[number] = t
	return t, nil
}

// jsonCast returns the function of the cast of a type to json, which json functions call, or
// 0; of any type when the type is 0.
func (c *catalogue) jsonCasts(ctx context.Context, number oid) ([]oid, error) {
	var all []oid
	err := c.tx.QueryRow(ctx, `select array(select castfunc::oid from pg_cast
		where (castsource = $1 or $1 = 0::oid) and casttarget = 'json'::regtype and castfunc <> 0 and oid >= $2)`, number, firstOwn).Scan(&all)
	if err != nil {
		return nil, fmt.Errorf("look up casts of type %d: %w", number, err)
	}
	return all, nil
}

// relation is a row of pg_class.
type relation struct {
	Number       oid
	Schema, Name string
	Kind         string // r, p, v, m, f, S …
	Temporary    bool
	View         string   // its query, as a tree
	Policies     []string // of row security, as trees
	Heirs        []oid    // its children and theirs
}

func (r *relation) String() string { return r.Schema + "." + r.Name }

func (c *catalogue) relation(ctx context.Context, number oid) (*relation, error) {
	if r := c.relations[number]; r != nil {
		return r, nil
	}
	r := &relation{Number: number}
	err := c.tx.QueryRow(ctx, `select n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence <> 'p',
		coalesce((select w.ev_action::text from pg_rewrite w where w.ev_class = c.oid and w.ev_type = '1'), ''),
		array(select t from pg_policy p, unnest(array[p.polqual::text, p.polwithcheck::text]) t
			where p.polrelid = c.oid and c.relrowsecurity and t is not null),
		array(with recursive heir(number) as (select i.inhrelid from pg_inherits i where i.inhparent = c.oid
			union select i.inhrelid from pg_inherits i join heir h on i.inhparent = h.number) select number from heir)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $1`, number).
		Scan(&r.Schema, &r.Name, &r.Kind, &r.Temporary, &r.View, &r.Policies, &r.Heirs)
	if err != nil {
		return nil, fmt.Errorf("look up relation %d: %w", number, err)
	}
	c.relations[number] = r
	return r, nil
}

// column is a column of a relation that is written.
type column struct {
	Number    int
	Name      string
	Type      oid
	Default   string // as a tree; "" if there is none
	Identity  bool
	Generated bool
	NotNull   bool
}

func (c *catalogue) columns(ctx context.Context, relation oid) ([]column, error) {
	rows, err := c.tx.Query(ctx, `select a.attnum, a.attname::text, a.atttypid, coalesce(d.adbin::text, ''), a.attidentity <> '', a.attgenerated <> '', a.attnotnull
		from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
		where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`, relation)
	if err == nil {
		var all []column
		if all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[column]); err == nil {
			return all, nil
		}
	}
	return nil, fmt.Errorf("look up the columns of relation %d: %w", relation, err)
}

// owns reports whether a sequence belongs to a column, as that of a serial column does.
func (c *catalogue) owns(ctx context.Context, relation oid, column int, sequence oid) (bool, error) {
	var owned bool
	err := c.tx.QueryRow(ctx, `select exists (select 1 from pg_depend where classid = 'pg_class'::regclass and objid = $3
		and refclassid = 'pg_class'::regclass and refobjid = $1 and refobjsubid = $2 and deptype in ('a', 'i'))`, relation, column, sequence).Scan(&owned)
	if err != nil {
		return false, fmt.Errorf("look up the owner of sequence %d: %w", sequence, err)
	}
	return owned, nil
}

// attached is what stands beside a relation and runs when it is written: a trigger, a rule, a
// check, or a foreign key that changes another relation.
type attached struct {
	Name     string
	Events   int    // when it runs: a sum of the events below
	Function oid    // of a trigger
	Tree     string // of a rule's actions, a check, a trigger's condition
	More     string // of a rule's condition
	Target   oid    // the relation that a foreign key changes
	Changes  int    // what it does to that
	Columns  []int  // which it sets to their defaults
	Instead  bool   // a rule takes the statement's place
}

// The events that change a relation, as bits of pg_trigger.tgtype.
const (
	onInsert = 4
	onDelete = 8
	onUpdate = 16
)

func (c *catalogue) triggers(ctx context.Context, r *relation) ([]attached, error) {
	return c.attached(ctx, `select tgname::text, tgtype & 28, tgfoid::oid, coalesce(tgqual::text, ''), '', 0::oid, 0, '{}'::int[], false
		from pg_trigger where tgrelid = any($1) and not tgisinternal and tgenabled <> 'D' order by tgname`, append([]oid{r.Number}, r.Heirs...))
}

func (c *catalogue) rules(ctx context.Context, r *relation) ([]attached, error) {
	return c.attached(ctx, `select rulename::text, case ev_type when '2' then 16 when '3' then 4 else 8 end, 0::oid,
		coalesce(ev_action::text, ''), coalesce(ev_qual::text, ''), 0::oid, 0, '{}'::int[], is_instead
		from pg_rewrite where ev_class = any($1) and ev_type in ('2', '3', '4') and ev_enabled <> 'D' order by rulename`, []oid{r.Number})
}

func (c *catalogue) checks(ctx context.Context, r *relation) ([]attached, error) {
	return c.attached(ctx, `select conname::text, 20, 0::oid, conbin::text, '', 0::oid, 0, '{}'::int[], false
		from pg_constraint where conrelid = any($1) and contype = 'c' and conbin is not null order by conname`, append([]oid{r.Number}, r.Heirs...))
}

// cascades are the foreign keys of other relations that follow a change of this one.
func (c *catalogue) cascades(ctx context.Context, r *relation) ([]attached, error) {
	return c.attached(ctx, `select conname::text, 8, 0::oid, '', '', conrelid, case when confdeltype = 'c' then 8 else 16 end,
			case when confdeltype = 'd' then conkey::int[] else '{}' end, false
		from pg_constraint where confrelid = any($1) and contype = 'f' and confdeltype in ('c', 'n', 'd')
		union all select conname::text, 16, 0::oid, '', '', conrelid, 16, case when confupdtype = 'd' then conkey::int[] else '{}' end, false
		from pg_constraint where confrelid = any($1) and contype = 'f' and confupdtype in ('c', 'n', 'd') order by 1, 2`, append([]oid{r.Number}, r.Heirs...))
}

func (c *catalogue) attached(ctx context.Context, sql string, relations []oid) ([]attached, error) {
	rows, err := c.tx.Query(ctx, sql, relations)
	if err == nil {
		var all []attached
		if all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[attached]); err == nil {
			return all, nil
		}
	}
	return nil, fmt.Errorf("look up what stands beside relation %d: %w", relations[0], err)
}
