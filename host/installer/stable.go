package installer

import "strings"

func words(text string) map[string]bool {
	all := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		all[word] = true
	}
	return all
}

// pinned are PostgreSQL's own stable functions that a template may call: their results depend
// on nothing but their arguments and settings of the session that connect pins: TimeZone,
// DateStyle, IntervalStyle, timezone_abbreviations, lc_monetary, lc_numeric, lc_time,
// default_text_search_config, extra_float_digits, bytea_output, array_nulls and
// quote_all_identifiers.
//
// Not here, on purpose: what reads the clock, the catalogue or the session (now, age of one
// argument, to_regclass, pg_typeof, current_setting), the input functions of date and time
// types, whose text may say "now", timetz from time and timezone of a timetz, which ask for the offset
// of today. What AT TIME ZONE calls for timestamps is immutable.
// Functions of json that read columns of any type are in the list, and readsColumns.
var pinned = words(`
	array_to_json array_to_string concat concat_ws format quote_literal quote_nullable textanycat anytextcat
	enum_in interval_in enum_out array_out record_out range_out multirange_out date_out time_out timetz_out timestamp_out timestamptz_out interval_out
	to_json to_jsonb row_to_json json_build_array json_build_object jsonb_build_array jsonb_build_object
	json_agg json_agg_transfn json_agg_finalfn json_object_agg_finalfn json_agg_strict json_agg_strict_transfn json_object_agg json_object_agg_transfn
	json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_object_agg_strict_transfn
	json_object_agg_unique_transfn json_object_agg_unique_strict_transfn
	jsonb_agg jsonb_agg_transfn jsonb_agg_finalfn jsonb_object_agg_finalfn jsonb_agg_strict jsonb_agg_strict_transfn jsonb_object_agg jsonb_object_agg_transfn
	jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict jsonb_object_agg_strict_transfn
	jsonb_object_agg_unique_transfn jsonb_object_agg_unique_strict_transfn
	json_to_record json_to_recordset jsonb_to_record jsonb_to_recordset
	json_populate_record json_populate_recordset jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset
	jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_tz jsonb_path_query_array_tz jsonb_path_query_first_tz
	json_strip_nulls jsonb_strip_nulls length convert convert_from convert_to
	date date_add date_subtract date_part date_trunc extract generate_series in_range make_timestamptz overlaps time timestamp timestamptz
	to_char to_date to_number to_timestamp timestamptz_mi_interval timestamptz_pl_interval interval_pl_timestamptz
	date_cmp_timestamptz date_eq_timestamptz date_ge_timestamptz date_gt_timestamptz date_le_timestamptz date_lt_timestamptz date_ne_timestamptz
	timestamp_cmp_timestamptz timestamp_eq_timestamptz timestamp_ge_timestamptz timestamp_gt_timestamptz timestamp_le_timestamptz
	timestamp_lt_timestamptz timestamp_ne_timestamptz timestamptz_cmp_date timestamptz_eq_date timestamptz_ge_date timestamptz_gt_date
	timestamptz_le_date timestamptz_lt_date timestamptz_ne_date timestamptz_cmp_timestamp timestamptz_eq_timestamp timestamptz_ge_timestamp
	timestamptz_gt_timestamp timestamptz_le_timestamp timestamptz_lt_timestamp timestamptz_ne_timestamp
	ts_match_tq ts_match_tt json_to_tsvector jsonb_to_tsvector phraseto_tsquery plainto_tsquery to_tsquery to_tsvector ts_headline websearch_to_tsquery
`)

// readsColumns are functions of json that read texts into columns of any type: their input
// functions are judged.
var readsColumns = words(`json_to_record json_to_recordset jsonb_to_record jsonb_to_recordset
	json_populate_record json_populate_recordset jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset`)

// writesText are functions that make texts of arguments of any type: their output functions
// are judged.
var writesText = words(`array_to_string concat concat_ws format quote_literal quote_nullable textanycat anytextcat string_agg`)

// writesJSON are functions that make json of arguments of any type: beside their output
// functions, they call a cast to json that somebody made.
var writesJSON = words(`array_to_json to_json to_jsonb row_to_json json_build_array json_build_object jsonb_build_array jsonb_build_object
	json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict
	jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict`)

// harmlessTriggers are PostgreSQL's own functions that a trigger may call.
var harmlessTriggers = words(`suppress_redundant_updates_trigger tsvector_update_trigger tsvector_update_trigger_column`)

// mislabelled are functions that PostgreSQL calls immutable though they look at the server or
// its catalogue.
var mislabelled = words(`pg_partition_root pg_walfile_name pg_walfile_name_offset satisfies_hash_partition icu_unicode_version unicode_version`)

// sums are PostgreSQL's own aggregates that add their values up. The sum of numbers of floating point depends on
// their order: 1e20, 1 and -1e20 are 0, and 1e20, -1e20 and 1 are 1.
var sums = words(`sum avg stddev stddev_pop stddev_samp variance var_pop var_samp
	corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy`)

// addsInexactly reports whether a function is an aggregate that adds numbers of floating point up.
func (f *function) addsInexactly() bool {
	return f.Kind == "a" && sums[f.Name] && (strings.Contains(f.Signature, "double precision") || strings.Contains(f.Signature, "real"))
}
