package guest

import (
	"unsafe"

	"github.com/ichor-replicator/ichor/abi"
)

// Value is one JSON value of a payload. Nothing is copied: its text is the input's own.
// The zero Value is one that is not there; every question to it has an empty answer, so a
// path may be followed to its end and checked once.
type Value struct {
	record *record
	token  *abi.Row // nil when it is not there
}

// Exists reports whether the value is there. Null is.
func (v Value) Exists() bool { return v.token != nil }

// Type returns the kind of the value, 0 when it is not there.
func (v Value) Type() abi.TokenType {
	if v.token == nil {
		return 0
	}
	return v.token.Type()
}

// IsNull reports whether the value is there and null.
func (v Value) IsNull() bool { return v.Type() == abi.TokenNull }

// IsString reports whether the value is a string.
func (v Value) IsString() bool { return v.Type() == abi.TokenString }

// IsNumber reports whether the value is a number.
func (v Value) IsNumber() bool { return v.Type() == abi.TokenNumber }

// IsArray reports whether the value is an array.
func (v Value) IsArray() bool { return v.Type() == abi.TokenArray }

// IsObject reports whether the value is an object.
func (v Value) IsObject() bool { return v.Type() == abi.TokenObject }

// Text returns a string without quotes and escapes, or the JSON text of any other value.
func (v Value) Text() []byte {
	if v.token == nil {
		return nil
	}
	return v.record.text(v.token.Value())
}

// JSON returns the value as it stands in the payload: a string with its quotes and escapes,
// anything else as Text does.
func (v Value) JSON() []byte {
	if v.token == nil {
		return nil
	}
	return v.record.text(v.json())
}

// JSONArg returns the value for a parameter of type json or jsonb: its JSON by reference.
// JSON's null stays one; SQL's null is a value that is not there.
func (v Value) JSONArg() Arg {
	if v.token == nil {
		return Arg{}
	}
	at := v.json()
	return Arg{(*byte)(unsafe.Add(v.record.frame, at.Offset)), at.Length, argInput}
}

// json returns where the JSON of a value that is there stands.
func (v Value) json() abi.Ref {
	at := v.token.Value()
	switch {
	case v.token.Type() != abi.TokenString:
		return at
	case v.token[abi.TokFlags]&abi.TokFlagValueUnescaped == 0:
		return abi.Ref{Offset: at.Offset - 1, Length: at.Length + 2}
	}
	head := (*[8]byte)(unsafe.Add(v.record.frame, at.Offset-8)) // before a copy
	return abi.Ref{Offset: at.Offset - le.Uint32(head[:]), Length: le.Uint32(head[4:])}
}

// Arg returns the value for a parameter: its Text by reference, or null when the value is
// null or not there.
func (v Value) Arg() Arg {
	if v.token == nil || v.token.Type() == abi.TokenNull {
		return Arg{}
	}
	at := v.token.Value()
	return Arg{(*byte)(unsafe.Add(v.record.frame, at.Offset)), at.Length, argInput}
}

// Field returns a member of an object. Of members with the same name the last counts, as
// in most readers of JSON.
func (v Value) Field(name string) Value {
	if v.token == nil || v.token.Type() != abi.TokenObject {
		return Value{}
	}
	return Value{v.record, v.record.member(v.token, name)}
}

// Members calls yield for each element of an array or member of an object, in their order,
// until it returns false; for use in a range loop. The key is empty in an array.
func (v Value) Members(yield func(key []byte, member Value) bool) {
	if t := v.Type(); t != abi.TokenObject && t != abi.TokenArray {
		return
	}
	r := v.record
	row, end := (*abi.Row)(unsafe.Add(unsafe.Pointer(v.token), r.stride)), r.token(uint32(v.token.Next()))
	for row != end {
		if !yield(r.text(row.Key()), Value{r, row}) {
			return
		}
		row = r.token(uint32(row.Next()))
	}
}
