package replicator

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Event is something that happened outside: Step's input. The shell makes events, one at a
// time and in the order in which they happened. The core keeps none of them.
type Event interface{ event() }

// Candidate is a candidate read from the log that the certifier accepts.
type Candidate struct {
	Version talos.Version
	Before  talos.Anchor // the newest record below it, or NoAnchor when none was read yet
	Keys    []talos.Key  // the core keeps the slice
	Guest   cohort.GuestID
	Kind    suffix.Kind
	Payload *talos.Candidate
}

// Decision is a decision read from the log.
type Decision struct {
	Version       talos.Version // the candidate that it is about
	Position      talos.Position
	Safepoint     talos.Version
	Outcome       talos.Outcome
	Duplicate     bool
	Contradictory bool
}

// Refused is a candidate that the certifier's parser refuses: it is never decided.
type Refused struct{ Version talos.Version }

// Hole says that the log has nothing at the positions from From up to, not including, To:
// compaction took what was there.
type Hole struct {
	From, To talos.Position
	Before   talos.Anchor // the newest record below it
}

// BatchRead ends each batch of records: everything below Next was delivered or is none of ours.
type BatchRead struct {
	Next   talos.Position
	Anchor talos.Anchor   // the newest record below Next, or NoAnchor when none was read yet
	Start  talos.Position // where the log began when it answered
	End    talos.Position // where the readable log ended then
	Asked  int64          // when the log was asked, ns: End is not older
	Hidden bool           // behind End an open transaction hides more
}

// SeekDone says that the records which follow are read from the position that Seek asked for.
type SeekDone struct{}

// Refetched is the answer to Refetch for one version: its payload, or nil when neither the log nor the
// quarantine has it any more.
type Refetched struct {
	Version talos.Version
	Keys    []talos.Key // of the candidate as it is there now
	Payload *talos.Candidate
}

// Converted is the answer to Convert: a result for each version that was given, in order, or for the
// first of them when their statements are large; at least one.
type Converted struct {
	Task    uint64
	Results []Result
	Fresh   int   // of them, by the first call of a new instance, which takes more than the next
	Fuel    int64 // units that the guest burnt for the others
	Took    int64 // ns that it took for these

	// BeforeFuel and BeforeTook are what Convert's Before burnt and took for the same versions; 0 where there is none.
	BeforeFuel, BeforeTook int64
}

// Verdict is what a guest said of a version's statemap.
type Verdict uint8

// The verdicts.
const (
	OK       Verdict = iota // its statements are in Conversion
	Skipped                 // it has no effects
	Rejected                // Failure says why
)

// Result is what became of one version's conversion.
type Result struct {
	Begin, End int64  // ns, on either side of the guest call
	Guest      string // the digest of the guest, for the journey
	Details    *timing.Details
	Verdict    Verdict
	Conversion queue.Conversion
	Failure    Failure
	// Alike says that Convert's Before makes the same of the version: the same statements, or none, or a rejection too.
	Alike bool
}

// LaneUp says that a lane is connected, its fence renewed, so that no transaction of an
// earlier connection can still commit; and what the database then said.
type LaneUp struct {
	Lane     cohort.Lane
	Snapshot talos.Version
	// Ledgered is how many of the versions of the group in doubt the ledger holds.
	Ledgered int
}

// LaneDown says that a lane has no connection: it was lost, or could not be made. InDoubt
// says that a group was under way and may have been committed.
type LaneDown struct {
	Lane    cohort.Lane
	Failure Failure
	InDoubt bool
}

// Installed says that the transaction of a lane is durable.
type Installed struct {
	Lane                      cohort.Lane
	Received, Begin, Complete int64 // ns, on the lane
}

// Failed says that the transaction of a lane was rolled back; the lane is connected and idle.
type Failed struct {
	Lane    cohort.Lane
	Failure Failure
	Culprit talos.Version // whose statement failed; 0 when it is not known
}

// Alive is the answer to Beat: the connection lives, and the cohort is this host's.
type Alive struct{ Lane cohort.Lane }

// Asked tells of requests of operators that are not answered yet, in their order. The same one may be told
// more than once.
type Asked struct{ Requests []Request }

// GuestArmed says that a generation is loaded, checked and may convert.
type GuestArmed struct {
	Guest      cohort.GuestID
	Generation cohort.Generation
	Request    int64 // of an operator, by a Bring; 0 for none
	Believed   bool  // it is on no probation: the one before could convert nothing, or an operator goes back to it
}

// GuestRefused says why a Bring is not done.
type GuestRefused struct {
	Request int64
	Words   string
}

// Tick says that time has passed; the shell sends one when Deadline is reached.
type Tick struct{}

// Halt says that something outside cannot go on and that waiting does not help: the log was
// truncated, say. The core stops.
type Halt struct{ Failure Failure }

// Drain asks the core to finish what is in flight, make the snapshot durable and stop.
type Drain struct{}

func (*Candidate) event()    {}
func (*Decision) event()     {}
func (*Refused) event()      {}
func (*Hole) event()         {}
func (*BatchRead) event()    {}
func (*Alive) event()        {}
func (*SeekDone) event()     {}
func (*Refetched) event()    {}
func (*Converted) event()    {}
func (*LaneUp) event()       {}
func (*LaneDown) event()     {}
func (*Installed) event()    {}
func (*Failed) event()       {}
func (*GuestArmed) event()   {}
func (*GuestRefused) event() {}
func (*Asked) event()        {}
func (*Tick) event()         {}
func (*Halt) event()         {}
func (*Drain) event()        {}
