// Package talos is the vocabulary of the Talos certification protocol: versions,
// candidates, decisions and statemaps, and the decoding of both kinds of message
// from the bytes of the certification topic.
//
// It is the bottom of the import graph: every stage of the host speaks these words.
package talos

import "strconv"

// Version is the topic offset of a candidate. It orders everything: two hosts that
// install the same committed versions in the order of their numbers end with the same rows.
// Zero is never a version (the certifier aborts a candidate at offset 0 without
// certifying it), so it also means "none yet", as in a snapshot of 0.
type Version uint64

// String returns the version in decimal.
func (v Version) String() string { return strconv.FormatUint(uint64(v), 10) }

// Position is the topic offset of any message, decisions and markers too. A Position
// of p names the message at offset p; "the next position" is one that may not exist yet.
type Position int64

// String returns the position in decimal.
func (p Position) String() string { return strconv.FormatInt(int64(p), 10) }

// Anchor names one message of the log by its position and a hash of its bytes. A host
// keeps the anchor of the newest message below its resume point, so that a restart can
// tell the log it left from another one of the same name.
type Anchor struct {
	Position Position
	Hash     uint64
}

// NoAnchor is the anchor of a host that has read nothing.
var NoAnchor = Anchor{Position: -1}

// Outcome is what a decision says of its candidate.
type Outcome uint8

// The outcomes. The zero value is no outcome: an undecided candidate has it.
const (
	Undecided Outcome = iota
	Committed
	Aborted
)

// String returns the wire's word for the outcome.
func (o Outcome) String() string {
	switch o {
	case Committed:
		return "committed"
	case Aborted:
		return "aborted"
	default:
		return "undecided"
	}
}

// Item is one action of a statemap. Its payload is the JSON value as it stands on the
// topic, byte for byte; it aliases the candidate's Value.
type Item struct {
	Action  string
	Payload []byte
}

// Candidate is a transaction that asks to be certified, as the certifier accepts it.
//
// Strings and payloads may alias Value, so a Candidate keeps its record's bytes alive
// and none of them may be written to.
type Candidate struct {
	Version  Version
	XID      string
	Agent    string
	Cohort   string
	Snapshot uint64 // the read snapshot its transaction was made at, not a host's snapshot

	ReadSet  []string
	WriteSet []string

	// Times of the sender, nanoseconds since the Unix epoch; 0 where absent.
	CertificationStartedAt int64
	RequestCreatedAt       int64
	PublishedAt            int64

	// Items are the statemap's elements in their order; none when it is absent, null or empty.
	Items []Item
	// Unreadable says why a statemap has no meaning although the certifier accepts its
	// candidate; nil when it has one. Such a candidate keeps its place in the order: aborted
	// it settles, committed it is poison.
	Unreadable *Unreadable

	Value []byte // the record's value as on the topic
}

// Bytes returns how many bytes of memory the candidate holds, to be counted against the
// host's limit. It may be called from any goroutine.
func (c *Candidate) Bytes() int {
	return candidateOverhead + len(c.Value) + 16*(len(c.ReadSet)+len(c.WriteSet)) + 40*len(c.Items)
}

const candidateOverhead = 240

// Decision is the certifier's answer to one candidate.
type Decision struct {
	// Version is the candidate the decision is about: duplicateVersion when present, else version.
	Version Version
	// Original is the wire's version: the candidate of the same xid that was certified first.
	Original  Version
	Duplicate bool
	Outcome   Outcome
	// Safepoint is meaningful only when HasSafepoint. A decision whose outcome and safepoint
	// contradict each other (committed without one, aborted with one) is decoded as it is;
	// the core quarantines it.
	Safepoint       Version
	HasSafepoint    bool
	SuffixStart     uint64
	ConflictVersion Version // aborted by rule 3 only, else 0
	XID             string
	Agent           string
	Cohort          string
	Time            string // RFC 3339, empty where absent
}

// Contradictory reports whether the outcome and the safepoint exclude each other.
func (d *Decision) Contradictory() bool {
	return (d.Outcome == Committed) != d.HasSafepoint
}
