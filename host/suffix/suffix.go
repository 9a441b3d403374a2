// Package suffix holds the candidates that have not been forwarded yet: from the lowest one
// without a decision (the head) on, but for heads that were passed.
//
// Storage is sparse: a gap between offsets costs nothing. It is pure: no clock, goroutine or
// I/O; its caller is the core.
package suffix

import (
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/ring"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Entry is one candidate that waits to be forwarded. Its payload may have been let go to
// keep memory bounded; the rest is what ordering needs.
type Entry struct {
	Version  talos.Version
	Received int64        // when the host read it, ns
	Before   talos.Anchor // the newest record below the candidate
	Keys     []talos.Key
	Size     int32          // bytes of the payload, whether held or not
	Guest    cohort.GuestID // which guest converts it; the route that the shell chose
	Kind     Kind
	Decision Decision

	Candidate *talos.Candidate // nil once let go
}

// Kind is what a candidate's statemap asks for.
type Kind uint8

// The kinds.
const (
	Installable Kind = iota // a guest converts its items
	Empty                   // nothing to install
	Unreadable              // the statemap has no meaning
	Unrouted                // the routes do not give its items to one guest
	Missing                 // committed, and the log does not have it
)

// Decision is what the suffix keeps of a decision.
type Decision struct {
	Position      talos.Position // where in the log the decision stands
	Received      int64          // when the host read it, ns
	Safepoint     talos.Version
	Outcome       talos.Outcome // Undecided while there is none
	Duplicate     bool
	Contradictory bool // outcome and safepoint exclude each other
}

// Suffix is the candidates from the head on, in version order. The zero value is empty.
type Suffix struct {
	entries ring.Ring[*Entry]
	held    int // bytes of the payloads that are held
	decided int // candidates with a decision
	keys    int // of all candidates
}

// Len returns how many candidates the suffix holds.
func (s *Suffix) Len() int { return s.entries.Len() }

// Held returns how many bytes the payloads take that have not been let go.
func (s *Suffix) Held() int { return s.held }

// Head returns the lowest candidate, or nil when the suffix is empty.
func (s *Suffix) Head() *Entry {
	if s.entries.Len() == 0 {
		return nil
	}
	return s.entries.At(0)
}

// Keys returns how many keys the candidates touch, all counted.
func (s *Suffix) Keys() int { return s.keys }

// Decided returns how many candidates have a decision: all wait for the head, or are to be forwarded.
func (s *Suffix) Decided() int { return s.decided }

// Decide notes the decision about a candidate that the suffix holds and that has none yet.
func (s *Suffix) Decide(e *Entry, d Decision) {
	e.Decision = d
	s.decided++
}

// Insert appends a candidate. It reports false, and changes nothing, when the version is not
// above all that the suffix holds: the first copy wins.
func (s *Suffix) Insert(e *Entry) bool {
	if n := s.entries.Len(); n > 0 && e.Version <= s.entries.At(n-1).Version {
		return false
	}
	s.entries.Push(e)
	s.keys += len(e.Keys)
	if e.Candidate != nil {
		s.held += int(e.Size)
	}
	return true
}

// Find returns the candidate with that version, or nil. O(log n).
func (s *Suffix) Find(v talos.Version) *Entry {
	i := s.entries.Search(func(e *Entry) bool { return e.Version >= v })
	if i == s.entries.Len() || s.entries.At(i).Version != v {
		return nil
	}
	return s.entries.At(i)
}

// Forward takes off and returns the head when it is decided, and nil otherwise. So versions
// leave in order, each after every earlier one is decided.
func (s *Suffix) Forward() *Entry {
	if e := s.Head(); e == nil || e.Decision.Outcome == talos.Undecided {
		return nil
	}
	s.decided--
	return s.pop()
}

// Pass takes off and returns the head, which has no decision: those behind it need not wait for it.
func (s *Suffix) Pass() *Entry { return s.pop() }

func (s *Suffix) pop() *Entry {
	e := s.entries.Pop()
	s.keys -= len(e.Keys)
	if e.Candidate != nil {
		s.held -= int(e.Size)
	}
	return e
}

// LetGo drops the payload of a candidate that the suffix holds. Its key, size and kind stay.
func (s *Suffix) LetGo(e *Entry) {
	if e.Candidate != nil {
		e.Candidate = nil
		s.held -= int(e.Size)
	}
}
