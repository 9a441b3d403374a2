package installer

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// The access method of ordinary indexes, and its strategy for what is equal.
const (
	btree = 403
	equal = 3
)

// key are the columns of a unique index, each with the equality by which it tells rows apart.
type key []keyColumn

type keyColumn struct {
	number int
	class  equalityClass
}

// equalityClass is one meaning of "equal": the family of operators that decides it, and the
// collation by which that compares texts, 0 for what is no text.
type equalityClass struct{ family, collation oid }

// uniqueKeys returns the unique indexes that hold for all rows of a relation, at every moment: one
// that is deferrable is checked at the end of the transaction, and one of a parent says nothing of its
// children's rows.
func (c *catalogue) uniqueKeys(ctx context.Context, relation oid) ([]key, error) {
	if all, known := c.unique[relation]; known {
		return all, nil
	}
	rows, err := c.tx.Query(ctx, `select (i.indkey::int[])[0:i.indnkeyatts - 1],
			array(select o.opcfamily from unnest(i.indclass::oid[]) with ordinality u(class, at) join pg_opclass o on o.oid = u.class order by u.at),
			i.indcollation::oid[]
		from pg_index i where i.indrelid = $1 and i.indisunique and i.indimmediate and i.indisvalid and not i.indisexclusion
			and i.indpred is null and i.indexprs is null order by i.indexrelid`, relation)
	if err != nil {
		return nil, fmt.Errorf("look up the unique indexes of relation %d: %w", relation, err)
	}
	all := []key{}
	var numbers []int
	var families, collations []oid
	_, err = pgx.ForEachRow(rows, []any{&numbers, &families, &collations}, func() error {
		var k key
		for i, number := range numbers {
			k = append(k, keyColumn{number, equalityClass{families[i], collations[i]}})
		}
		all = append(all, k)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up the unique indexes of relation %d: %w", relation, err)
	}
	c.unique[relation] = all
	return all, nil
}

// equalFamilies returns the families in which an operator is the one by which an index tells values apart.
func (c *catalogue) equalFamilies(ctx context.Context, operator oid) ([]oid, error) {
	if known, found := c.equal[operator]; found {
		return known, nil
	}
	var families []oid
	err := c.tx.QueryRow(ctx, "select array(select amopfamily from pg_amop where amopopr = $1 and amopmethod = $2 and amopstrategy = $3 order by 1)", operator, btree, equal).Scan(&families)
	if err != nil {
		return nil, fmt.Errorf("look up operator %d: %w", operator, err)
	}
	c.equal[operator] = families
	return families, nil
}

// isComparison reports whether an operator compares by the order, or the equality, that a type has
// by itself.
func (c *catalogue) isComparison(ctx context.Context, operator oid) (bool, error) {
	if known, found := c.compares[operator]; found {
		return known, nil
	}
	var is bool
	err := c.tx.QueryRow(ctx, `select exists (select 1 from pg_operator o where o.oid = $1 and o.oid < $2 and exists (
		select 1 from pg_amop a join pg_opclass k on k.opcfamily = a.amopfamily and k.opcdefault and k.opcmethod = $3
		where a.amopopr in (o.oid, o.oprnegate) and a.amopmethod = $3))`, operator, firstOwn, btree).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("look up operator %d: %w", operator, err)
	}
	c.compares[operator] = is
	return is, nil
}

// isExact reports whether a collation calls only those texts equal that are the same; so does none.
func (c *catalogue) isExact(ctx context.Context, collation oid) (bool, error) {
	if collation == 0 {
		return true, nil
	}
	if known, found := c.exact[collation]; found {
		return known, nil
	}
	var is bool
	if err := c.tx.QueryRow(ctx, "select collisdeterministic from pg_collation where oid = $1", collation).Scan(&is); err != nil {
		return false, fmt.Errorf("look up collation %d: %w", collation, err)
	}
	c.exact[collation] = is
	return is, nil
}
