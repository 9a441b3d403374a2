package sqlpolicy

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Value says why a value must not reach the database as a parameter of a type that
// abi.ParamTypes names; "" if it may. A value that PostgreSQL refuses fails the whole group of
// versions that it stands in, and one such as 'now' would differ from run to run: found here, either
// is the reject of one version. Only what the database of no version takes is found here; it takes
// more spellings than a list would have, so what is in doubt is its to judge. It is called for every
// argument of every statement and does not allocate.
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
	case "smallint", "integer", "bigint":
		return integer
	case "numeric", "real", "double precision":
		return decimal
	case "boolean":
		return boolean
	case "uuid":
		return uuid
	case "json":
		return document
	case "jsonb":
		return binaryDocument
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

// integer refuses what has no digit.
func integer(v []byte) string {
	if !bytes.ContainsAny(v, "0123456789") {
		return "the value is no integer"
	}
	return storable(v)
}

// decimal refuses what has no digit and is none of the names that stand for no number and for
// infinities, whose first letters are these.
func decimal(v []byte) string {
	if !bytes.ContainsAny(v, "0123456789nNiI") {
		return "the value is no decimal number"
	}
	return storable(v)
}

// boolean accepts the beginnings of the words that PostgreSQL reads, in any case, between blanks.
func boolean(v []byte) string {
	word := bytes.TrimSpace(v)
	for _, whole := range [...]string{"true", "false", "yes", "no", "on", "off", "1", "0"} {
		if len(word) > 0 && len(word) <= len(whole) && bytes.EqualFold(word, []byte(whole[:len(word)])) && string(bytes.ToLower(word)) != "o" {
			return ""
		}
	}
	return "the value is no boolean: true or false"
}

// uuid refuses what has not 32 hexadecimal digits.
func uuid(v []byte) string {
	n := 0
	for _, c := range v {
		if c-'0' <= 9 || c|0x20-'a' <= 5 {
			n++
		}
	}
	if n != 32 {
		return "the value is no UUID"
	}
	return storable(v)
}

// document accepts JSON.
func document(v []byte) string {
	switch {
	case storable(v) != "":
		return storable(v)
	case !json.Valid(v):
		return "the value is no JSON"
	}
	return ""
}

// binaryDocument accepts JSON whose escapes are characters that can be stored: no NUL, no half of
// a pair. The type json keeps its text and takes them.
func binaryDocument(v []byte) string {
	if why := document(v); why != "" {
		return why
	}
	if bytes.Contains(v, []byte(`\u`)) && !escapes(v) {
		return "the JSON has an escape that PostgreSQL cannot store"
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
	case storable(v) != "":
		return storable(v)
	case special(string(v)):
		return "the value means the time at which the statement runs"
	case len(bytes.TrimSpace(v)) == 0:
		return "the value is empty, and no time"
	}
	return ""
}
