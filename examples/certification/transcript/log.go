// Package transcript reads a certification topic of an example as somebody who knows no host would: it shares
// no decoder and no client with one. It says what became of each version, and compares the rows that a serial
// replay leaves with those of a database. The replay is the example's.
package transcript

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Record is one record of the topic, in its order.
type Record struct {
	Position    talos.Position
	MessageType string // empty where the record has no such header
	Value       []byte
}

// Class is what became of a version.
type Class string

// The classes.
const (
	Undecided   Class = "undecided"
	Refused     Class = "refused" // the certifier's parser refuses it: it is never decided
	Aborted     Class = "aborted"
	Duplicate   Class = "duplicate"
	Empty       Class = "empty" // committed, and nothing to install
	Installable Class = "installable"
	Unreadable  Class = "unreadable" // committed, and its statemap has no meaning
)

// Log is what the records say, taken together.
type Log struct {
	Records int
	End     talos.Position // above the last record and the last marker of a transaction
	// Repeated counts the decisions about versions that were decided before, Other the records
	// that are neither candidate nor decision.
	Repeated, Other int

	understand func(Item) error
	candidates map[talos.Version]*candidate
	decisions  map[talos.Version]decision
	kinds      []placed
}

// Kind is what a record is by itself.
type Kind string

// The kinds.
const (
	KindCandidate Kind = "candidate"
	KindRefused   Kind = "refused" // a candidate that the certifier's parser refuses
	KindDecision  Kind = "decision"
	KindOther     Kind = "other"
)

// placed is the kind of the record at a position.
type placed struct {
	at   talos.Position
	kind Kind
}

// candidate is what is needed of one.
type candidate struct {
	refused bool
	items   []Item
	bad     error // why the statemap has no meaning
}

type decision struct{ committed, duplicate bool }

// Item is an item of a statemap.
type Item struct {
	Action  string
	Payload json.RawMessage
}

// NewLog returns the log of no records. understand says what is wrong with an item that has no meaning.
func NewLog(understand func(Item) error) *Log {
	return &Log{understand: understand, candidates: map[talos.Version]*candidate{}, decisions: map[talos.Version]decision{}}
}

// Add adds the next record.
func (l *Log) Add(r Record) {
	l.Records++
	kind := KindOther
	switch {
	case len(r.Value) == 0: // whatever it says it is
	case r.MessageType == "Candidate":
		c := l.readCandidate(r.Value)
		if kind = KindCandidate; c.refused {
			kind = KindRefused
		}
		l.candidates[talos.Version(r.Position)] = c
	case r.MessageType == "Decision":
		if l.decide(r) {
			kind = KindDecision
		}
	}
	if kind == KindOther {
		l.Other++
	}
	l.kinds = append(l.kinds, placed{r.Position, kind})
}

// Kinds counts the records from a position on.
func (l *Log) Kinds(from talos.Position) map[Kind]int {
	kinds := map[Kind]int{}
	for _, is := range l.kinds {
		if is.at >= from {
			kinds[is.kind]++
		}
	}
	return kinds
}

// decide notes the first decision about a version, which binds, unless it comes before its candidate. It reports whether the record is a
// decision at all.
func (l *Log) decide(r Record) bool {
	var d struct {
		Decision         string
		Version          *talos.Version
		DuplicateVersion *talos.Version
	}
	if !unrepeated(r.Value) || json.Unmarshal(r.Value, &d) != nil || d.Version == nil || d.Decision != "committed" && d.Decision != "aborted" {
		return false
	}
	version := *d.Version
	if d.DuplicateVersion != nil {
		version = *d.DuplicateVersion
	}
	if talos.Position(version) >= r.Position {
		return true
	}
	if _, again := l.decisions[version]; again {
		l.Repeated++
		return true
	}
	l.decisions[version] = decision{committed: d.Decision == "committed", duplicate: d.DuplicateVersion != nil}
	return true
}

// Versions returns all versions in ascending order; offset 0 is none.
func (l *Log) Versions() []talos.Version {
	versions := slices.Sorted(maps.Keys(l.candidates))
	if len(versions) > 0 && versions[0] == 0 {
		return versions[1:]
	}
	return versions
}

// Items returns the items of a version, in their order.
func (l *Log) Items(v talos.Version) []Item { return l.candidates[v].items }

// Class returns what became of a version.
func (l *Log) Class(v talos.Version) Class {
	c, d := l.candidates[v], l.decisions[v]
	_, decided := l.decisions[v]
	switch {
	case c.refused:
		return Refused
	case !decided:
		return Undecided
	case d.duplicate:
		return Duplicate
	case !d.committed:
		return Aborted
	case c.bad != nil:
		return Unreadable
	case len(c.items) == 0:
		return Empty
	}
	return Installable
}

// Classes counts the versions of each class.
func (l *Log) Classes() map[Class]int {
	classes := map[Class]int{}
	for _, v := range l.Versions() {
		classes[l.Class(v)]++
	}
	return classes
}

// Snapshot returns the snapshot that a cohort must reach: the highest version below which, and
// including which, every version is decided and can be installed.
func (l *Log) Snapshot() (snapshot talos.Version) {
	for _, v := range l.Versions() {
		switch l.Class(v) {
		case Refused:
		case Undecided, Unreadable:
			return snapshot
		default:
			snapshot = v
		}
	}
	return snapshot
}
