package querytree

import "strings"

// kinds are the kinds of node that are known, each with the fields that it has in any of the
// PostgreSQL versions 14 to 18. Some kinds had a shorter name before 16.
var kinds = parseKinds(`
QUERY commandType querySource canSetTag utilityStmt resultRelation hasAggs hasWindowFuncs hasTargetSRFs hasSubLinks hasDistinctOn hasRecursive hasModifyingCTE hasForUpdate hasRowSecurity hasGroupRTE isReturn cteList rtable rteperminfos jointree targetList override onConflict returningOldAlias returningNewAlias returningList groupClause groupDistinct groupingSets havingQual windowClause distinctClause sortClause limitOffset limitCount limitOption rowMarks setOperations constraintDeps withCheckOptions mergeActionList mergeTargetRelation mergeJoinCondition mergeUseOuterJoin stmt_location stmt_len
RANGETBLENTRY|RTE alias eref rtekind relid inh relkind rellockmode perminfoindex tablesample subquery security_barrier jointype joinmergedcols joinaliasvars joinleftcols joinrightcols join_using_alias functions funcordinality tablefunc values_lists ctename ctelevelsup self_reference coltypes coltypmods colcollations enrname enrtuples groupexprs lateral inFromCl requiredPerms checkAsUser selectedCols insertedCols updatedCols extraUpdatedCols securityQuals
RTEPERMISSIONINFO relid inh requiredPerms checkAsUser selectedCols insertedCols updatedCols
ALIAS aliasname colnames
FROMEXPR fromlist quals
JOINEXPR jointype isNatural larg rarg usingClause join_using_alias quals alias rtindex
RANGETBLREF rtindex
RANGETBLFUNCTION funcexpr funccolcount funccolnames funccoltypes funccoltypmods funccolcollations funcparams
TARGETENTRY expr resno resname ressortgroupref resorigtbl resorigcol resjunk
VAR varno varattno vartype vartypmod varcollid varnullingrels varlevelsup varreturningtype varnosyn varattnosyn location
CONST consttype consttypmod constcollid constlen constbyval constisnull location constvalue
PARAM paramkind paramid paramtype paramtypmod paramcollid location
AGGREF aggfnoid aggtype aggcollid inputcollid aggtranstype aggargtypes aggdirectargs args aggorder aggdistinct aggfilter aggstar aggvariadic aggkind aggpresorted agglevelsup aggsplit aggno aggtransno location
GROUPINGFUNC args refs cols agglevelsup location
WINDOWFUNC winfnoid wintype wincollid inputcollid args aggfilter runCondition winref winstar winagg ignore_nulls location
SUBSCRIPTINGREF refcontainertype refelemtype refrestype reftypmod refcollid refupperindexpr reflowerindexpr refexpr refassgnexpr
FUNCEXPR funcid funcresulttype funcretset funcvariadic funcformat funccollid inputcollid args location
NAMEDARGEXPR arg name argnumber location
OPEXPR|DISTINCTEXPR|NULLIFEXPR opno opfuncid opresulttype opretset opcollid inputcollid args location
SCALARARRAYOPEXPR opno opfuncid hashfuncid negfuncid useOr inputcollid args location
BOOLEXPR boolop args location
SUBLINK subLinkType subLinkId testexpr operName subselect location
FIELDSELECT arg fieldnum resulttype resulttypmod resultcollid
FIELDSTORE arg newvals fieldnums resulttype
RELABELTYPE arg resulttype resulttypmod resultcollid relabelformat location
COERCEVIAIO arg resulttype resultcollid coerceformat location
ARRAYCOERCEEXPR arg elemexpr resulttype resulttypmod resultcollid coerceformat location
CONVERTROWTYPEEXPR arg resulttype convertformat location
COLLATEEXPR|COLLATE arg collOid location
CASEEXPR|CASE casetype casecollid arg args defresult location
CASEWHEN|WHEN expr result location
CASETESTEXPR typeId typeMod collation
ARRAYEXPR|ARRAY array_typeid array_collid element_typeid elements multidims list_start list_end location
ROWEXPR|ROW args row_typeid row_format colnames location
ROWCOMPAREEXPR|ROWCOMPARE rctype cmptype opnos opfamilies inputcollids largs rargs
COALESCEEXPR|COALESCE coalescetype coalescecollid args location
MINMAXEXPR|MINMAX minmaxtype minmaxcollid inputcollid op args location
SQLVALUEFUNCTION op type typmod location
NULLTEST arg nulltesttype argisrow location
BOOLEANTEST arg booltesttype location
COERCETODOMAIN arg resulttype resulttypmod resultcollid coercionformat location
COERCETODOMAINVALUE typeId typeMod collation location
SETTODEFAULT typeId typeMod collation location
NEXTVALUEEXPR seqid typeId
INFERENCEELEM expr infercollid inferopclass
ONCONFLICTEXPR action arbiterElems arbiterWhere constraint onConflictSet onConflictWhere exclRelIndex exclRelTlist
MERGEACTION matched matchKind commandType override qual targetList updateColnos
SORTGROUPCLAUSE tleSortGroupRef eqop sortop reverse_sort nulls_first hashable
GROUPINGSET kind content location
WINDOWCLAUSE name refname partitionClause orderClause frameOptions startOffset endOffset runCondition startInRangeFunc endInRangeFunc inRangeColl inRangeAsc inRangeNullsFirst winref copiedOrder
COMMONTABLEEXPR ctename aliascolnames ctematerialized ctequery search_clause cycle_clause location cterecursive cterefcount ctecolnames ctecoltypes ctecoltypmods ctecolcollations
SETOPERATIONSTMT op all larg rarg colTypes colTypmods colCollations groupClauses
`)

func parseKinds(text string) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		fields := map[string]bool{}
		for _, word := range words[1:] {
			fields[word] = true
		}
		for name := range strings.SplitSeq(words[0], "|") {
			all[name] = fields
		}
	}
	return all
}
