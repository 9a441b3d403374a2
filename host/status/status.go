package status

import (
	"encoding/json"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Status is a host at one instant, as /v1/status shows it.
type Status struct {
	Version   string    `json:"ichor"`     // of the program; "dev" for a build without one
	Phase     Phase     `json:"phase"`     // where it is between its start and its end
	Readiness Readiness `json:"readiness"` // as /readyz says it
	Topic     string    `json:"topic"`     // the certification topic's name
	// Snapshot is the version up to which all is installed, 0 for nothing.
	Snapshot talos.Version `json:"snapshot"`
	// Resume is the position from which a host that starts now reads, Next the one that this
	// host reads next, LogEnd the one behind the newest record: positions of the topic.
	Resume talos.Position `json:"resume"`
	Next   talos.Position `json:"next"`    // see resume
	LogEnd talos.Position `json:"log_end"` // see resume
	// Suffix are the versions that wait for a decision, their own or an earlier one's; Queue
	// those that were forwarded and that the snapshot has not passed.
	Suffix Depth `json:"suffix"`
	Queue  Depth `json:"queue"` // see suffix
	// Undecided are versions of Queue without a decision, which others have passed.
	Undecided int  `json:"undecided"`
	InFlight  int  `json:"in_flight"`  // versions in transactions that are not confirmed yet
	Held      int  `json:"held"`       // versions that cannot be installed and hold the snapshot
	Lanes     int  `json:"lanes"`      // connections that install
	LanesUp   int  `json:"lanes_up"`   // of them, those that the database has answered
	Bytes     int  `json:"bytes"`      // of memory that counts against limits.memory
	BytesMost int  `json:"bytes_most"` // limits.memory
	Paused    bool `json:"paused"`     // reading waits because what is decided fills its share of the memory
	// Standby is what the host holds of the log, for when it takes the cohort over; while it stands by.
	Standby *Tail `json:"standby,omitempty"`
	// Pause is an operator's that is in force.
	Pause *Pause `json:"pause,omitempty"`
	// Waiting is why the snapshot does not move; empty while it does or has nothing to do. Blocker
	// is the version that it is about, 0 for none.
	Waiting Reason           `json:"waiting_for,omitempty"`
	Blocker talos.Version    `json:"blocker,omitempty"` // see waiting_for
	Guests  []Guest          `json:"guests"`            // the generations in use, oldest first
	Counts  replicator.Stats `json:"counts"`            // since the host took the cohort over
}

// Depth is how many versions wait somewhere, and the lowest of them that is not settled, 0 when there is none.
type Depth struct {
	Length int           `json:"length"`         // so many
	Head   talos.Version `json:"head,omitempty"` // the lowest that is not settled
}

// Of returns what a condition and its verdict say. Version, BytesMost and Guests are the caller's to add.
func Of(c Condition, verdict Readiness, topic string) Status {
	core := &c.Core
	s := Status{
		Phase: c.Phase, Readiness: verdict, Topic: topic,
		Snapshot: core.Snapshot, Resume: core.Resume, Next: core.Next, LogEnd: core.End,
		Suffix: Depth{core.SuffixLen, core.SuffixHead}, Queue: Depth{core.QueueLen, core.QueueHead},
		Undecided: core.Undecided, InFlight: core.InFlight, Held: core.Held, Lanes: core.Lanes, LanesUp: core.LanesUp, Bytes: core.Bytes, Paused: core.Paused,
		Waiting: Reason(core.Reason), Blocker: core.Blocker, Counts: core.Stats,
	}
	if c.Phase == PhaseStandby {
		s.Standby, s.Next, s.LogEnd = &c.Tail, c.Tail.Next, c.Log.HighWatermark
	}
	if p := &core.Pause; p.ID != 0 {
		s.Pause = &Pause{Request: p.ID, Who: p.Who, Why: p.Why, Since: p.At}
	}
	return s
}

// Pause says who paused a cohort, and why.
type Pause struct {
	Request int64  `json:"request"`  // its number: what a resume of this pause, and of no later one, names in If-Match
	Who     string `json:"who"`      // a token's or a user's name
	Why     string `json:"reason"`   // that they gave
	Since   int64  `json:"since_ns"` // when it was asked for, nanoseconds since the Unix epoch
}

// Guest is one generation of a guest.
type Guest struct {
	Guest   string `json:"guest"`   // its name, as the routes say it
	Digest  string `json:"digest"`  // of its module: SHA-256 in hexadecimal
	Version string `json:"version"` // the manifest's, any text
	// Contract is the revision and the minor of the contract that the module speaks, as 1.0.
	Contract string        `json:"contract"`
	From     talos.Version `json:"from"`               // the first version that it converts
	Refused  *Refusal      `json:"rejected,omitempty"` // the newest file that was not taken
	Shadow   *Shadow       `json:"shadow,omitempty"`   // what is compared with it
	Judged   []Judgement   `json:"judged,omitempty"`   // the modules that lie beside the file
}

// Shadow is a module that converts beside the newest generation and is compared with it, or that was compared last.
type Shadow struct {
	Digest      string `json:"digest"`       // SHA-256 in hexadecimal
	Beside      string `json:"beside"`       // the digest of the one that it is compared with
	Of          int    `json:"of"`           // versions that are to be compared
	Compared    int    `json:"compared"`     // versions
	Missed      int    `json:"missed"`       // versions that it was not shown, since it was busy
	Same        int    `json:"same"`         // versions of which both make the same
	Differ      int    `json:"differ"`       // of which they do not
	NewRejects  int    `json:"new_rejects"`  // that it rejects, and the other does not
	OldRejected int    `json:"old_rejected"` // that the other rejects, and it does not
	// Differences names what differs between the two modules, as guests.shadow.expected takes it; empty for none.
	Differences string `json:"differences,omitempty"`
	// First are the differences of the lowest versions, as ichor replay --json writes them.
	First []json.RawMessage `json:"first,omitempty"`
}

// Refusal is a guest's file that could not be loaded: the generation before goes on.
type Refusal struct {
	Digest string `json:"digest"` // SHA-256 in hexadecimal; empty if the file could not be read
	Reason string `json:"reason"` // for people
	At     int64  `json:"at_ns"`  // when it was refused, nanoseconds since the Unix epoch
	Again  bool   `json:"again"`  // it is tried again by itself: something else was to blame, as a database that is away
}

// Judgement is what a host thinks of a module that lies beside a guest's file and asks to take
// its place. The module was loaded and its SQL put to the database, and nothing was changed.
type Judgement struct {
	Digest     string `json:"digest"`               // of the module: SHA-256 in hexadecimal
	Signatures string `json:"signatures,omitempty"` // the SHA-256 of those that came with it; empty without any
	Accepted   bool   `json:"accepted"`             // the host would take it
	Reason     string `json:"reason,omitempty"`     // why not, for people
	At         int64  `json:"at_ns"`                // when it was judged, nanoseconds since the Unix epoch
}
