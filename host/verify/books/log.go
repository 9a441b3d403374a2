// Package books holds what a host wrote down about itself against what the log says: the invariants that
// are computed from these two alone. It knows no broker and no database, so that the simulator's model of
// them is checked by the same rules as the real ones.
package books

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Class is what became of a version by the first decision about it.
type Class string

// The classes.
const (
	Undecided   Class = "undecided"
	Refused     Class = "refused" // the certifier's parser refuses it: it is never decided, and no version
	Aborted     Class = "aborted"
	Duplicate   Class = "duplicate"
	Empty       Class = "empty"       // committed, and nothing to install
	Installable Class = "installable" // committed, with a statemap
	Poison      Class = "poison"      // committed, and its statemap has no meaning; or a decision that contradicts itself
	Missing     Class = "missing"     // committed, and the log has no candidate at its position
)

// Classes are all classes, in the order in which they are told.
var Classes = []Class{Installable, Empty, Aborted, Duplicate, Refused, Undecided, Poison, Missing}

// Settled reports whether a version of that class has no effects, and needs none.
func (c Class) Settled() bool { return c == Empty || c == Aborted || c == Duplicate || c == Refused }

// Record is one record of the log, of no Kafka transaction or of a committed one.
type Record struct {
	Position talos.Position
	Header   func(name string) []byte // as talos.Classify asks for it
	Value    []byte
}

// Log is what the records of a topic say of its versions, taken together. Payloads are not kept:
// a version costs some tens of bytes.
type Log struct {
	Start, End talos.Position // what was read: from Start up to, not including, End

	Records   int
	Repeated  int // decisions about versions that were decided before
	Different int // those of them that decide otherwise; the first one binds
	Other     int // records that are neither candidate nor decision

	// Holes are the positions within that have neither a record nor a transaction's marker, ascending.
	Holes []Hole

	versions  []entry // ascending by version
	decisions map[talos.Version]Decision
	abandoned map[talos.Version]bool
}

// Hole is a range of positions that hold nothing: From up to, not including, To.
type Hole struct{ From, To talos.Position }

type entry struct {
	version talos.Version
	kind    Class // Refused, Poison or Empty by the candidate alone; Installable for all others
}

// Decision is what a decision says of the version that it is about.
type Decision struct {
	Outcome       talos.Outcome
	Duplicate     bool
	Contradictory bool
	Safepoint     talos.Version
}

// NewLog returns a log of which nothing was read yet, and that is read from a position on.
func NewLog(start talos.Position) *Log {
	return &Log{Start: start, End: start, decisions: map[talos.Version]Decision{}}
}

// Add adds the next record. Records come in the order of their positions.
func (l *Log) Add(r *Record) {
	l.Records++
	l.End = max(l.End, r.Position+1)
	switch kind, _ := talos.Classify(r.Header, r.Value); kind {
	case talos.CandidateKind:
		l.candidate(talos.Version(r.Position), r.Value)
	case talos.DecisionKind:
		l.decide(r.Position, r.Value)
	default:
		l.Other++
	}
}

func (l *Log) candidate(v talos.Version, value []byte) {
	if v == 0 {
		return // never a version
	}
	var c talos.Candidate
	kind := Installable
	if err := talos.DecodeCandidate(v, value, &c); err != nil {
		kind = Refused
	} else if c.Unreadable != nil {
		kind = Poison
	} else if len(c.Items) == 0 {
		kind = Empty
	}
	l.Put(v, kind)
}

// Put enters the next candidate, by what it says itself: Refused, Poison, Empty, or Installable for all
// others.
func (l *Log) Put(v talos.Version, kind Class) { l.versions = append(l.versions, entry{v, kind}) }

func (l *Log) decide(at talos.Position, value []byte) {
	var d talos.Decision
	if err := talos.DecodeDecision(value, &d); err != nil {
		l.Other++
		return
	}
	l.Decide(at, d.Version, Decision{d.Outcome, d.Duplicate, d.Contradictory(), d.Safepoint})
}

// Decide enters the next decision, which stands at a position. The first about a version binds. One that
// comes before its candidate decides nothing.
func (l *Log) Decide(at talos.Position, about talos.Version, is Decision) {
	first, again := l.decisions[about]
	switch {
	case talos.Position(about) >= at:
		l.Other++
	case !again:
		l.decisions[about] = is
	case first.Outcome != is.Outcome:
		l.Different++
		l.Repeated++
	default:
		l.Repeated++
	}
}

// Abandon takes what an operator decided of candidates that had no decision: they count as aborted, whatever
// the log says of them later. It takes the place of what was abandoned before, and returns those that the log
// commits all the same.
func (l *Log) Abandon(versions []talos.Version) (committed []talos.Version) {
	l.abandoned = map[talos.Version]bool{}
	for _, v := range versions {
		l.abandoned[v] = true
		if d := l.decisions[v]; d.Outcome == talos.Committed && !d.Duplicate {
			committed = append(committed, v)
		}
	}
	return committed
}

// find returns the entry of a version.
func (l *Log) find(v talos.Version) (entry, bool) {
	at, found := slices.BinarySearchFunc(l.versions, v, func(e entry, v talos.Version) int { return cmp.Compare(e.version, v) })
	if !found {
		return entry{}, false
	}
	return l.versions[at], true
}

// Has reports whether a position is in the part of the log that was read.
func (l *Log) Has(v talos.Version) bool {
	return talos.Position(v) >= l.Start && talos.Position(v) < l.End
}

// Class returns what became of a version; "" for a position that is none.
func (l *Log) Class(v talos.Version) Class {
	e, known := l.find(v)
	if !known {
		if d := l.decisions[v]; d.Outcome == talos.Committed && !d.Duplicate && !l.abandoned[v] && l.isHole(v) {
			return Missing
		}
		return ""
	}
	return l.class(e)
}

// isHole reports whether nothing stands at a position, not even a record that is no candidate.
func (l *Log) isHole(v talos.Version) bool {
	at, _ := slices.BinarySearchFunc(l.Holes, talos.Position(v), func(h Hole, p talos.Position) int { return cmp.Compare(h.To-1, p) })
	return v > 0 && at < len(l.Holes) && l.Holes[at].From <= talos.Position(v)
}

func (l *Log) class(e entry) Class {
	d, decided := l.decisions[e.version]
	switch {
	case e.kind == Refused:
		return Refused
	case l.abandoned[e.version]:
		return Aborted
	case !decided:
		return Undecided
	case d.Contradictory:
		return Poison
	case d.Duplicate:
		return Duplicate
	case d.Outcome == talos.Aborted:
		return Aborted
	}
	return e.kind
}

// Safepoint returns the safepoint of the first decision about a version.
func (l *Log) Safepoint(v talos.Version) talos.Version { return l.decisions[v].Safepoint }

// All yields every version and its class, ascending; also those that the log lacks.
func (l *Log) All(yield func(talos.Version, Class) bool) {
	missing := l.missing()
	for _, e := range l.versions {
		for len(missing) > 0 && missing[0] < e.version {
			if !yield(missing[0], Missing) {
				return
			}
			missing = missing[1:]
		}
		if !yield(e.version, l.class(e)) {
			return
		}
	}
	for _, v := range missing {
		if !yield(v, Missing) {
			return
		}
	}
}

// missing returns the versions that were committed and that the log does not have, ascending.
func (l *Log) missing() (all []talos.Version) {
	if len(l.Holes) == 0 {
		return nil
	}
	for _, v := range slices.Sorted(maps.Keys(l.decisions)) {
		if l.Class(v) == Missing {
			all = append(all, v)
		}
	}
	return all
}

// LastInstallable returns the newest installable versions up to a snapshot, at most so many, ascending.
func (l *Log) LastInstallable(snapshot talos.Version, most int) []talos.Version {
	var all []talos.Version
	for i := len(l.versions) - 1; i >= 0 && len(all) < most; i-- {
		if e := l.versions[i]; e.version <= snapshot && l.class(e) == Installable {
			all = append(all, e.version)
		}
	}
	slices.Reverse(all)
	return all
}

// String says what was read, for people.
func (l *Log) String() string {
	if l.Records == 0 {
		return "no records"
	}
	return fmt.Sprintf("positions %d to %d, %d records", l.Start, l.End-1, l.Records)
}
