package talos

// Unreadable is why a statemap that the certifier accepted has no meaning.
type Unreadable struct {
	// Reason is a short stable word for metrics: not_a_list, element_not_an_object,
	// no_key, several_keys, twice, invalid_utf8, lone_surrogate, too_deep.
	Reason string
	// Where is the byte offset in the record's value at which it was seen.
	Where int
}

// Error implements error.
func (u *Unreadable) Error() string { return "statemap is unreadable: " + u.Reason }
