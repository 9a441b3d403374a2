package books

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Kind is what a finding is about, in one stable word.
type Kind string

// The kinds of findings, and the invariants that they break.
const (
	SnapshotTwice       Kind = "snapshot_differs"    // ichor.state and cohort_snapshot say different things
	SnapshotNoVersion   Kind = "snapshot_no_version" // it is no version of the log
	SnapshotPassed      Kind = "snapshot_passed"     // it lies above a version that is not settled (I6)
	SnapshotBehind      Kind = "snapshot_behind"     // it is not as high as it must be at rest (L1)
	ResumePassed        Kind = "resume_passed"       // the resume point lies above a version that is not settled (I8)
	LedgerBelow         Kind = "ledger_below"        // the ledger has a version that the snapshot has passed
	LedgerNotCommitted  Kind = "ledger_not_committed"
	QuarantineWrong     Kind = "quarantine_wrong" // a version is held that was installed, or was never to be
	SkippedWithoutAudit Kind = "skipped_without_audit"
	AbandonedUnaudited  Kind = "abandoned_without_audit"
	HistoryGap          Kind = "history_gap"    // no module is named for an installed version (I14)
	ModuleMissing       Kind = "module_missing" // a module of the history that is needed is not kept
	ModuleWrong         Kind = "module_wrong"   // another module is kept under its digest
	NotSettled          Kind = "not_settled"    // versions wait that at rest must not (L1)
)

// Finding is what is wrong about one kind of thing.
type Finding struct {
	Kind     Kind            `json:"kind"`
	Count    int             `json:"count"`
	Versions []talos.Version `json:"versions,omitempty"` // the first of them
	What     string          `json:"what"`               // of the first
}

// ShownMax is how many versions, and how many rows, a finding quotes.
const ShownMax = 10

// Findings are gathered by kind, in the order in which they were found.
type Findings []Finding

// Add adds one about a version, 0 for none.
func (f *Findings) Add(kind Kind, v talos.Version, format string, args ...any) {
	at := slices.IndexFunc(*f, func(is Finding) bool { return is.Kind == kind })
	if at < 0 {
		at = len(*f)
		*f = append(*f, Finding{Kind: kind, What: fmt.Sprintf(format, args...)})
	}
	is := &(*f)[at]
	is.Count++
	if v != 0 && len(is.Versions) < ShownMax {
		is.Versions = append(is.Versions, v)
	}
}

// Report is what a host wrote down, held against the log.
type Report struct {
	Snapshot talos.Version  `json:"snapshot"`
	Resume   talos.Position `json:"resume"`
	// Reachable is the snapshot that the log allows: the highest version below the first that is
	// neither settled nor installed.
	Reachable talos.Version `json:"reachable"`
	// Open is that first version, if it is undecided, held, poison or missing; 0 if there is none.
	Open talos.Version `json:"-"`

	Counts  map[Class]int `json:"versions"`
	Ahead   int           `json:"ahead"`   // installed above the snapshot: versions of the ledger
	Held    int           `json:"held"`    // in quarantine
	Skipped int           `json:"skipped"` // by an operator
	Pending int           `json:"pending"` // committed, and neither installed nor held
	// Abandoned are candidates that an operator had count as aborted; they are among the aborted in Counts.
	Abandoned int `json:"abandoned"`
	// Overruled are those of them that the log commits all the same: another cohort of it may have them.
	Overruled []talos.Version `json:"abandoned_and_committed,omitempty"`
	// Going is what went on past those that hold the snapshot; nil where that was not looked at.
	Going *Going `json:"going,omitempty"`

	// Below is the first position that was looked at: what came before is not in the log any more, and
	// nothing is said of it.
	Below    talos.Position `json:"from"`
	Findings []Finding      `json:"findings,omitempty"`
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Rest says that the host has been given all the time that it needs: what can be installed must be.
type Rest bool

// bookkeeper holds one against the other.
type bookkeeper struct {
	log    *Log
	e      *Evidence
	report *Report
	found  Findings
	ledger map[talos.Version]bool
	rows   map[talos.Version]*QuarantineRow
}

// Check holds what a host wrote down against the log. The log must have been read AFTER the
// evidence, so that it has everything that the host knew. What operators abandoned counts as aborted in it from then on.
func Check(log *Log, e *Evidence, rest Rest) *Report {
	overruled := log.Abandon(e.Abandoned)
	k := &bookkeeper{log: log, e: e, ledger: map[talos.Version]bool{}, rows: map[talos.Version]*QuarantineRow{}, report: &Report{
		Snapshot: e.Snapshot, Resume: e.Resume, Counts: map[Class]int{}, Ahead: len(e.Ledger), Below: log.Start, Abandoned: len(e.Abandoned), Overruled: overruled,
	}}
	for _, v := range e.Ledger {
		k.ledger[v] = true
	}
	for i := range e.Quarantine {
		k.rows[e.Quarantine[i].Version] = &e.Quarantine[i]
	}
	k.snapshot()
	for v, class := range log.All {
		k.report.Counts[class]++
		k.version(v, class)
	}
	k.ledgerRows()
	k.quarantine()
	k.abandoned()
	k.guests()
	k.atRest(rest)
	k.report.Findings = k.found
	return k.report
}

func (k *bookkeeper) snapshot() {
	e := k.e
	if e.Snapshot != e.Cohort {
		k.found.Add(SnapshotTwice, e.Cohort, "ichor.state has snapshot %d and cohort_snapshot has %d", e.Snapshot, e.Cohort)
	}
	if class := k.log.Class(e.Snapshot); e.Snapshot > 0 && k.log.Has(e.Snapshot) && (class == "" || class == Refused) && !k.setByOperator(e.Snapshot) {
		k.found.Add(SnapshotNoVersion, e.Snapshot, "the snapshot is %d, where the log has no candidate that the certifier takes", e.Snapshot)
	}
	if e.Snapshot > 0 && talos.Position(e.Snapshot) >= k.log.End {
		k.found.Add(SnapshotNoVersion, e.Snapshot, "the snapshot is %d, and the log ends at %d", e.Snapshot, k.log.End)
	}
}

// setByOperator reports whether an operator set the snapshot.
func (k *bookkeeper) setByOperator(snapshot talos.Version) bool {
	return slices.ContainsFunc(k.e.Deeds, func(deed string) bool {
		deed, _, _ = strings.Cut(deed, ";")
		return strings.HasPrefix(deed, "adopt:") && strings.HasSuffix(deed, fmt.Sprintf(" to %d", snapshot))
	})
}

// version looks at one version of the log.
func (k *bookkeeper) version(v talos.Version, class Class) {
	row := k.rows[v]
	skipped := row != nil && row.Resolution == skippedByOperator
	switch {
	case class.Settled(), k.ledger[v], skipped:
	case v > k.e.Snapshot:
		k.unsettled(v, class, row)
	case class == Installable && (row == nil || !row.Held):
	case class == Missing && row != nil: // only the fact could be recorded
	case row != nil && row.Held:
		k.found.Add(SnapshotPassed, v, "the snapshot %d lies above version %d, which is held", k.e.Snapshot, v)
	default:
		k.found.Add(SnapshotPassed, v, "the snapshot %d lies above version %d, which is %s", k.e.Snapshot, v, class)
	}
	if class != Refused && k.report.Open == 0 {
		k.report.Reachable = v
	}
}

// unsettled looks at a version above the snapshot that has no effects yet.
func (k *bookkeeper) unsettled(v talos.Version, class Class, row *QuarantineRow) {
	if k.report.Open == 0 && (class == Undecided || class == Poison || class == Missing || row != nil && row.Held) {
		k.report.Open = v
	}
	if class != Undecided && (row == nil || !row.Held) {
		k.report.Pending++
	}
	remembered := class == Missing && row != nil // by its row: the log has nothing to read again
	if k.e.HasResume && talos.Position(v) < k.e.Resume && !remembered {
		k.found.Add(ResumePassed, v, "the resume point %d lies above version %d, which is %s and not installed", k.e.Resume, v, class)
	}
}

func (k *bookkeeper) ledgerRows() {
	for _, v := range k.e.Ledger {
		class := k.log.Class(v)
		switch {
		case v <= k.e.Snapshot:
			k.found.Add(LedgerBelow, v, "the ledger has version %d, which the snapshot %d has passed", v, k.e.Snapshot)
		case !k.log.Has(v) && talos.Position(v) < k.log.Start: // not in the log any more
		case class != Installable && class != Empty:
			k.found.Add(LedgerNotCommitted, v, "the ledger has version %d, which is %s in the log", v, Named(class))
		}
	}
}

// Named says a class, also that of no version, for people.
func Named(c Class) string {
	if c == "" {
		return "no version"
	}
	return string(c)
}

func (k *bookkeeper) quarantine() {
	for _, row := range k.e.Quarantine {
		class := k.log.Class(row.Version)
		if row.Held {
			k.report.Held++
			switch {
			case k.ledger[row.Version]:
				k.found.Add(QuarantineWrong, row.Version, "version %d is held, and the ledger says that it is installed", row.Version)
			case class == Aborted, class == Duplicate, class == "" && k.log.Has(row.Version):
				k.found.Add(QuarantineWrong, row.Version, "version %d is held, and it is %s in the log", row.Version, Named(class))
			}
		}
		if row.Resolution == skippedByOperator {
			k.report.Skipped++
			if !k.audited("skip", row.Version) {
				k.found.Add(SkippedWithoutAudit, row.Version, "version %d was skipped by an operator, and ichor.audit does not say by whom", row.Version)
			}
		}
	}
}

// abandoned looks for who had candidates count as aborted.
func (k *bookkeeper) abandoned() {
	for _, v := range k.e.Abandoned {
		if !k.audited("abandon", v) {
			k.found.Add(AbandonedUnaudited, v, "version %d was abandoned, and ichor.audit does not say by whom", v)
		}
	}
}

// audited reports whether the audit has a deed of a verb about a version.
func (k *bookkeeper) audited(verb string, v talos.Version) bool {
	return slices.ContainsFunc(k.e.Deeds, func(deed string) bool {
		words := strings.FieldsFunc(deed, func(r rune) bool { return r == ' ' || r == ':' || r == ',' })
		return strings.Contains(deed, verb) && slices.Contains(words, v.String())
	})
}

// guests looks at the history: a version that is installed was converted by a module that is named, and
// one that is not yet will be by one that is kept.
func (k *bookkeeper) guests() {
	needed := k.e.History.Needed(k.e.Snapshot)
	for _, u := range k.e.History {
		switch is := k.e.Modules[u.Digest]; is {
		case u.Digest:
		case "":
			if !slices.Contains(needed, u) {
				continue // pruned
			}
			k.found.Add(ModuleMissing, u.From, "the history names guest %s of digest %.12s from version %d on, and ichor.guest_module does not have it", u.Guest, u.Digest, u.From)
		default:
			k.found.Add(ModuleWrong, u.From, "ichor.guest_module has under digest %.12s a module of digest %.12s", u.Digest, is)
		}
	}
	if len(k.e.History) == 0 {
		return // nothing was installed by this host; a replay says which versions lack a module
	}
	names, adopted, covered := k.guestsNamed()
	for v, class := range k.log.All {
		if v >= covered {
			break
		}
		if class != Installable || !k.installed(v) || v < adopted {
			continue
		}
		named := slices.ContainsFunc(names, func(name string) bool { return k.e.History.DigestFor(name, v) != "" })
		if !named && !slices.Contains(k.e.Skipped, v) {
			k.found.Add(HistoryGap, v, "version %d is installed, and the history names no module for it", v)
		}
	}
}

// guestsNamed returns the guests of the history, the version from which on this host installed, for what came
// before was another replicator's, and the one from which on a module is named for every version.
func (k *bookkeeper) guestsNamed() (names []string, adopted, covered talos.Version) {
	adopted, covered = 1<<63, 1<<63
	for _, u := range k.e.History {
		if !slices.Contains(names, u.Guest) {
			names = append(names, u.Guest)
		}
		if adopted = min(adopted, u.From); !u.Only {
			covered = min(covered, u.From)
		}
	}
	return names, adopted, covered
}

// installed reports whether the books say that a version took effect.
func (k *bookkeeper) installed(v talos.Version) bool {
	row := k.rows[v]
	return (v <= k.e.Snapshot || k.ledger[v]) && (row == nil || row.Resolution != skippedByOperator && row.Resolution != "skipped")
}

// atRest looks at what must be done when nothing more is to come.
func (k *bookkeeper) atRest(rest Rest) {
	if !rest {
		return
	}
	if k.e.Snapshot < k.report.Reachable {
		k.found.Add(SnapshotBehind, k.report.Reachable, "the snapshot is %d, and the log allows %d", k.e.Snapshot, k.report.Reachable)
	}
	if n := k.report.Ahead; n > 0 && k.report.Open == 0 {
		k.found.Add(NotSettled, k.e.Ledger[0], "%d versions are still in the ledger, and nothing holds the snapshot", n)
	}
	if k.report.Pending > 0 && k.report.Open == 0 {
		k.found.Add(NotSettled, 0, "%d committed versions are not installed, and nothing holds them", k.report.Pending)
	}
}
