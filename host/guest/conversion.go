package guest

import (
	"reflect"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Record is one committed version to be converted.
type Record struct {
	Version   talos.Version
	Safepoint talos.Version
	Time      int64 // the candidate's, nanoseconds since the epoch: the guest's clock
	XID       string
	Cohort    string
	Agent     string
	Items     []talos.Item
}

// RecordOf returns what a guest is given of a committed candidate.
func RecordOf(version, safepoint talos.Version, c *talos.Candidate) Record {
	return Record{Version: version, Safepoint: safepoint, Time: c.PublishedAt, XID: c.XID, Cohort: c.Cohort, Agent: c.Agent, Items: c.Items}
}

// Status is what became of a version.
type Status uint8

// The statuses. A version without items is Converted, with no statements.
const (
	Converted Status = iota
	Skipped          // the guest has, on purpose, nothing to install
	Rejected         // Conversion.Reject says why
)

// String returns the status in one word.
func (s Status) String() string { return [...]string{"converted", "skipped", "rejected"}[s] }

// Statement is a template of the manifest and its values in PostgreSQL's text format; a nil
// value is null, an empty one is empty.
type Statement struct {
	Template uint32
	Args     [][]byte
}

// Conversion is the result of converting one version. Its bytes are copies in the host's memory,
// valid after the call and after the generation is closed. The versions of one call share their
// storage, so one that waits long keeps the storage of its whole batch, at most Options.BatchMax
// versions, alive.
type Conversion struct {
	Version    talos.Version
	Status     Status
	Statements []Statement // in the order of the items
	Reject     *Reject
	// Begin and End are the times of the guest call, from Options.Clock; 0 for a version
	// that never reached the guest.
	Begin, End int64

	bytes int
}

const conversionOverhead = 96

// Bytes returns how many bytes of memory the conversion holds, its share of the batch's
// storage included.
func (c *Conversion) Bytes() int { return conversionOverhead + c.bytes }

// Same reports whether two conversions have the same outcome, whenever they were made.
func (c *Conversion) Same(other *Conversion) bool {
	return c.Status == other.Status && reflect.DeepEqual(c.Statements, other.Statements) && sameReject(c.Reject, other.Reject)
}

func sameReject(a, b *Reject) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Class == b.Class && a.Code == b.Code && a.Message == b.Message
}

// Conversions are the results of one Convert, in the order of its records. The value may be
// used for many calls; each replaces Results by new ones, which the caller may keep.
type Conversions struct {
	Results []Conversion
	Fuel    int64 // units that the guest burnt for them, in the calls that failed too
	First   int64 // of it, for the first call of a new instance, which takes more than the next ones; it was for Results[0] alone. 0 where there was none, or one failed
	Faults  int   // calls that failed; a version that fails alone is rejected, another is tried again
}
