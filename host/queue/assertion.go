package queue

import "fmt"

// Assertion is the panic of the queue and of the core when a rule of theirs is broken: this host is
// wrong, or somebody's hand was in its tables. The core turns it into a Stop, so that nothing that was
// decided after it is carried out.
type Assertion string

// Error implements error.
func (a Assertion) Error() string { return string(a) }

// Assertionf returns an assertion of that text.
func Assertionf(format string, args ...any) Assertion { return Assertion(fmt.Sprintf(format, args...)) }
