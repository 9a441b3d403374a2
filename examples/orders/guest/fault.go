package main

import (
	"github.com/ichor-replicator/ichor/abi"
	guest "github.com/ichor-replicator/ichor/guests/go"
)

// Codes of rejects. They are stable: quarantine rows and metrics carry them.
const (
	codeMissing  = 1 // a field is missing
	codeType     = 2 // a field, or the payload, is of the wrong type
	codeValue    = 3 // a field has a value that cannot be right
	codeRepeated = 4 // an order stands in two items
)

// fault is what is wrong with a value.
type fault struct {
	code uint32
	what string
}

// The faults.
var (
	missing   = &fault{codeMissing, "is missing"}
	noObject  = &fault{codeType, "is not an object"}
	noList    = &fault{codeType, "is not a list"}
	noText    = &fault{codeType, "is not a string"}
	noNumber  = &fault{codeType, "is neither a number nor a string"}
	empty     = &fault{codeValue, "is empty"}
	noUUID    = &fault{codeValue, "is not a UUID in small letters"}
	noMoment  = &fault{codeValue, "is not a time as in RFC 3339"}
	noDecimal = &fault{codeValue, "is not a decimal number"}
	noUnits   = &fault{codeValue, "is not a whole number from 1 to 1000000"}
	repeated  = &fault{codeRepeated, "stands in an item before this one"}
)

// The checks return what is wrong with a value, or nil.

func list(v guest.Value) *fault {
	switch {
	case !v.Exists():
		return missing
	case !v.IsArray():
		return noList
	}
	return nil
}

// text accepts a string that is not empty.
func text(v guest.Value) *fault {
	if f := anyText(v); f != nil {
		return f
	}
	if len(v.Text()) == 0 {
		return empty
	}
	return nil
}

// anyText accepts a string.
func anyText(v guest.Value) *fault {
	switch {
	case !v.Exists():
		return missing
	case !v.IsString():
		return noText
	}
	return nil
}

// textOrNull accepts a string, and nothing.
func textOrNull(v guest.Value) *fault {
	if !v.Exists() || v.IsNull() {
		return nil
	}
	return anyText(v)
}

// decimal accepts a JSON number, or a string that is one. Its digits go to the database as they are:
// none is lost to a float on the way.
func decimal(v guest.Value) *fault {
	switch {
	case !v.Exists():
		return missing
	case v.IsNumber():
		return nil
	case !v.IsString():
		return noNumber
	case !abi.IsNumber(v.Text()):
		return noDecimal
	}
	return nil
}

// unitsMax is the largest quantity of a line: a sum of all that a version can have fits in 64 bits.
const unitsMax = 1_000_000

// units accepts a whole number from 1 to unitsMax.
func units(v guest.Value) *fault {
	if !v.Exists() {
		return missing
	}
	n := 0
	for _, c := range v.Text() {
		if c < '0' || c > '9' || n > unitsMax {
			return noUnits
		}
		n = 10*n + int(c-'0')
	}
	if !v.IsNumber() || n < 1 || n > unitsMax {
		return noUnits
	}
	return nil
}

// uuid accepts the one spelling that is the key of an order everywhere: the database would take
// others for the same, and the guest would not see that they are.
func uuid(v guest.Value) *fault {
	if f := anyText(v); f != nil {
		return f
	}
	if !fits(v.Text(), "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
		return noUUID
	}
	return nil
}

// moment accepts a time with its zone. The database would take a time without one too, as one of
// its own zone, and words such as "now".
func moment(v guest.Value) *fault {
	if f := anyText(v); f != nil {
		return f
	}
	const second = len("0000-00-00T00:00:00")
	t := v.Text()
	if len(t) < second || !fits(t[:second], "0000-00-00T00:00:00") {
		return noMoment
	}
	if t = t[second:]; len(t) > 0 && t[0] == '.' {
		digits := 1
		for digits < len(t) && t[digits] >= '0' && t[digits] <= '9' {
			digits++
		}
		if digits == 1 {
			return noMoment
		}
		t = t[digits:]
	}
	if fits(t, "Z") || fits(t, "+00:00") || fits(t, "-00:00") {
		return nil
	}
	return noMoment
}

// fits reports whether a text has the form: 0 stands for a digit, x for a hexadecimal one in small
// letters, anything else for itself.
func fits(text []byte, form string) bool {
	if len(text) != len(form) {
		return false
	}
	for i, c := range text {
		digit := c >= '0' && c <= '9'
		switch form[i] {
		case '0':
			if !digit {
				return false
			}
		case 'x':
			if !digit && (c < 'a' || c > 'f') {
				return false
			}
		default:
			if c != form[i] {
				return false
			}
		}
	}
	return true
}
