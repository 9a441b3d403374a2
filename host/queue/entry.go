package queue

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// State is where an entry stands.
type State uint8

// The states. Settled is final.
const (
	Undecided  State = iota // there is no decision yet: waits for the certifier
	Converting              // its statements are not known yet
	Awaiting                // may be installed as soon as the rule lets it
	InFlight                // a lane installs it, or whether it did is in doubt
	Held                    // poison: waits for a person or another guest
	Settled                 // settled: its effects are durable, or it has none
)

// String returns the state's name.
func (s State) String() string {
	return [...]string{"undecided", "converting", "awaiting", "in flight", "held", "settled"}[s]
}

// Conversion is what a guest made of an entry's statemap; the queue knows only its size.
type Conversion interface {
	// Bytes returns how many bytes of memory the conversion holds.
	Bytes() int
}

// Entry is one forwarded version and what became of it. The core fills the exported fields
// before Add; afterwards only the queue changes State.
type Entry struct {
	Version   talos.Version
	Safepoint talos.Version
	Before    talos.Anchor // the newest record below the version
	Keys      []talos.Key
	Guest     cohort.GuestID
	Size      int32 // bytes of the payload, whether held or not

	AddedAt int64 // ns, when the core added it

	// The decision that binds, and where in the log it stands; none while it is Undecided.
	Outcome   talos.Outcome
	Duplicate bool
	DecidedAt talos.Position

	Candidate  *talos.Candidate  // nil while let go, and once installed
	Conversion Conversion        // nil until converted, and once installed
	Generation cohort.Generation // which generation converted it
	Journey    *timing.Journey

	// Effects is false for aborted, duplicate and empty versions, which are settled when added.
	Effects bool
	// Ahead says that its effects are durable through the ledger, above the snapshot.
	Ahead bool
	// Alike says that the generation before made the same of it as Generation, which is on probation.
	Alike bool
	// Attempts counts the installations for which another transaction was in the way.
	Attempts int32

	state     State
	notBefore int64         // ns; it is not tried again earlier
	limit     int32         // most entries of a group it may join; 0 is any
	touches   []touch       // its places in the lines of its keys, while it is in the table of conflicts
	waits     int32         // of its touches, those that are not granted
	behind    talos.Version // the highest unsettled version below that conflicts with it, as it was entered
	ready     bool          // stands among those that may go ahead
	group     *Group        // that it is in flight with
	found     *Group        // whose search found it last
	made      int           // of bytes, those of statements
	has       bool          // its statements count for its generation
	bytes     int           // what it counts against the limit now
}

// decided returns the state that the decision leads to.
func (e *Entry) decided() State {
	if !e.Effects || e.Ahead {
		return Settled
	}
	return Converting
}

// State returns where the entry stands.
func (e *Entry) State() State { return e.state }

// Since returns the instant, in ns, since which the entry is converting or in flight; 0 when it is neither.
func (e *Entry) Since() int64 {
	switch e.state {
	case Converting:
		return e.AddedAt
	case InFlight:
		return e.group.begun
	}
	return 0
}

// NotBefore returns the instant, in ns, before which the entry is not tried again; 0 is none.
func (e *Entry) NotBefore() int64 { return e.notBefore }

// entryOverhead is what an entry takes beside payload and conversion: itself, its journey,
// its slots in the ring and the heap. keyOverhead is what each of its keys takes: itself, a touch and a
// share of the line.
const (
	entryOverhead = 512
	keyOverhead   = 88
)

func (e *Entry) measure() int {
	n := entryOverhead + keyOverhead*len(e.Keys)
	if e.Candidate != nil {
		n += e.Candidate.Bytes()
	}
	if e.Conversion != nil {
		n += e.Conversion.Bytes()
	}
	return n
}
