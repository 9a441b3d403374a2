package guest

import "github.com/ichor-replicator/ichor/abi"

// Value is one JSON value of a payload. Nothing is copied: its text is the input's own.
// The zero Value is one that is not there; every question to it has an empty answer, so a
// path may be followed to its end and checked once.
type Value struct {
	record *abi.Record
	index  int
}

// Exists reports whether the value is there. Null is.
func (v Value) Exists() bool { return v.record != nil }

// Type returns the kind of the value, 0 when it is not there.
func (v Value) Type() abi.TokenType {
	if v.record == nil {
		return 0
	}
	return v.record.Row(v.index).Type()
}

// IsNull reports whether the value is there and null.
func (v Value) IsNull() bool { return v.Type() == abi.TokenNull }

// IsString reports whether the value is a string.
func (v Value) IsString() bool { return v.Type() == abi.TokenString }

// IsNumber reports whether the value is a number.
func (v Value) IsNumber() bool { return v.Type() == abi.TokenNumber }

// Text returns a string without quotes and escapes, or the JSON text of any other value.
func (v Value) Text() []byte {
	if v.record == nil {
		return nil
	}
	return v.record.Bytes(v.record.Row(v.index).Value())
}

// Arg returns the value for a parameter: its Text by reference, or null when the value is
// null or not there.
func (v Value) Arg() Arg {
	if v.record == nil {
		return Arg{}
	}
	row := v.record.Row(v.index)
	if row.Type() == abi.TokenNull {
		return Arg{}
	}
	return input(v.record.Frame(), row.Value())
}

// Field returns a member of an object. Of members with the same name the last counts, as
// in most readers of JSON.
func (v Value) Field(name string) Value {
	if v.Type() != abi.TokenObject {
		return Value{}
	}
	i := v.record.Member(v.index, name)
	if i == 0 {
		return Value{}
	}
	return Value{v.record, i}
}

// Members calls yield for each element of an array or member of an object, in their order,
// until it returns false; for use in a range loop. The key is empty in an array.
func (v Value) Members(yield func(key []byte, member Value) bool) {
	if t := v.Type(); t != abi.TokenObject && t != abi.TokenArray {
		return
	}
	end := v.record.Row(v.index).Next()
	for i := v.index + 1; i < end; {
		row := v.record.Row(i)
		if !yield(v.record.Bytes(row.Key()), Value{v.record, i}) {
			return
		}
		i = row.Next()
	}
}
