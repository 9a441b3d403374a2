package replay_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/replay"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

func TestAGuestInAnotherLanguageMakesTheSame(t *testing.T) {
	w := installed(t)
	r := w.replayed(inRust(t), 0, 0)
	c := r.Compared
	if !r.Same() || r.Committed != 66 || c.Compared != 66 || c.Same != 66 || c.Digest != "" || r.New.Versions != 66 || len(r.Old) != 1 || r.Old[0].Versions != 66 ||
		r.Old[0].Digest != guest.DigestOf(inC(t)).String() || r.New.Digest != guest.DigestOf(inRust(t)).String() || r.Range.To != 228 {
		t.Errorf("got %+v", r)
	}
}

// changes are what the changed guest makes of a transfer, by the account that it comes from; all other
// transfers are as the bank's.
var changes = map[string]struct {
	kind   shadow.Kind
	aspect shadow.Aspect
	says   string
}{
	"0005": {shadow.NewRejects, shadow.AspectStatus, "the old one converts it, the new one rejects it"},
	"0038": {shadow.NewRejects, shadow.AspectStatus, "the old one converts it, the new one rejects it"},
	"0013": {shadow.Differ, shadow.AspectStatus, "the old one converts it, the new one skips it"},
	"0039": {shadow.Differ, shadow.AspectParameters, `statement 1 has $3 = "1", and the old one "1.0"`},
	"0016": {shadow.Differ, shadow.AspectParameters, `statement 1 has $3 = "11.0", and the old one "1.0"`},
	"0021": {shadow.Differ, shadow.AspectCount, "2 statements, and the old one has 1"},
	"0033": {shadow.Differ, shadow.AspectTemplate, "statement 1 has other SQL"},
}

// TestEachChangeOfAGuestIsFound has a module convert the recorded log that changes seven things.
func TestEachChangeOfAGuestIsFound(t *testing.T) {
	w := installed(t)
	w.options.Shown = 100
	r := w.replayed(guesttest.Changed(t), 0, 0)
	c := r.Compared
	if r.Same() || c.Compared != 66 || c.Different() != len(c.First) || c.Same == 0 || c.NewRejects == 0 || c.OldRejected != 0 {
		t.Fatalf("got %+v", c)
	}
	found := map[string]int{}
	for _, d := range c.First {
		account := *d.Old.Statements[0].Values[0]
		want := changes[account]
		if d.Kind != want.kind || d.Aspect != want.aspect || d.What != want.says {
			t.Errorf("version %d from %s: %s, %s, %s", d.Version, account, d.Kind, d.Aspect, d.What)
		}
		if d.XID == "" || !strings.Contains(d.Statemap, `{"TRANSFER": {"amount":1.0,"from":"`+account) {
			t.Errorf("version %d: xid %q, statemap %s", d.Version, d.XID, d.Statemap)
		}
		found[account]++
	}
	for account := range changes {
		if found[account] == 0 {
			t.Errorf("no version from %s is committed: the log does not show what it should", account)
		}
	}
	if again := w.replayed(guesttest.Changed(t), 0, 0); again.Compared.Digest != c.Digest || c.Digest == "" {
		t.Errorf("the digest is %q, and then %q", c.Digest, again.Compared.Digest)
	}
	if part := w.replayed(guesttest.Changed(t), c.First[1].Version, 0); part.Compared.Digest == c.Digest {
		t.Error("a range with one difference less has the same digest")
	}
}

// TestWhatTheOldOneRejectedIsCounted: the bank does not know NOTHING, and fails on no account.
func TestWhatTheOldOneRejectedIsCounted(t *testing.T) {
	w := newWorld(t)
	w.options.Source = written(t, 1, transfer("0001", "0002"), `c [{"NOTHING":{}}]`, transfer("0005", "0002"), transfer("0038", "0002"), `c [{"ELSE":{}}]`, "commit 1", "commit 2", "commit 3", "commit 4", "commit 5")
	w.converts("banking", inC(t), 1, false)
	w.reached(5)
	c := w.replayed(guesttest.Changed(t), 0, 0).Compared
	if c.Same != 2 || c.OldRejected != 1 || c.NewRejects != 2 || c.Differ != 0 || c.First[0].Version != 2 || c.First[0].Old.Class != "unknown_action" {
		t.Errorf("got %+v", c)
	}
	if fault := c.First[2].New; fault.Class != "guest_fault" || c.First[1].New.Code != 7 {
		t.Errorf("got %+v", c.First)
	}
}

// TestTheHistoryDecidesWhoConverted: two modules, and one version that a third alone converted.
func TestTheHistoryDecidesWhoConverted(t *testing.T) {
	w := newWorld(t)
	var lines []string
	for range 9 {
		lines = append(lines, transfer("0039", "0002")) // the changed guest writes the number in another way
	}
	for v := range 9 {
		lines = append(lines, fmt.Sprintf("commit %d", v+1))
	}
	w.options.Source = written(t, 1, lines...)
	w.converts("banking", inC(t), 1, false)
	w.converts("banking", guesttest.Changed(t), 5, false)
	w.converts("banking", inRust(t), 7, true)
	w.reached(9)
	r := w.replayed(inC(t), 0, 0)
	var versions []talos.Version
	for _, d := range r.Compared.First {
		versions = append(versions, d.Version)
	}
	if want := []talos.Version{5, 6, 8, 9}; !slices.Equal(versions, want) {
		t.Errorf("versions %v differ, want %v", versions, want)
	}
	if len(r.Old) != 3 || r.Old[0].Versions != 4 || r.Old[1].Versions != 4 || r.Old[2].Versions != 1 {
		t.Errorf("converted by %+v", r.Old)
	}
}

// TestOtherGuestsVersionsAreLeftOut: a module is compared with its guest's alone.
func TestOtherGuestsVersionsAreLeftOut(t *testing.T) {
	w := newWorld(t)
	w.options.Guests.Routes = []rollout.Route{{Cohort: "c", Guest: "banking"}, {Cohort: "*", Guest: "other"}}
	w.options.Source = written(t, 1, transfer("0001", "0002"), `d [{"ELSE":{}}]`, transfer("0002", "0001"), "commit 1", "commit 2", "commit 3")
	w.converts("banking", inC(t), 1, false)
	w.converts("other", inRust(t), 1, false)
	w.reached(3)
	w.exec("delete from ichor.guest_module where name = 'other'") // it is not needed
	if r := w.replayed(inC(t), 0, 0); !r.Same() || r.Committed != 3 || r.Elsewhere != 1 || r.Compared.Same != 2 {
		t.Errorf("got %+v", r)
	}
}

// TestARangeThatIsNotGiven is the newest committed versions up to the snapshot.
func TestARangeThatIsNotGiven(t *testing.T) {
	const all = replay.Newest + 30
	var lines []string
	for range all + 2 {
		lines = append(lines, transfer("0001", "0002"))
	}
	for v := range all {
		word := "commit"
		if v+1 == 15 || v+1 == all-15 {
			word = "abort"
		}
		lines = append(lines, fmt.Sprintf("%s %d", word, v+1))
	}
	lines = append(lines, fmt.Sprintf("commit %d", all+2)) // installed ahead of one that is undecided
	w := newWorld(t)
	w.options.Source = written(t, 1, lines...)
	w.converts("banking", inC(t), 3, false)
	w.reached(all)
	check := func(from, to, first, last talos.Version, committed int) {
		t.Helper()
		r := w.replayed(inRust(t), from, to)
		if r.Range.From != first || r.Range.To != last || r.Compared.Compared != committed || !r.Same() {
			t.Errorf("%d to %d became %d to %d with %d committed, want %d to %d with %d", from, to, r.Range.From, r.Range.To, r.Compared.Compared, first, last, committed)
		}
	}
	check(0, 0, 30, all, replay.Newest)
	check(0, 20, 3, 20, 17) // not before the history
	check(all-20, 0, all-20, all, 20)
	check(all+2, all+2, all+2, all+2, 1)
	check(4, 4, 4, 4, 1)
}

// as reports whether an error is of a type.
func as[T error](err error) bool {
	var is T
	return errors.As(err, &is)
}

// TestWhatCannotBeReplayedIsSaid has a row for each typed error.
func TestWhatCannotBeReplayedIsSaid(t *testing.T) {
	w := newWorld(t)
	w.options.Source = written(t, 10, transfer("0001", "0002"), transfer("0001", "0002"), transfer("0001", "0002"), transfer("0001", "0002"), "commit 10", "abort 11", "commit 13", transfer("0001", "0002"), "commit 17")
	w.converts("banking", inC(t), 12, false)
	w.reached(10)
	for _, c := range []struct {
		name     string
		from, to talos.Version
		is       func(error) bool
		says     string
	}{
		{"below the start of the log", 9, 13, as[*replay.BelowStartError], "the range begins at version 9, and the log at position 10: what lies between is gone; begin with --from 10"},
		{"before the history", 10, 11, as[*replay.HistoryError], "the history names no module of guest banking for version 10"},
		{"aborted", 11, 11, as[*replay.RangeError], "versions 11 to 11: it is not committed with anything to convert: it is aborted"},
		{"a decision", 14, 14, as[*replay.RangeError], "at this position stands no candidate"},
		{"none committed", 14, 16, as[*replay.RangeError], "none of them is committed"},
		{"undecided", 12, 12, as[*replay.UndecidedError], "version 12 is not committed: it has no decision yet"},
		{"undecided between", 10, 13, as[*replay.UndecidedError], "end it with --to 11"},
		{"behind the end", 13, 19, as[*replay.RangeError], "the log ends at position 19"},
		{"far behind the end", 13, 1<<64 - 1, as[*replay.RangeError], "the log ends at position 19"},
		{"turned", 13, 12, as[*replay.RangeError], "the range ends before it begins"},
		{"above the snapshot", 13, 0, as[*replay.RangeError], "the snapshot is 10"},
		{"nothing of the history", 0, 11, as[*replay.RangeError], "none of them is committed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.run(inC(t), c.from, c.to)
			if !c.is(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %T: %v, want %q", err, err, c.says)
			}
		})
	}
	w.exec("delete from ichor.guest_module")
	var gone *replay.ModuleError
	if _, err := w.run(inC(t), 13, 13); !errors.As(err, &gone) || gone.Guest != "banking" || gone.Version != 13 || gone.Digest != guest.DigestOf(inC(t)).String() {
		t.Errorf("without the module: %v", err)
	}
	w.exec("delete from ichor.guest_history")
	var history *replay.HistoryError
	if _, err := w.run(inC(t), 13, 13); !errors.As(err, &history) || !strings.Contains(err.Error(), "nothing to compare with") {
		t.Errorf("without a history: %v", err)
	}
}

// TestAModuleUnderAWrongDigestConvertsNothing: what is kept under a digest must have it.
func TestAModuleUnderAWrongDigestConvertsNothing(t *testing.T) {
	w := installed(t)
	w.exec("update ichor.guest_module set module = 'x'")
	if _, err := w.run(inC(t), 0, 0); err == nil || !strings.Contains(err.Error(), "has under digest") {
		t.Errorf("got %v", err)
	}
}

// TestARefusedModuleIsSaid: it is loaded as a host loads it.
func TestARefusedModuleIsSaid(t *testing.T) {
	w := installed(t)
	var refused *guest.LoadError
	if _, err := w.run([]byte("no module"), 0, 0); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

// TestAnAbandonedVersionIsNoHole: what an operator decided of it counts.
func TestAnAbandonedVersionIsNoHole(t *testing.T) {
	w := newWorld(t)
	w.options.Source = written(t, 1, transfer("0001", "0002"), transfer("0001", "0002"), transfer("0001", "0002"), "commit 1", "commit 3", "commit 2")
	w.converts("banking", inC(t), 1, false)
	w.reached(3)
	w.exec("insert into ichor.request (verb, version, who, reason, ended_at, outcome) values ('abandon', 2, 'w', 'r', now(), 'done')")
	if r := w.replayed(inC(t), 1, 3); r.Committed != 2 || r.Compared.Same != 2 {
		t.Errorf("got %+v", r)
	}
}

// TestALostCandidateIsCounted: a position that the log does not have any more.
func TestALostCandidateIsCounted(t *testing.T) {
	w := newWorld(t)
	w.options.Source = joined{written(t, 1, transfer("0001", "0002")), written(t, 3, transfer("0001", "0002"), "commit 1", "commit 2", "commit 3"), books.Hole{From: 2, To: 3}}
	w.converts("banking", inC(t), 1, false)
	w.reached(3)
	if r := w.replayed(inC(t), 1, 3); r.Committed != 2 || r.Missing != 1 {
		t.Errorf("got %+v", r)
	}
}
