package installer

import (
	"context"
	"slices"

	"github.com/ichor-replicator/ichor/host/installer/querytree"
)

// identity is what is known of a tree about equality: 1.0 equals 1.00, and is another text. Where
// PostgreSQL takes one of several values that are equal, as the largest or that of a group, the
// result is the same each time only if equal ones are the same, or if nothing sees the difference.
type identity struct {
	// blurred are the expressions whose equal values may differ.
	blurred map[*querytree.Node]bool
	// hides are the calls whose result is the same for all equal values of their first argument,
	// or for comparisons of all.
	hides map[*querytree.Node]bool
	// classes are the equalities of comparisons and of groups.
	classes map[*querytree.Node][]equalityClass
	// columns are those of a set operation whose equal values may differ.
	columns map[*querytree.Node][]bool
	// keys are those of the relations in FROM clauses.
	keys map[*querytree.Node][]key
}

// identicalTypes are PostgreSQL's own types of which equal values are the same, byte for byte; of
// texts where the collation is exact. Not among them: numeric and char without a scale or length
// (1.0 and 1.00, 'a' and 'a '), floating point (0 and -0), interval ('1 day' and '24 hours'), jsonb (which has
// numerics in it). What is made of types that are identical is so too.
var identicalTypes = words(`bool bytea char name int2 int4 int8 oid tid text varchar macaddr macaddr8 money
	cidr inet date time timestamp timestamptz timetz bit varbit uuid pg_lsn xid8`)

// isIdentical reports whether equal values of a type are the same.
func (j *judge) isIdentical(ctx context.Context, number oid, typmod int, collation oid) (bool, error) {
	exact, err := j.cat.isExact(ctx, collation)
	if err != nil || !exact {
		return false, err
	}
	t, err := j.cat.dataType(ctx, number)
	for err == nil && t.Kind == "d" {
		typmod = max(typmod, t.Typmod)
		t, err = j.cat.dataType(ctx, t.Base)
	}
	if err != nil {
		return false, err
	}
	if t.builtIn() && (t.Name == "numeric" || t.Name == "bpchar") {
		return typmod >= 0, nil // then all have the same number of digits, or of blanks
	}
	is := true
	err = j.eachPart(ctx, t.Number, func(t *dataType) error {
		switch {
		case t.Loose:
			is = false
		case t.Kind == "e", t.Kind == "d", t.Element != 0, len(t.Columns) > 0:
		default:
			is = is && t.builtIn() && identicalTypes[t.Name]
		}
		return nil
	})
	return is, err
}

// Functions that give the same for equal arguments: of numeric, and of floating point too. What sharpens
// gives, in addition, equal results that are the same, for all arguments.
var (
	hidesNumeric = words("round trunc floor ceil ceiling sign trim_scale numeric int2 int4 int8 float4 float8")
	hidesFloat   = words("int2 int4 int8")
	sharpens     = words("round trunc floor ceil ceiling sign trim_scale numeric")
	fromWhole    = words("float4 float8 numeric")
)

// The numbers of the types that these functions take.
const (
	typeInt8    oid = 20
	typeInt2    oid = 21
	typeFloat4  oid = 700
	typeFloat8  oid = 701
	typeNumeric oid = 1700
)

// identities looks up what is known about equality in a tree.
func (j *judge) identities(ctx context.Context, nodes []*querytree.Node) (*identity, error) {
	id := &identity{
		map[*querytree.Node]bool{}, map[*querytree.Node]bool{}, map[*querytree.Node][]equalityClass{}, map[*querytree.Node][]bool{}, map[*querytree.Node][]key{},
	}
	return id, j.identify(ctx, id, nodes)
}

func (j *judge) identify(ctx context.Context, id *identity, nodes []*querytree.Node) error {
	for _, n := range nodes {
		if err := j.identifyNode(ctx, id, n); err != nil {
			return err
		}
		if err := j.identify(ctx, id, n.Children()); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) identifyNode(ctx context.Context, id *identity, n *querytree.Node) (err error) {
	switch n.Kind {
	case "OPEXPR", "DISTINCTEXPR", "SCALARARRAYOPEXPR":
		if id.hides[n], err = j.cat.isComparison(ctx, n.OID("opno")); err != nil {
			return err
		}
		// Another collation than the one by which they are equal sees the difference.
		id.hides[n] = id.hides[n] && n.OID("inputcollid") == 0
		id.classes[n], err = j.classesOf(ctx, n.OID("opno"), n.OID("inputcollid"))
	case "FUNCEXPR":
		err = j.identifyCall(ctx, id, n)
	case "SETOPERATIONSTMT":
		err = j.identifyColumns(ctx, id, n)
	case "QUERY":
		for _, list := range []string{"groupClause", "distinctClause"} {
			for _, by := range n.Nodes(list) {
				if i := slices.IndexFunc(n.Nodes("targetList"), func(t *querytree.Node) bool { return t.Int("ressortgroupref") == by.Int("tleSortGroupRef") }); i >= 0 && err == nil {
					id.classes[by], err = j.classesOf(ctx, by.OID("eqop"), n.Nodes("targetList")[i].Collation())
				}
			}
		}
	case "RANGETBLENTRY", "RTE":
		err = j.identifyKeys(ctx, id, n)
	}
	if t := n.Type(); err == nil && t != 0 && t != querytree.Bool {
		var identical bool
		identical, err = j.isIdentical(ctx, t, n.Typmod(), n.Collation())
		id.blurred[n] = !identical && !j.isSharp(ctx, n)
	}
	return err
}

func (j *judge) classesOf(ctx context.Context, operator, collation oid) ([]equalityClass, error) {
	families, err := j.cat.equalFamilies(ctx, operator)
	var all []equalityClass
	for _, family := range families {
		all = append(all, equalityClass{family, collation})
	}
	return all, err
}

func (j *judge) identifyCall(ctx context.Context, id *identity, n *querytree.Node) error {
	f, err := j.cat.function(ctx, n.OID("funcid"))
	if err != nil || !f.builtIn() || len(n.Nodes("args")) == 0 {
		return err
	}
	switch n.Nodes("args")[0].Type() {
	case typeNumeric:
		id.hides[n] = hidesNumeric[f.Name]
	case typeFloat4, typeFloat8:
		id.hides[n] = hidesFloat[f.Name]
	}
	return nil
}

// isSharp reports whether equal results of a call are the same though their type's need not be: they
// have a fixed number of digits, or the least, or were whole numbers.
func (j *judge) isSharp(ctx context.Context, n *querytree.Node) bool {
	if n.Kind == "TARGETENTRY" {
		n = n.Node("expr")
	}
	args := n.Nodes("args")
	if n.Kind != "FUNCEXPR" || len(args) == 0 || len(args) > 1 && args[1].Kind != "CONST" {
		return false
	}
	f, err := j.cat.function(ctx, n.OID("funcid"))
	if err != nil || !f.builtIn() {
		return false
	}
	switch args[0].Type() {
	case typeNumeric:
		return sharpens[f.Name]
	case typeInt2, querytree.Int4, typeInt8:
		return fromWhole[f.Name]
	}
	return false
}

func (j *judge) identifyColumns(ctx context.Context, id *identity, n *querytree.Node) error {
	typmods, collations := n.Ints("colTypmods"), n.OIDs("colCollations")
	for i, t := range n.OIDs("colTypes") {
		if i >= len(typmods) || i >= len(collations) {
			break
		}
		identical, err := j.isIdentical(ctx, t, typmods[i], collations[i])
		if err != nil {
			return err
		}
		id.columns[n] = append(id.columns[n], !identical)
	}
	return nil
}

func (j *judge) identifyKeys(ctx context.Context, id *identity, n *querytree.Node) error {
	if n.Int("rtekind") != entryRelation || n.OID("relid") == 0 {
		return nil
	}
	r, err := j.cat.relation(ctx, n.OID("relid"))
	if err != nil || r.Kind == "r" && len(r.Heirs) > 0 && n.Has("inh") {
		return err // an index of a parent says nothing of the rows of its children
	}
	id.keys[n], err = j.cat.uniqueKeys(ctx, r.Number)
	return err
}
