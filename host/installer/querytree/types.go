package querytree

// The numbers of types that every PostgreSQL has.
const (
	Bool   OID = 16
	Int4   OID = 23
	Record OID = 2249
)

// The kinds of SUBLINK whose type is that of their query.
const (
	subLinkExpression = 4
	subLinkArray      = 6
)

// typeFields says which field of an expression is its type.
var typeFields = map[string]string{
	"VAR": "vartype", "CONST": "consttype", "PARAM": "paramtype", "AGGREF": "aggtype", "WINDOWFUNC": "wintype",
	"SUBSCRIPTINGREF": "refrestype", "FUNCEXPR": "funcresulttype", "OPEXPR": "opresulttype", "NULLIFEXPR": "opresulttype",
	"FIELDSELECT": "resulttype", "FIELDSTORE": "resulttype", "RELABELTYPE": "resulttype", "COERCEVIAIO": "resulttype",
	"ARRAYCOERCEEXPR": "resulttype", "CONVERTROWTYPEEXPR": "resulttype", "COERCETODOMAIN": "resulttype",
	"CASEEXPR": "casetype", "CASE": "casetype", "CASETESTEXPR": "typeId", "ARRAYEXPR": "array_typeid", "ARRAY": "array_typeid",
	"ROWEXPR": "row_typeid", "ROW": "row_typeid", "COALESCEEXPR": "coalescetype", "COALESCE": "coalescetype",
	"MINMAXEXPR": "minmaxtype", "MINMAX": "minmaxtype", "SQLVALUEFUNCTION": "type", "COERCETODOMAINVALUE": "typeId",
	"SETTODEFAULT": "typeId", "NEXTVALUEEXPR": "typeId",
}

// Type returns the type of an expression. That of ARRAY(SELECT …) is given as the type of its
// elements; that of nothing is 0.
func (n *Node) Type() OID {
	if n == nil {
		return 0
	}
	if field, found := typeFields[n.Kind]; found {
		return n.OID(field)
	}
	switch n.Kind {
	case "GROUPINGFUNC":
		return Int4
	case "TARGETENTRY":
		return n.Node("expr").Type()
	case "NAMEDARGEXPR", "COLLATEEXPR", "COLLATE":
		return n.Node("arg").Type()
	case "SUBLINK":
		if kind := n.Int("subLinkType"); kind == subLinkExpression || kind == subLinkArray {
			if query := n.Node("subselect"); query != nil && len(query.Nodes("targetList")) > 0 {
				return query.Nodes("targetList")[0].Type()
			}
		}
	}
	return Bool
}

// collationFields says which field of an expression is its collation.
var collationFields = map[string]string{
	"VAR": "varcollid", "CONST": "constcollid", "PARAM": "paramcollid", "AGGREF": "aggcollid", "WINDOWFUNC": "wincollid",
	"SUBSCRIPTINGREF": "refcollid", "FUNCEXPR": "funccollid", "OPEXPR": "opcollid", "NULLIFEXPR": "opcollid",
	"FIELDSELECT": "resultcollid", "RELABELTYPE": "resultcollid", "COERCEVIAIO": "resultcollid", "ARRAYCOERCEEXPR": "resultcollid",
	"COERCETODOMAIN": "resultcollid", "CASEEXPR": "casecollid", "CASE": "casecollid", "CASETESTEXPR": "collation",
	"ARRAYEXPR": "array_collid", "ARRAY": "array_collid", "COALESCEEXPR": "coalescecollid", "COALESCE": "coalescecollid",
	"MINMAXEXPR": "minmaxcollid", "MINMAX": "minmaxcollid", "COLLATEEXPR": "collOid", "COLLATE": "collOid",
	"COERCETODOMAINVALUE": "collation", "SETTODEFAULT": "collation",
}

// Collation returns the collation of an expression, as Type returns its type; 0 if it has none.
func (n *Node) Collation() OID {
	if n == nil {
		return 0
	}
	if field, found := collationFields[n.Kind]; found {
		return n.OID(field)
	}
	switch n.Kind {
	case "TARGETENTRY":
		return n.Node("expr").Collation()
	case "NAMEDARGEXPR":
		return n.Node("arg").Collation()
	case "SUBLINK":
		if query := n.Node("subselect"); query != nil && len(query.Nodes("targetList")) > 0 {
			return query.Nodes("targetList")[0].Collation()
		}
	}
	return 0
}

// NoTypmod says that nothing is known of an expression's length, precision and scale.
const NoTypmod = -1

// Typmod returns what a column or a cast declares beside the type, as length or scale; NoTypmod if
// it declares nothing, or the expression is not one of those that can.
func (n *Node) Typmod() int {
	if n == nil {
		return NoTypmod
	}
	switch n.Kind {
	case "VAR":
		return n.Int("vartypmod")
	case "CONST":
		return n.Int("consttypmod")
	case "FIELDSELECT", "RELABELTYPE", "COERCETODOMAIN":
		return n.Int("resulttypmod")
	case "TARGETENTRY":
		return n.Node("expr").Typmod()
	}
	return NoTypmod
}
