package replicator

// Class is how a failure is met.
type Class uint8

// The classes, as in the table of failure classes in DESIGN.md.
const (
	Transient  Class = iota // wait and connect again, for ever
	Contention              // try again soon; alone after a while
	Poison                  // the version cannot be installed as it is
	Fenced                  // another host took the epoch
	Regressed               // the database lost commits, as a failover may: load everything again
	Broken                  // a promise is broken: our bug, or another hand in the tables
)

// Classes is how many classes there are.
const Classes = int(Broken) + 1

// String returns the class's word in metrics and logs.
func (c Class) String() string {
	return [...]string{"transient", "contention", "poison", "fenced", "regressed", "broken"}[c]
}

// Failure is why a conversion or an installation did not succeed.
type Failure struct {
	Class Class
	// Kind is a stable word for what failed: sql, guest_reject, guest_fault, unreadable,
	// unrouted, contradiction, payload_lost, late_commit, connection.
	Kind string
	// Code is the SQLSTATE or the guest's error code, where there is one.
	Code    string
	Message string
}

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
