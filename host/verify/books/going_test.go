package books

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// keyed is a candidate that reads and writes keys.
func keyed(reads, writes string) string {
	list := func(text string) string {
		if text == "" {
			return "[]"
		}
		return `["` + strings.Join(strings.Split(text, " "), `","`) + `"]`
	}
	return fmt.Sprintf("keys %s %s", list(reads), list(writes))
}

// goingOf walks over a log of lines.
func goingOf(t *testing.T, e *Evidence, inOrder bool, lines ...string) *Going {
	t.Helper()
	walk := NewWalk(logOf(lines...), e, inOrder)
	for _, r := range talostest.Written(lines...) {
		var c talos.Candidate
		if v := talos.Version(r.Position); walk.Wants(v) {
			if err := talos.DecodeCandidate(v, r.Value, &c); err != nil {
				t.Fatal(err)
			}
			walk.Pass(v, talos.Keys(c.ReadSet, c.WriteSet))
		}
	}
	return walk.Going()
}

// TestWhatMayGoOnPastAHeldVersion follows the conflict rule: 1 is held, 3 writes what it writes, 5 reads what 3
// writes, 7 reads what 1 reads, 9 writes what 7 reads, 11 has no keys, 13 comes after that.
func TestWhatMayGoOnPastAHeldVersion(t *testing.T) {
	lines := []string{
		keyed("r", "a"), "commit 1", keyed("", "a b"), "commit 3", keyed("b", "c"), "commit 5", keyed("r", "d"), "commit 7",
		keyed("", "q"), "commit 9", keyed("", ""), "commit 11", keyed("", "z"), "commit 13",
	}
	e := &Evidence{Quarantine: []QuarantineRow{{Version: 1, Held: true}}}
	for _, c := range []struct {
		ledger    []talos.Version
		installed int
	}{{nil, 0}, {[]talos.Version{7}, 1}, {[]talos.Version{7, 9}, 2}} {
		e.Ledger = c.ledger
		g := goingOf(t, e, false, lines...)
		if g.Allowed != 2 || g.Installed != c.installed || g.OK() != (c.installed == 2) || len(g.Waiting) != 2-c.installed {
			t.Errorf("with %v: %+v", c.ledger, g)
		}
	}
}

// Where versions go in their order, nothing goes past one that waits.
func TestNothingGoesPastWhereVersionsGoInTheirOrder(t *testing.T) {
	lines := []string{keyed("", "a"), "commit 1", keyed("", "b"), "commit 3", keyed("", "c"), "commit 5"}
	e := &Evidence{Snapshot: 1, Cohort: 1, Quarantine: []QuarantineRow{{Version: 3, Held: true}}}
	if g := goingOf(t, e, true, lines...); g.Allowed != 0 || !g.OK() {
		t.Errorf("in order: %+v", g)
	}
	if g := goingOf(t, e, false, lines...); g.Allowed != 1 || g.OK() {
		t.Errorf("by keys: %+v", g)
	}
}

// A version that its guest skips has nothing to install, and others may go past it.
func TestWhatAGuestSkipsIsNotHeldBack(t *testing.T) {
	lines := []string{keyed("", "a"), "commit 1", keyed("", "b"), "commit 3", keyed("", "b"), "commit 5"}
	e := &Evidence{Quarantine: []QuarantineRow{{Version: 1, Held: true}}, Ledger: []talos.Version{5}}
	if g := goingOf(t, e, false, lines...); g.Allowed != 2 || g.OK() {
		t.Errorf("where nobody asks the guest: %+v", g)
	}
	e.Skipped = []talos.Version{3}
	if g := goingOf(t, e, false, lines...); g.Allowed != 1 || !g.OK() {
		t.Errorf("got %+v", g)
	}
}

// A version that the log lacks has keys that nobody knows, so nothing goes past it, unless an operator skipped it.
func TestNothingGoesPastAVersionThatTheLogLacks(t *testing.T) {
	lines := []string{keyed("", "a"), "commit 1", "hole", "commit 3", keyed("", "b"), "commit 5"}
	e := &Evidence{Snapshot: 1, Cohort: 1, Quarantine: []QuarantineRow{{Version: 3, Held: true}}}
	if g := goingOf(t, e, false, lines...); g.Allowed != 0 || !g.OK() {
		t.Errorf("while it is held: %+v", g)
	}
	e.Quarantine[0] = QuarantineRow{Version: 3, Resolution: skippedByOperator}
	if g := goingOf(t, e, false, lines...); g.Allowed != 1 || g.OK() {
		t.Errorf("after it was skipped: %+v", g)
	}
}
