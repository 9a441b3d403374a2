package replay

import (
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// Newest is how many committed versions a range has whose beginning is not given.
const Newest = 10_000

// Range are positions of the log, both inclusive: the committed versions among them are meant. A From of 0
// is the Newest-th committed version up to To, and not before the first that the history names a module of
// the guest for; a To of 0 is the snapshot, or where the log ends before it.
type Range struct {
	From talos.Version `json:"from"`
	To   talos.Version `json:"to"`
}

// choose decides which versions the range has, and whether all is known of them.
func (r *replay) choose() error {
	span := r.Options.Range
	if span.To == 0 {
		span.To = min(r.evidence.Snapshot, talos.Version(max(r.log.End, 1)-1))
	}
	first, named := r.firstOfHistory()
	switch {
	case !named:
		return &HistoryError{Guest: r.Guest}
	case span.From > span.To:
		return &RangeError{Range: span, Why: emptyRange(r.Options.Range, r.evidence.Snapshot)}
	case span.To >= talos.Version(r.log.End):
		return &RangeError{Range: span, Why: endOfLog(r.log.End)}
	case span.From == 0:
		span.From = r.newest(span.To, first)
	case span.From < talos.Version(r.log.Start):
		return &BelowStartError{From: span.From, Start: r.log.Start}
	}
	r.report.Range = span
	return r.count(span)
}

// firstOfHistory returns the first version that the history names a module of the guest for.
func (r *replay) firstOfHistory() (first talos.Version, named bool) {
	for _, u := range r.evidence.History {
		if u.Guest == r.Guest && (!named || u.From < first) {
			first, named = u.From, true
		}
	}
	return first, named
}

// newest returns the beginning of a range that ends at to: the first of the newest versions, and not below
// a first one.
func (r *replay) newest(to, first talos.Version) talos.Version {
	var all []talos.Version
	for v, class := range r.log.All {
		if class == books.Installable && v >= first && v <= to {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return max(1, first)
	}
	return all[max(0, len(all)-Newest)]
}

// count counts the versions of the range. One that has no decision refuses it: the same range would
// have another content later.
func (r *replay) count(span Range) error {
	for v, class := range r.log.All {
		if v < span.From || v > span.To {
			continue
		}
		switch class {
		case books.Installable:
			r.report.Committed++
		case books.Undecided:
			return &UndecidedError{Version: v}
		case books.Missing:
			r.report.Missing++
		case books.Aborted, books.Duplicate, books.Empty, books.Poison, books.Refused: // no guest is given them
		}
	}
	if r.report.Committed == 0 {
		return &RangeError{Range: span, Why: noneCommitted(span, r.log.Class(span.From))}
	}
	return nil
}
