package talos

import "strconv"

// Reasons of a Refused. They are short and stable, because metrics carry them as labels.
const (
	ReasonMissingField     = "missing_field"
	ReasonNullField        = "null_field"
	ReasonWrongType        = "wrong_type"
	ReasonRepeatedField    = "repeated_field"
	ReasonBadInteger       = "bad_integer"
	ReasonTruncated        = "truncated"
	ReasonNotJSON          = "not_json"
	ReasonTrailingBytes    = "trailing_bytes"
	ReasonControlCharacter = "control_character"
	ReasonInvalidUTF8      = "invalid_utf8"
	ReasonLoneSurrogate    = "lone_surrogate"
	ReasonTimeBeyond64Bits = "time_beyond_64_bits"
	ReasonInvalidXID       = "invalid_xid"
	ReasonUnknownOutcome   = "unknown_outcome"
)

// Refused is why the bytes of a message are no candidate or no decision. The certifier's
// parser refuses the same candidates, so none of them is ever decided.
type Refused struct {
	Reason string
	// Field is the name of the field concerned, empty where no known field is.
	Field string
	// Where is the byte offset in the value at which it was seen.
	Where int
}

// Error implements error.
func (r *Refused) Error() string {
	text := "refused: " + r.Reason
	if r.Field != "" {
		text += " (" + r.Field + ")"
	}
	return text + " at byte " + strconv.Itoa(r.Where)
}
