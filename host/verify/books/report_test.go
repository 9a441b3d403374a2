package books

import (
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// logOf reads a log of lines as a person writes them: see talostest.Written.
func logOf(lines ...string) *Log { return logOfRecords(talostest.Written(lines...)) }

func logOfRecords(records []talostest.Record) *Log {
	l := NewLog(1)
	for i := range records {
		r := &records[i]
		if r.Position > l.End {
			l.Holes = append(l.Holes, Hole{l.End, r.Position})
		}
		l.Add(&Record{r.Position, r.Header, r.Value})
	}
	return l
}

const item = `[{"PAY":{}}]`

// everything is a log with a version of each class.
func everything() *Log {
	return logOf(
		"candidate "+item, // 1
		"commit 1",
		"candidate "+item, // 3
		"abort 3",
		"abort 1",         // decided already
		"candidate []",    // 6
		"commit 6",        //
		"refused",         // 8
		"candidate [{}]",  // 9
		"commit 9",        //
		"candidate "+item, // 11
		"duplicate 11 1",  //
		"hole",            // 13
		"commit 13",       //
		"candidate "+item, // 15
		"contradiction 15",
		"commit 18",       // comes before its candidate
		"candidate "+item, // 18
		"other",
		"commit 19", // is no candidate
	)
}

func TestEveryVersionHasItsClass(t *testing.T) {
	l := everything()
	for v, want := range map[talos.Version]Class{
		0: "", 1: Installable, 2: "", 3: Aborted, 6: Empty, 8: Refused, 9: Poison, 11: Duplicate, 13: Missing, 15: Poison, 18: Undecided, 19: "", 20: "", 99: "",
	} {
		if got := l.Class(v); got != want {
			t.Errorf("version %d is %q, want %q", v, got, want)
		}
	}
	var order []talos.Version
	for v := range l.All {
		order = append(order, v)
	}
	if want := []talos.Version{1, 3, 6, 8, 9, 11, 13, 15, 18}; !slices.Equal(order, want) {
		t.Errorf("versions %v, want %v", order, want)
	}
	if l.Repeated != 1 || l.Different != 1 || l.Other != 2 || l.Start != 1 || l.End != 21 {
		t.Errorf("got %+v", l)
	}
}

func TestRecordedTopicsHaveTheCountsOfAnIndependentReader(t *testing.T) {
	for _, c := range []struct {
		open                   func() ([]talostest.Record, error)
		installable, abortions int
	}{{talostest.Small, 66, 49}, {talostest.Contention, 7584, 5215}} {
		records, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		l := logOfRecords(records)
		// Offset 0 is a candidate that is no version.
		if n := Check(l, &Evidence{}, false).Counts; n[Installable]+n[Empty] != c.installable || n[Aborted] < c.abortions-1 || n[Undecided]+n[Poison]+n[Missing] > 0 {
			t.Errorf("counts %v, want %d and %d", n, c.installable, c.abortions)
		}
	}
}

// good is what a host wrote down that has installed all that it can of a log of four versions, of which
// the third is undecided.
func good() *Evidence {
	return &Evidence{
		Snapshot: 3, Cohort: 3, Resume: 5, HasResume: true, Ledger: []talos.Version{7},
		History: cohort.History{{Guest: "g", Digest: "d", From: 1}}, Modules: map[string]string{"d": "d"},
	}
}

func goodLog() *Log {
	return logOf("candidate "+item, "commit 1", "candidate "+item, "commit 3", "candidate "+item, "other", "candidate "+item, "commit 7", "candidate "+item, "abort 9")
}

func TestBooksThatAgreeHaveNoFindings(t *testing.T) {
	b := Check(goodLog(), good(), true)
	if !b.OK() || b.Reachable != 3 || b.Ahead != 1 || b.Pending != 0 {
		t.Errorf("got %+v", b)
	}
}

// TestBooksThatAreBrokenAreFound breaks one thing each time.
func TestBooksThatAreBrokenAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		breaks  func(*Evidence)
		kind    Kind
		version talos.Version // that is named
	}{
		"a hole below the snapshot":            {func(e *Evidence) { e.Snapshot, e.Cohort, e.Resume, e.Ledger = 7, 7, 9, nil }, SnapshotPassed, 5},
		"two snapshots":                        {func(e *Evidence) { e.Cohort = 1 }, SnapshotTwice, 1},
		"a snapshot on a decision":             {func(e *Evidence) { e.Snapshot, e.Cohort = 4, 4 }, SnapshotNoVersion, 4},
		"a snapshot above the log":             {func(e *Evidence) { e.Snapshot, e.Cohort, e.Ledger = 400, 400, nil }, SnapshotNoVersion, 400},
		"a snapshot that stays behind":         {func(e *Evidence) { e.Snapshot, e.Cohort, e.Resume = 1, 1, 3 }, SnapshotBehind, 3},
		"a resume point above an open version": {func(e *Evidence) { e.Resume = 6 }, ResumePassed, 5},
		"a ledger below the snapshot":          {func(e *Evidence) { e.Ledger = []talos.Version{3, 7} }, LedgerBelow, 3},
		"a ledger with an aborted version":     {func(e *Evidence) { e.Ledger = []talos.Version{7, 9} }, LedgerNotCommitted, 9},
		"a ledger with an undecided version":   {func(e *Evidence) { e.Ledger = []talos.Version{5, 7} }, LedgerNotCommitted, 5},
		"a held version that is installed":     {func(e *Evidence) { e.Quarantine = []QuarantineRow{{Version: 7, Held: true}} }, QuarantineWrong, 7},
		"a held version that was aborted":      {func(e *Evidence) { e.Quarantine = []QuarantineRow{{Version: 9, Held: true}} }, QuarantineWrong, 9},
		"a held version below the snapshot":    {func(e *Evidence) { e.Quarantine = []QuarantineRow{{Version: 3, Held: true}} }, SnapshotPassed, 3},
		"a skipped version that nobody skipped": {func(e *Evidence) {
			e.Quarantine = []QuarantineRow{{Version: 3, Resolution: skippedByOperator}}
		}, SkippedWithoutAudit, 3},
		"a wrong digest in the history": {func(e *Evidence) { e.History[0].Digest = "x" }, ModuleMissing, 1},
		"another module under a digest": {func(e *Evidence) { e.Modules["d"] = "x" }, ModuleWrong, 1},
		"a history that begins too late": {func(e *Evidence) {
			e.History = cohort.History{{Guest: "g", Digest: "d", From: 2, Only: true}}
		}, HistoryGap, 3},
		"what could go and does not": {func(e *Evidence) { e.Ledger = nil }, "", 0}, // behind the undecided one it may wait
	} {
		t.Run(name, func(t *testing.T) {
			e := good()
			c.breaks(e)
			b := Check(goodLog(), e, true)
			if c.kind == "" {
				if !b.OK() {
					t.Errorf("got %+v", b.Findings)
				}
				return
			}
			at := slices.IndexFunc(b.Findings, func(f Finding) bool { return f.Kind == c.kind })
			if at < 0 || !slices.Contains(b.Findings[at].Versions, c.version) || b.OK() {
				t.Errorf("got %+v, want %s about version %d", b.Findings, c.kind, c.version)
			}
		})
	}
}

// A host may have installed nothing but versions of which each has a row of its own.
func TestAHistoryOfSingleVersions(t *testing.T) {
	e := good()
	e.History = cohort.History{{Guest: "g", Digest: "d", From: 1, Only: true}, {Guest: "g", Digest: "d", From: 3, Only: true}, {Guest: "g", Digest: "d", From: 7, Only: true}}
	if b := Check(goodLog(), e, false); !b.OK() {
		t.Errorf("got %+v", b.Findings)
	}
	e.History = slices.Delete(e.History, 1, 2)
	if b := Check(goodLog(), e, false); len(b.Findings) != 1 || b.Findings[0].Kind != HistoryGap {
		t.Errorf("version 3 has none: %+v", b.Findings)
	}
	if e.Skipped = []talos.Version{3}; !Check(goodLog(), e, false).OK() {
		t.Error("and needs none where its guest skips it")
	}
}

// The resume point may pass what the log lacks before its decision is known; then its row remembers it.
func TestTheResumePointPassesWhatTheLogLacks(t *testing.T) {
	log := func() *Log { return logOf("candidate "+item, "commit 1", "hole", "candidate "+item, "commit 3") }
	e := good()
	e.Snapshot, e.Cohort, e.Resume, e.Ledger = 1, 1, 4, nil
	if b := Check(log(), e, false); len(b.Findings) != 1 || b.Findings[0].Kind != ResumePassed {
		t.Errorf("got %+v", b.Findings)
	}
	e.Quarantine = []QuarantineRow{{Version: 3, Held: true}}
	if b := Check(log(), e, true); !b.OK() || b.Open != 3 {
		t.Errorf("got %+v", b)
	}
}

func TestSkippedVersionsHaveAnAuditRow(t *testing.T) {
	e := good()
	e.Quarantine = []QuarantineRow{{Version: 3, Resolution: skippedByOperator}}
	e.Deeds = []string{"skip 3 of hash 12ab"}
	if b := Check(goodLog(), e, true); !b.OK() || b.Skipped != 1 {
		t.Errorf("got %+v", b)
	}
	e.Deeds[0] = "skip 33"
	if b := Check(goodLog(), e, true); b.OK() {
		t.Error("the audit of another version counts")
	}
}

// A candidate that an operator abandoned holds nothing, whatever is decided of it later; and it says who did that.
func TestAbandonedVersionsCountAsAborted(t *testing.T) {
	e := good()
	e.Snapshot, e.Cohort, e.Resume, e.Ledger, e.Abandoned = 9, 9, 12, nil, []talos.Version{5}
	e.Deeds = []string{"abandon version 5: done"}
	log := func() *Log {
		return logOf("candidate "+item, "commit 1", "candidate "+item, "commit 3", "candidate "+item, "other", "candidate "+item, "commit 7", "candidate "+item, "abort 9", "commit 5")
	}
	l := log()
	if b := Check(l, e, true); !slices.Equal(b.Overruled, []talos.Version{5}) {
		t.Errorf("a commit of what was abandoned is not told: %v", b.Overruled)
	}
	l = log()
	if b := Check(l, e, true); !b.OK() || b.Abandoned != 1 || l.Class(5) != Aborted || b.Counts[Aborted] != 2 {
		t.Errorf("got %+v, version 5 is %s", b, l.Class(5))
	}
	e.Ledger = []talos.Version{5}
	if b := Check(log(), e, true); b.OK() {
		t.Error("an abandoned version that is installed is well")
	}
	e.Ledger, e.Deeds = nil, nil
	if b := Check(log(), e, true); len(b.Findings) != 1 || b.Findings[0].Kind != AbandonedUnaudited {
		t.Errorf("got %+v", b.Findings)
	}
}

// What was abandoned counts as aborted as long as the evidence says so: a copy of the database may not.
func TestAnAbandonmentThatIsGoneIsForgotten(t *testing.T) {
	l := goodLog()
	if l.Abandon([]talos.Version{5}); l.Class(5) != Aborted {
		t.Errorf("version 5 is %s", l.Class(5))
	}
	if l.Abandon(nil); l.Class(5) != Undecided {
		t.Errorf("then version 5 is %s", l.Class(5))
	}
}

func TestAtRestNothingWaits(t *testing.T) {
	l := logOf("candidate "+item, "commit 1", "candidate "+item, "commit 3")
	e := good()
	e.Snapshot, e.Cohort, e.Resume, e.Ledger = 1, 1, 3, nil
	if b := Check(l, e, false); !b.OK() || b.Pending != 1 {
		t.Errorf("a host that is under way: %+v", b)
	}
	if b := Check(l, e, true); len(b.Findings) != 2 || b.Findings[0].Kind != SnapshotBehind || b.Findings[1].Kind != NotSettled {
		t.Errorf("got %+v", b.Findings)
	}
}

// A snapshot that an operator set need be no version of the log.
func TestASnapshotThatWasAdopted(t *testing.T) {
	e := good()
	e.Snapshot, e.Cohort, e.Resume, e.Ledger = 2, 2, 3, nil
	if b := Check(goodLog(), e, false); len(b.Findings) != 1 || b.Findings[0].Kind != SnapshotNoVersion {
		t.Errorf("nobody set it: %+v", b.Findings)
	}
	e.Deeds = append(e.Deeds, "adopt: resume 9 to 3, snapshot 7 to 2; accepted: holes")
	if b := Check(goodLog(), e, false); !b.OK() {
		t.Errorf("an operator set it: %+v", b.Findings)
	}
}
