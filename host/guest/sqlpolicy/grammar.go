package sqlpolicy

import "strings"

// grammar says of every kind of node that is allowed what may be in it: "name" is a node
// or a list of nodes, "name=Kind" a node whose kind is always that, "name." a value. What
// is not here is refused, which is how clauses are refused: SELECT has no intoClause and no
// lockingClause here, WITH has no recursive, a table no TABLESAMPLE.
var grammar = parseGrammar(map[string]string{
	"InsertStmt":      "relation=RangeVar cols selectStmt onConflictClause=OnConflictClause returningList withClause=WithClause override.",
	"UpdateStmt":      "relation=RangeVar targetList whereClause fromClause returningList withClause=WithClause",
	"DeleteStmt":      "relation=RangeVar usingClause whereClause returningList withClause=WithClause",
	"MergeStmt":       "relation=RangeVar sourceRelation joinCondition mergeWhenClauses returningList withClause=WithClause",
	"MergeWhenClause": "matchKind. commandType. override. condition targetList values",
	"SelectStmt": "distinctClause targetList fromClause whereClause groupClause groupDistinct. havingClause windowClause valuesLists " +
		"sortClause limitOffset limitCount limitOption. withClause=WithClause op. all. larg=SelectStmt rarg=SelectStmt",

	"WithClause":       "ctes",
	"CommonTableExpr":  "ctename. aliascolnames ctematerialized. ctequery",
	"OnConflictClause": "action. infer=InferClause targetList whereClause",
	"InferClause":      "indexElems whereClause conname.",
	"IndexElem":        "name. expr ordering. nulls_ordering.",

	"RangeVar":       "schemaname. relname. inh. relpersistence. alias=Alias",
	"RangeSubselect": "lateral. subquery alias=Alias",
	"RangeFunction":  "lateral. ordinality. is_rowsfrom. functions alias=Alias coldeflist",
	"ColumnDef":      "colname. typeName=TypeName is_local.",
	"JoinExpr":       "jointype. isNatural. larg rarg usingClause quals alias=Alias",
	"Alias":          "aliasname. colnames",

	"ResTarget":      "name. indirection val",
	"MultiAssignRef": "source colno. ncolumns.",
	"SetToDefault":   "",
	"ColumnRef":      "fields",
	"ParamRef":       "number.",
	"A_Star":         "",
	"A_Const":        "ival. fval. boolval. sval. bsval. isnull.",
	"A_Expr":         "kind. name lexpr rexpr",
	"A_ArrayExpr":    "elements",
	"A_Indirection":  "arg indirection",
	"A_Indices":      "is_slice. lidx uidx",
	"BoolExpr":       "boolop. args",
	"NullTest":       "arg nulltesttype. argisrow.",
	"BooleanTest":    "arg booltesttype.",
	"CaseExpr":       "arg args defresult",
	"CaseWhen":       "expr result",
	"CoalesceExpr":   "args",
	"MinMaxExpr":     "op. args",
	"RowExpr":        "args row_format.",
	"GroupingFunc":   "args",
	"GroupingSet":    "kind. content",
	"SubLink":        "subLinkType. testexpr operName subselect",
	"CollateClause":  "arg collname",
	"TypeCast":       "arg typeName=TypeName",
	"TypeName":       "names typmods typemod. arrayBounds",
	"FuncCall":       "funcname args agg_order agg_filter over=WindowDef agg_within_group. agg_star. agg_distinct. func_variadic. funcformat.",
	"NamedArgExpr":   "arg name. argnumber.",
	"WindowDef":      "name. refname. partitionClause orderClause frameOptions. startOffset endOffset",
	"SortBy":         "node sortby_dir. sortby_nulls. useOp",
	"List":           "items",
	"String":         "sval.",
	"Integer":        "ival.",
	"Float":          "fval.",
	"Boolean":        "boolval.",
})

// field says whether a field of a node is a value or nodes, and of which kind.
type field struct {
	value bool   // not looked at here
	kind  string // of its node, where the tree does not say it
}

func parseGrammar(text map[string]string) map[string]map[string]field {
	g := make(map[string]map[string]field, len(text))
	for kind, fields := range text {
		g[kind] = map[string]field{"location": {value: true}}
		for word := range strings.FieldsSeq(fields) {
			name, of, _ := strings.Cut(word, "=")
			if plain, isValue := strings.CutSuffix(name, "."); isValue {
				g[kind][plain] = field{value: true}
			} else {
				g[kind][name] = field{kind: of}
			}
		}
	}
	return g
}

// statements are the nodes that may stand where a statement stands, at the top and in a
// common table expression.
var statements = map[string]string{"InsertStmt": "INSERT", "UpdateStmt": "UPDATE", "DeleteStmt": "DELETE", "MergeStmt": "MERGE"}

// hints are for what people try, by node or by node.field.
var hints = map[string]string{
	"TransactionStmt":          "the host begins and commits: a version is installed in one transaction with others",
	"VariableSetStmt":          "the session is the host's",
	"DoStmt":                   "say it in one INSERT, UPDATE, DELETE or MERGE",
	"CallStmt":                 "say it in one INSERT, UPDATE, DELETE or MERGE",
	"CopyStmt":                 "say it in one INSERT, UPDATE, DELETE or MERGE",
	"SelectStmt":               "a template changes rows; nobody reads a result",
	"SelectStmt.intoClause":    "create tables beforehand",
	"SelectStmt.lockingClause": "the host installs in an order in which no lock is needed",
	"WithClause.recursive":     "recursion may never end",
	"InsertStmt.returningList": "nobody reads a result",
	"UpdateStmt.returningList": "nobody reads a result",
	"DeleteStmt.returningList": "nobody reads a result",
	"MergeStmt.returningList":  "nobody reads a result",
	"SQLValueFunction":         "it differs each time; take the value from the statemap, or the time of the candidate as a parameter",
	"RangeTableSample":         "it differs each time",
	"RangeVar.catalogname":     "one database",
	"LockStmt":                 "the host installs in an order in which no lock is needed",
	"ListenStmt":               "a guest changes rows",
	"NotifyStmt":               "a guest changes rows",
	"TruncateStmt":             "DELETE with a condition",
}
