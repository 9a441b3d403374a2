package sqlpolicy

import "strings"

// set makes a set of words.
func set(words string) map[string]bool {
	s := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		s[w] = true
	}
	return s
}

// immutable are the built-in functions that give the same result for the same arguments,
// in every overload, and do not fill memory or time by a number: no repeat, no lpad, no
// generate_series. A test compares the list with a real Postgres.
var immutable = set(`
	abs ceil ceiling floor round trunc sign mod div power sqrt cbrt exp ln log log10 gcd lcm width_bucket scale min_scale trim_scale
	lower upper initcap length char_length character_length octet_length bit_length substr substring left right btrim ltrim rtrim
	replace translate reverse split_part strpos position overlay ascii chr md5 sha224 sha256 sha384 sha512 encode decode to_hex
	starts_with string_to_array regexp_replace regexp_match regexp_split_to_array like_escape similar_to_escape normalize is_normalized
	array_append array_cat array_length array_lower array_upper array_ndims array_dims array_position array_positions array_prepend
	array_remove array_replace cardinality unnest
	jsonb_set jsonb_insert jsonb_array_length jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text
	jsonb_extract_path jsonb_extract_path_text jsonb_object_keys jsonb_strip_nulls jsonb_typeof jsonb_object
	json_array_length json_array_elements json_array_elements_text json_each json_each_text json_extract_path
	json_extract_path_text json_object_keys json_strip_nulls json_typeof json_object
	count sum min max avg bool_and bool_or every bit_and bit_or array_agg string_agg
	row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
	make_date make_time make_timestamp make_interval justify_days justify_hours justify_interval isfinite
	num_nulls num_nonnulls get_bit set_bit get_byte set_byte bit_count
	int4range int8range numrange daterange isempty lower_inc upper_inc lower_inf upper_inf range_merge
`)

// ordered are aggregates whose result depends on the order of the rows.
var ordered = set("array_agg string_agg")

// types are the built-in types that a template may cast to, as the parser names them.
var types = set(`bool int2 int4 int8 float4 float8 numeric text varchar bpchar bytea date time timestamp timestamptz interval uuid json jsonb
	int4range int8range numrange daterange`)

// temporal are those whose input may be a word for the present.
var temporal = set("date time timetz timestamp timestamptz daterange tsrange tstzrange")

func temporalParam(name string) bool {
	return name == "date" || name == "time" || name == "timestamp" || name == "timestamptz"
}

// special reports whether Postgres may read a text as a time that depends on when it reads
// it. It looks at the words, since "2024-01-01 now" is no time but "now UTC" is one.
func special(text string) bool {
	if len(text) > 64 {
		return false
	}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }) {
		switch word {
		case "now", "today", "tomorrow", "yesterday":
			return true
		}
	}
	return false
}
