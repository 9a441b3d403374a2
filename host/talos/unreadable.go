package talos

// Reasons of an Unreadable, short and stable.
const (
	UnreadableNotAList           = "not_a_list"
	UnreadableElementNotAnObject = "element_not_an_object"
	UnreadableNoKey              = "no_key"
	UnreadableSeveralKeys        = "several_keys"
	UnreadableTwice              = "twice"
	UnreadableInvalidUTF8        = "invalid_utf8"
	UnreadableLoneSurrogate      = "lone_surrogate"
	UnreadableTooDeep            = "too_deep"
	UnreadableTooManyItems       = "too_many_items" // more than a guest could be given
)

// Unreadable is why a statemap that the certifier accepted has no meaning.
type Unreadable struct {
	// Reason is one of the Unreadable constants. When several hold it is the first in the
	// record, except that a repeated statemap is always twice.
	Reason string
	// Where is the byte offset in the record's value at which it was seen.
	Where int
}

// Error implements error.
func (u *Unreadable) Error() string { return "statemap is unreadable: " + u.Reason }
