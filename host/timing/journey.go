package timing

import (
	"encoding/json"
	"iter"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Journey is the way of one version: an instant in nanoseconds since the Unix epoch for each
// event it has passed. The zero value has passed none. One goroutine owns a journey at a
// time; whoever hands a version on hands its journey on.
type Journey struct {
	Version talos.Version // the position of the candidate in the log
	// Attempts counts the transactions with it that the host began, those of groups included; above 1 the version was retried.
	Attempts uint32
	// Guest is the digest of the guest that converted the version, empty when none did.
	Guest string
	// Ahead says that the version was installed above the snapshot, so that what watches installations was given a copy of
	// its journey then.
	Ahead bool
	// Details are of a version that a guest was given; nil for others.
	Details *Details
	at      [Events]int64
}

// Details are what a version was, and what its guest made of it.
type Details struct {
	XID    string `json:"xid"`    // the candidate's, a UUID as it was written
	Cohort string `json:"cohort"` // that the candidate is of
	// Fuel is what the guest burnt for it: its share, by number, of what its call burnt, in units.
	Fuel       int64    `json:"fuel"`
	Statements int      `json:"statements"`          // that it became
	Templates  []string `json:"templates,omitempty"` // the names of theirs, each once
}

// Record notes that the version passed e at the instant ns. The first record of an event
// stays, so a retry never overwrites it, and an instant before that of an earlier event is
// raised to it: clocks step back, journeys do not.
func (j *Journey) Record(e Event, ns int64) {
	if j.at[e] != 0 {
		return
	}
	for prior := int(e) - 1; prior >= 0; prior-- {
		if j.at[prior] != 0 {
			ns = max(ns, j.at[prior])
			break
		}
	}
	j.at[e] = ns
}

// Get returns when the version passed e; false when it has not.
func (j *Journey) Get(e Event) (int64, bool) { return j.at[e], j.at[e] != 0 }

// All yields the events that the version has passed, in their order.
func (j *Journey) All() iter.Seq2[Event, int64] {
	return func(yield func(Event, int64) bool) {
		for e, ns := range j.at {
			if ns != 0 && !yield(Event(e), ns) {
				return
			}
		}
	}
}

// Between returns the nanoseconds from one event to another; false unless both are recorded.
func (j *Journey) Between(from, to Event) (int64, bool) {
	if j.at[from] == 0 || j.at[to] == 0 {
		return 0, false
	}
	return j.at[to] - j.at[from], true
}

// stop is an event in JSON.
type stop struct {
	Event string `json:"event"` // a name of Event.String
	At    int64  `json:"at_ns"` // nanoseconds since the Unix epoch
}

// inJSON is a journey in JSON.
type inJSON struct {
	Version  talos.Version `json:"version"`
	Attempts uint32        `json:"attempts"`        // transactions with it that were begun
	Guest    string        `json:"guest,omitempty"` // the digest in hexadecimal; none where no guest converted it
	Details  *Details      `json:"details,omitempty"`
	Events   []stop        `json:"events"`
}

// MarshalJSON writes the version, its attempts and guest, and a list of {event, at_ns} in the
// order of the events that it has passed. An event is a name of Event.String, at_ns the
// nanoseconds since the Unix epoch; attempts counts transactions that were begun, and guest is
// the digest in hexadecimal, left out where no guest converted the version, like its details.
func (j *Journey) MarshalJSON() ([]byte, error) {
	stops := make([]stop, 0, Events)
	for e, ns := range j.All() {
		stops = append(stops, stop{e.String(), ns})
	}
	return json.Marshal(inJSON{j.Version, j.Attempts, j.Guest, j.Details, stops})
}

// UnmarshalJSON reads what MarshalJSON writes; events that it does not know are left out.
func (j *Journey) UnmarshalJSON(text []byte) error {
	var in inJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*j = Journey{Version: in.Version, Attempts: in.Attempts, Guest: in.Guest, Details: in.Details}
	for _, s := range in.Events {
		if e, known := ParseEvent(s.Event); known {
			j.at[e] = s.At
		}
	}
	return nil
}

// Observer receives each finished journey: one whose version is settled and lies at or below
// the persisted snapshot. The host calls it from one goroutine, in version order where
// versions settle together; the journey is the observer's to keep.
type Observer interface {
	Observe(*Journey)
}
