package replicator

import "strings"

// Class is how a failure is met.
type Class uint8

// The classes, as in the table of failure classes in DESIGN.md.
const (
	Transient  Class = iota // wait and connect again, for ever
	Contention              // try again soon; alone after a while
	TimedOut                // a statement ran for longer than it may
	Poison                  // the version cannot be installed as it is
	Fenced                  // another host took the epoch
	Regressed               // the database lost commits, as a failover may: load everything again
	Broken                  // a promise is broken: our bug, or another hand in the tables
)

// Classes is how many classes there are.
const Classes = int(Broken) + 1

// String returns the class's word in metrics and logs.
func (c Class) String() string {
	return [...]string{"transient", "contention", "timeout", "poison", "fenced", "regressed", "broken"}[c]
}

// Failure is why a conversion or an installation did not succeed.
type Failure struct {
	Class Class
	// Kind is one of the words below.
	Kind string
	// Code is the SQLSTATE or the guest's error code, where there is one.
	Code    string
	Message string
	// Detail may hold a user's row: it is for the quarantine, never for a log.
	Detail string
	// Cause is the shell's error, for who looks at why the host ended; the core never looks at it.
	Cause error
}

// The kinds of failures, stable words for metrics, the quarantine and /readyz.
const (
	KindSQL           = "sql"              // the database refused a statement; Code is the SQLSTATE
	KindConnection    = "connection"       // there is no connection to the database
	KindGuestReject   = "guest_reject"     // the guest says that the statemap is wrong
	KindGuestFault    = "guest_fault"      // the guest broke its contract
	KindUnreadable    = "unreadable"       // the statemap has no meaning
	KindUnrouted      = "unrouted"         // the routes do not give its items to one guest
	KindContradiction = "contradiction"    // outcome and safepoint of the decision exclude each other
	KindPayloadLost   = "payload_lost"     // retention took the candidate before it was installed
	KindLateCommit    = "late_commit"      // a record that the certifier's parser refuses was committed
	KindTemplate      = "template_refused" // the database changed, and would not take the statement of a guest by now
	KindMissing       = "candidate_missing"
	KindDiverged      = "log_diverged" // another log stands where one was read
	KindAssertion     = "assertion"    // this host is wrong, or somebody's hand was in its tables
)

// serialization is the SQLSTATE of a transaction that could not be serialized.
const serialization = "40001"

// refusal reports whether the database is there and does not take what it is asked for, and no version is to blame:
// a right is gone, or a table (SQLSTATE class 42, "syntax error or access rule violation").
func (f Failure) refusal() bool {
	return f.Class == Transient && (f.Kind == KindTemplate || f.changed())
}

// changed reports whether the database refuses a statement for what it is and not for its values (SQLSTATE class 42). It took every
// statement when the module was loaded.
func (f Failure) changed() bool { return f.Kind == KindSQL && strings.HasPrefix(f.Code, "42") }

// String returns the failure for a log line.
func (f Failure) String() string {
	s := f.Kind
	if f.Code != "" {
		s += " " + f.Code
	}
	if f.Message != "" {
		s += ": " + f.Message
	}
	return s
}
