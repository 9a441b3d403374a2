package sqlpolicy

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// The longest values, in bytes; no type but those for texts needs more.
const (
	maxNumeric = 1000
	maxTime    = 64
)

// Value says why a value must not reach the database as a parameter of a type that
// abi.ParamTypes names; "" if it may. A value that Postgres would refuse would fail the
// whole group of versions that it stands in, and one such as 'now' would differ from run to
// run: found here, either is the reject of one version. It is called for every argument of
// every statement, does not allocate, and judges numbers, booleans, UUIDs, JSON and times;
// what it lets pass of other types may still be refused by the database.
type Value func(value []byte) string

// Values returns the functions for a template's parameters.
func Values(params []string) []Value {
	all := make([]Value, len(params))
	for i, name := range params {
		all[i] = valueOf(name)
	}
	return all
}

func valueOf(name string) Value {
	switch name {
	case "smallint":
		return func(v []byte) string { return integer(v, "32767", "32768") }
	case "integer":
		return func(v []byte) string { return integer(v, "2147483647", "2147483648") }
	case "bigint":
		return func(v []byte) string { return integer(v, "9223372036854775807", "9223372036854775808") }
	case "numeric":
		return decimal
	case "real", "double precision":
		return float
	case "boolean":
		return boolean
	case "uuid":
		return uuid
	case "json", "jsonb":
		return document
	case "date", "time", "timestamp", "timestamptz", "interval":
		return moment
	}
	return storable
}

// storable says why no column of a database in UTF-8 takes a value.
func storable(v []byte) string {
	switch {
	case bytes.IndexByte(v, 0) >= 0:
		return "the value has a NUL, which Postgres cannot store"
	case !utf8.Valid(v):
		return "the value is no valid UTF-8"
	}
	return ""
}

// digits returns how many digits v begins with.
func digits(v []byte) int {
	n := 0
	for n < len(v) && v[n]-'0' <= 9 {
		n++
	}
	return n
}

// integer accepts an optional sign and digits, up to the most positive and negative ones.
func integer(v []byte, most, least string) string {
	limit := most
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		if v[0] == '-' {
			limit = least
		}
		v = v[1:]
	}
	if len(v) == 0 || digits(v) != len(v) {
		return "the value is no integer"
	}
	v = bytes.TrimLeft(v, "0")
	if len(v) > len(limit) || len(v) == len(limit) && string(v) > limit {
		return "the value is out of the range of its type"
	}
	return ""
}

// decimal accepts what a JSON number or a decimal in a text is; NaN and infinities are
// numeric values for Postgres and for nobody else.
func decimal(v []byte) string {
	if len(v) > maxNumeric {
		return "the number has more than 1000 characters"
	}
	exponent, ok := scan(v)
	switch {
	case !ok:
		return "the value is no decimal number"
	case exponent > maxNumeric || exponent < -maxNumeric:
		return "the number has an exponent beyond 1000"
	}
	return ""
}

// float accepts a decimal, too. One that is beyond its type's range is the database's to
// refuse.
func float(v []byte) string {
	switch string(v) {
	case "NaN", "Infinity", "-Infinity":
		return ""
	}
	return decimal(v)
}

// scan reads a decimal: its exponent, and whether it is one.
func scan(v []byte) (exponent int, ok bool) {
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		v = v[1:]
	}
	whole := digits(v)
	v = v[whole:]
	fraction := 0
	if len(v) > 0 && v[0] == '.' {
		fraction = digits(v[1:])
		v = v[1+fraction:]
	}
	if whole+fraction == 0 {
		return 0, false
	}
	if len(v) == 0 {
		return 0, true
	}
	if v[0] != 'e' && v[0] != 'E' {
		return 0, false
	}
	v = v[1:]
	negative := false
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		negative = v[0] == '-'
		v = v[1:]
	}
	if len(v) == 0 || digits(v) != len(v) {
		return 0, false
	}
	for _, d := range v {
		if exponent = 10*exponent + int(d-'0'); exponent > 1<<20 {
			break
		}
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}

func boolean(v []byte) string {
	switch string(v) {
	case "t", "f", "true", "false", "1", "0", "on", "off", "yes", "no":
		return ""
	}
	return "the value is no boolean: true or false"
}

// uuid accepts the form with hyphens.
func uuid(v []byte) string {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(v) != len(form) {
		return "the value is no UUID"
	}
	for i, c := range v {
		hex := c-'0' <= 9 || c|0x20-'a' <= 5
		if (form[i] == '-') != (c == '-') || form[i] == 'x' && !hex {
			return "the value is no UUID"
		}
	}
	return ""
}

// document accepts JSON as Postgres does: no NUL by an escape, no half of a pair.
func document(v []byte) string {
	switch {
	case storable(v) != "":
		return storable(v)
	case !json.Valid(v):
		return "the value is no JSON"
	case bytes.Contains(v, []byte(`\u`)) && !escapes(v):
		return "the JSON has an escape that Postgres cannot store"
	}
	return ""
}

// escapes reports whether all \u escapes of a valid document are characters.
func escapes(v []byte) bool {
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			continue
		}
		if i++; v[i] != 'u' {
			continue
		}
		unit := hex4(v[i+1:])
		i += 4
		switch {
		case unit == 0 || unit>>10 == 0xdc00>>10:
			return false
		case unit>>10 == 0xd800>>10:
			if len(v)-i < 7 || v[i+1] != '\\' || v[i+2] != 'u' || hex4(v[i+3:])>>10 != 0xdc00>>10 {
				return false
			}
			i += 6
		}
	}
	return true
}

// hex4 reads four hexadecimal digits of a valid document.
func hex4(v []byte) (n int) {
	for _, c := range v[:4] {
		d := int(c - '0')
		if c > '9' {
			d = int(c|0x20-'a') + 10
		}
		n = n<<4 | d
	}
	return n
}

// moment refuses words for the present. What else is a time is the database's to say.
func moment(v []byte) string {
	switch {
	case len(v) > maxTime:
		return "the time has more than 64 characters"
	case storable(v) != "":
		return storable(v)
	case special(string(v)):
		return "the value means the time at which the statement runs"
	case strings.TrimSpace(string(v)) == "":
		return "the value is empty, and no time"
	}
	return ""
}
