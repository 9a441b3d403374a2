// Package shadow compares what two modules of a guest make of the same versions, one by one: of the past,
// or beside the module that converts. It is pure: it is given conversions, and asks nothing.
package shadow

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
)

// Side is what one of the two modules made of a version.
type Side struct {
	Manifest   *abi.Manifest // which says what the numbers of templates mean: another module has others
	Conversion *guest.Conversion
}

// Kind is how the two stand to each other, in one stable word.
type Kind string

// The kinds.
const (
	Differ      Kind = "differ"       // neither rejects it, or both do, and not in the same way
	NewRejects  Kind = "new_rejects"  // the new one rejects or fails on what the old one did not
	OldRejected Kind = "old_rejected" // the old one rejected or failed on what the new one does not
)

// Aspect is what differs first, in one stable word.
type Aspect string

// The aspects, in the order in which they are looked at.
const (
	AspectStatus     Aspect = "status"     // one skips what the other converts, or rejects what the other does not
	AspectReject     Aspect = "reject"     // both reject, by another class, code, message or fault
	AspectCount      Aspect = "count"      // of statements
	AspectTemplate   Aspect = "template"   // a statement's SQL, the types of its values, or the rows that it promises
	AspectParameters Aspect = "parameters" // a statement's values
)

// Compare returns how what the new module makes of a record differs from what the old one made of it; nil
// if it does not. Two statements are the same if the database is given the same SQL, types and values, and
// is held to the same number of rows: names and numbers of templates are a module's own. Two faults are
// the same if they are of one kind: their details name functions of the module.
func Compare(record *guest.Record, before, now Side) *Difference {
	d := &Difference{Version: record.Version, Kind: Differ, at: -1}
	d.Aspect, d.What = d.find(before, now)
	if d.Aspect == "" {
		return nil
	}
	switch was, is := before.Conversion.Status == guest.Rejected, now.Conversion.Status == guest.Rejected; {
	case is && !was:
		d.Kind = NewRejects
	case was && !is:
		d.Kind = OldRejected
	}
	d.shape = shapeOf(d, before, now)
	d.sum = sumOf(record.Version, before, now)
	d.describe(record, before, now)
	return d
}

// Alike reports whether the two made the same of a version: the same statements, or none, or a rejection, for whatever reason.
func Alike(before, now Side) bool {
	if before.Conversion.Status == guest.Rejected && now.Conversion.Status == guest.Rejected {
		return true
	}
	aspect, _ := new(Difference).find(before, now)
	return aspect == ""
}

// find returns what differs first, and a sentence about it.
func (d *Difference) find(before, now Side) (Aspect, string) {
	was, is := before.Conversion, now.Conversion
	switch {
	case was.Status != is.Status:
		return AspectStatus, fmt.Sprintf("the old one %s it, the new one %s it", deeds[was.Status], deeds[is.Status])
	case !sameReject(was.Reject, is.Reject):
		return AspectReject, "both reject it, for another reason"
	case len(was.Statements) != len(is.Statements):
		d.at = firstOther(before, now)
		return AspectCount, fmt.Sprintf("%d statements, and the old one has %d", len(is.Statements), len(was.Statements))
	}
	for i := range is.Statements {
		if aspect, what := statement(before, now, i); aspect != "" {
			d.at = i
			return aspect, what
		}
	}
	return "", ""
}

var deeds = map[guest.Status]string{guest.Converted: "converts", guest.Skipped: "skips", guest.Rejected: "rejects"}

func sameReject(was, is *guest.Reject) bool {
	switch {
	case was == nil || is == nil:
		return was == is
	case was.Fault != nil && is.Fault != nil:
		return was.Class == is.Class && was.Fault.Kind == is.Fault.Kind
	}
	return was.Class == is.Class && was.Code == is.Code && was.Message == is.Message
}

// firstOther returns the first statement that the two do not share, where one has more than the other.
func firstOther(before, now Side) int {
	both := min(len(before.Conversion.Statements), len(now.Conversion.Statements))
	for i := range both {
		if aspect, _ := statement(before, now, i); aspect != "" {
			return i
		}
	}
	return both
}

// statement compares the statements at one place.
func statement(before, now Side, i int) (Aspect, string) {
	was, is := before.Conversion.Statements[i], now.Conversion.Statements[i]
	old, its := before.Manifest.Template(was.Template), now.Manifest.Template(is.Template)
	switch {
	case old.SQL != its.SQL:
		return AspectTemplate, fmt.Sprintf("statement %d has other SQL", i+1)
	case !slices.Equal(old.Params, its.Params):
		return AspectTemplate, fmt.Sprintf("statement %d has values of other types", i+1)
	case old.Rows != its.Rows:
		return AspectTemplate, fmt.Sprintf("statement %d promises another number of rows", i+1)
	}
	for p := range is.Args {
		if a, b := was.Args[p], is.Args[p]; !sameValue(a, b) {
			return AspectParameters, fmt.Sprintf("statement %d has $%d = %s, and the old one %s", i+1, p+1, quoted(b), quoted(a))
		}
	}
	return "", ""
}

func sameValue(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// quoted writes a value for a sentence.
func quoted(value []byte) string {
	if value == nil {
		return "null"
	}
	return fmt.Sprintf("%q", clipped(string(value), sentenceMost))
}
