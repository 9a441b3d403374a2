package replicator

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Action is something the shell must do: Step's output. The shell carries actions out in
// their order and decides nothing; each that can fail has its answer among the events.
type Action interface{ action() }

// Connect asks a lane to connect and to renew its fence; answered by LaneUp or LaneDown.
type Connect struct {
	Lane cohort.Lane
	// Doubt is the group whose commit is unknown, or nil; of the one chained to it the snapshot tells
	// as much. For an ahead group the answer counts how many of its versions are in the ledger.
	Doubt *queue.Group
}

// Install asks a lane for one transaction; answered by Installed, Failed or LaneDown. The
// group's entries may be read until then. A lane may have two: the second group is Chained, may be
// sent before the first is answered, and has no effect and no answer when that is not committed. A
// LaneDown that is in doubt is so of both.
type Install struct {
	Lane  cohort.Lane
	Group *queue.Group
	Uses  []Use
	Ends  []End
	// LockWait is how long a statement may wait for a lock, in ns: short at first, longer with
	// each try of the group's entries.
	LockWait int64
	// Watch asks who holds the lock, when that was in the way so often that an entry goes alone.
	Watch bool
}

// Beat asks an idle lane whether its connection lives and the cohort is still this host's;
// answered by Alive, Failed or LaneDown.
type Beat struct{ Lane cohort.Lane }

// Disconnect asks an idle lane to give its connection away. It is not answered.
type Disconnect struct{ Lane cohort.Lane }

// Use is a row of the guest history: from a version on (or for that version only) a
// generation converts. It is written by the first transaction that depends on it.
type Use struct {
	Guest      cohort.GuestID
	Generation cohort.Generation
	From       talos.Version
	Only       bool
}

// End is the end of a version's quarantine, recorded in the transaction that ends it.
type End struct {
	Version    talos.Version
	How        Ending
	Generation cohort.Generation // whose conversion ended it, or NoGeneration
	Request    int64             // of an operator, that ends with it; 0 for none
}

// Ending is how a quarantine ended.
type Ending string

// The endings.
const (
	EndedInstalled Ending = "installed" // its statements took effect
	EndedSkipped   Ending = "skipped"   // it has no effects: its guest says so, or its routes ignore it by now
	// EndedByOperator: a person skipped it.
	EndedByOperator Ending = "skipped_by_operator"
	EndedPassed     Ending = "passed" // the snapshot had passed it before this host began
)

// Quarantine asks a lane to record poison versions; answered like Install.
type Quarantine struct {
	Lane  cohort.Lane
	Rows  []Poisoned
	Known talos.Version // the snapshot at that time
}

// Poisoned is what is known of a version that cannot be installed.
type Poisoned struct {
	Version    talos.Version
	Safepoint  talos.Version
	Failure    Failure
	Generation cohort.Generation // which converted it, or NoGeneration
	Candidate  *talos.Candidate  // nil where the payload is lost
	At         int64             // ns
	Held       bool              // it holds the snapshot; false for a record of the fact alone
}

// Respond asks a lane to write answers to operators' requests; answered like Install.
type Respond struct {
	Lane    cohort.Lane
	Answers []Answer
}

// Convert asks for the statements of some versions; answered by Converted.
type Convert struct {
	Task       uint64
	Generation cohort.Generation
	// Before is the generation with which what this one makes is compared, while it is on probation; else
	// cohort.NoGeneration.
	Before cohort.Generation
	Works  []Work
}

// Work is one version to convert.
type Work struct {
	Version   talos.Version
	Safepoint talos.Version
	Candidate *talos.Candidate
}

// Refetch asks for payloads that were let go, in ascending order; each is answered by Refetched.
type Refetch struct {
	Versions []talos.Version
	Bytes    int // of the payloads, about
}

// PauseFetch asks the shell to stop fetching until ResumeFetch.
type PauseFetch struct{}

// ResumeFetch asks the shell to fetch again.
type ResumeFetch struct{}

// Seek asks the shell to read again from a position that it has passed already.
type Seek struct{ To talos.Position }

// Publish asks for the resume point to be published as the group's offset. It is not answered.
type Publish struct{ Resume talos.Position }

// Finished hands over the journeys of versions that the durable snapshot has passed.
type Finished struct{ Journeys []*timing.Journey }

// Ahead hands over copies of the journeys of versions that have become durable above the snapshot: it may be long until
// that passes them.
type Ahead struct{ Journeys []*timing.Journey }

// CutOver says from which version on a generation converts. Why is set when the one before it is taken
// back by itself, and says in what that does worse than this one did.
type CutOver struct {
	Guest      cohort.GuestID
	Generation cohort.Generation
	From       talos.Version
	Why        string
}

// Proven says that the probation of a generation is over.
type Proven struct {
	Guest      cohort.GuestID
	Generation cohort.Generation
}

// Bring asks for a generation of a guest that an operator wants: of the module with that digest, or of the
// one that converted before. It is answered by GuestArmed or GuestRefused.
type Bring struct {
	Request int64
	Guest   string // its name in the routes
	Digest  string // SHA-256 in hexadecimal; empty is the one before
	Deploy  bool   // it is compared before it is armed, where new modules are
	// Who asked and why, for people.
	Who, Why string
}

// Retire says that nothing needs the generation any more.
type Retire struct{ Generation cohort.Generation }

// Notice is something an operator should read. It is not answered.
type Notice struct {
	Kind    NoticeKind
	Version talos.Version
	Failure Failure
	// The positions of the first and the later decision, for a conflict.
	First, Later talos.Position
	Answer       Answer // of RequestAnswered
}

// NoticeKind says what a notice is about.
type NoticeKind uint8

// The kinds of notices.
const (
	OffsetZero       NoticeKind = iota // a candidate at offset 0 is never a version
	ConflictOutcome                    // a later decision contradicts the outcome that binds
	HeldVersion                        // a version is poison and holds the snapshot
	LateCommit                         // a record that the certifier refuses was committed
	BacklogTooLong                     // more undecided candidates than memory has room for
	GroupRetried                       // a group failed and is tried again
	LaneDisconnected                   // a lane has no connection
	CandidateMissing                   // a candidate was committed that the log does not have
	RequestAnswered                    // an operator's request has an answer, which is durable
)

// String returns the kind in words.
func (k NoticeKind) String() string {
	return [...]string{"offset zero", "conflicting outcome", "held", "late commit", "backlog too long", "retried", "lane disconnected", "candidate missing", "request"}[k]
}

// Stop says that the core has ended; it takes no further event.
type Stop struct {
	Reason  StopReason
	Failure Failure
}

// StopReason is why the core ended.
type StopReason uint8

// The reasons.
const (
	StopDrained           StopReason = iota // as asked
	StopFenced                              // another host owns the cohort
	StopDatabaseRegressed                   // the database lost commits: load everything again
	StopBrokenPromise                       // a promise is broken
	StopHalted                              // something outside cannot go on
	StopDrainOverdue                        // said by the shell: draining took longer than it may
	StopHandedOver                          // drained, for another host

	// StopReasons is how many there are.
	StopReasons = iota
)

// String returns the reason's word in logs.
func (r StopReason) String() string {
	return [...]string{"drained", "fenced", "database regressed", "broken promise", "halted", "draining took too long", "handed over"}[r]
}

func (*Connect) action()     {}
func (*Install) action()     {}
func (*Quarantine) action()  {}
func (*Respond) action()     {}
func (*Beat) action()        {}
func (*Disconnect) action()  {}
func (*Convert) action()     {}
func (*Refetch) action()     {}
func (*PauseFetch) action()  {}
func (*ResumeFetch) action() {}
func (*Seek) action()        {}
func (*Publish) action()     {}
func (*Finished) action()    {}
func (*Ahead) action()       {}
func (*CutOver) action()     {}
func (*Proven) action()      {}
func (*Bring) action()       {}
func (*Retire) action()      {}
func (*Notice) action()      {}
func (*Stop) action()        {}
