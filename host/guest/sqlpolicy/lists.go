package sqlpolicy

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// set makes a set of words.
func set(words string) map[string]bool {
	s := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		s[w] = true
	}
	return s
}

//go:embed functions.txt
var functionsText string

// functions are PostgreSQL's own, of all versions that are known; see functions.txt.
var functions = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(functionsText) {
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			all[words[0]] = words[1:]
		}
	}
	return all
})

// callable reports whether PostgreSQL has a function of a name, and whether one of them that is
// called with so many arguments gives the same result each time.
func callable(name string, args int) (known, same bool) {
	counts, known := functions()[name]
	if name == "unnest" {
		return true, true // of several arrays, in FROM
	}
	return known, slices.Contains(counts, strconv.Itoa(args)) || slices.Contains(counts, "*")
}

// ordered are aggregates whose result depends on the order of the rows.
var ordered = set(`array_agg string_agg json_agg json_agg_strict jsonb_agg jsonb_agg_strict xmlagg any_value
	json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict
	jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict`)

// orderedWindows are window functions whose result does.
var orderedWindows = set("row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value")

// large are functions whose result can be much larger than their arguments.
var large = set("array_fill array_to_string bpchar concat_ws factorial format generate_series lpad power regexp_replace repeat replace rpad string_agg")

// types are the built-in types that a template may cast to, as the parser names them.
var types = set(`bool int2 int4 int8 float4 float8 numeric text varchar bpchar char name bytea bit varbit uuid json jsonb jsonpath
	date time timestamp timestamptz interval inet cidr macaddr macaddr8 tsvector tsquery regconfig
	point line lseg box path polygon circle
	int4range int8range numrange daterange tsrange tstzrange
	int4multirange int8multirange nummultirange datemultirange tsmultirange tstzmultirange`)

// systemTypes are other types of PostgreSQL's own: values that depend on the catalogue or the
// server, or that no column has. A type of any other name is the cohort's.
var systemTypes = set(`oid xid xid8 cid tid refcursor money xml timetz pg_lsn pg_snapshot txid_snapshot pg_node_tree aclitem record cstring
	int2vector oidvector gtsvector unknown void trigger internal`)

// temporal are those whose input may be a word for the present, and temporalRanges those made
// of them.
var (
	temporal       = set("date time timetz timestamp timestamptz")
	temporalRanges = set("daterange tsrange tstzrange datemultirange tsmultirange tstzmultirange")
)

// yieldsTime are functions whose result is a time and no text.
var yieldsTime = set("timezone date_trunc to_timestamp to_date make_date make_time make_timestamp make_timestamptz date_bin")

// longestTime is how many letters a time may have; Postgres stops at fewer, spaces and
// punctuation not counted.
const longestTime = 160

// special reports whether Postgres may read a text as a time that depends on when it reads
// it. It looks at the words, since "2024-01-01 now" is no time but "now UTC" is one.
func special(text string) bool {
	found, letters := false, 0
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
		letters += len(word)
		switch word {
		case "now", "today", "tomorrow", "yesterday":
			found = true
		}
	}
	return found && letters <= longestTime
}
