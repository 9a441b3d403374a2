package installer_test

import (
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// TestAnIdleHostNoticesThatItsSnapshotWasSet is about a stranger's hand in the snapshot while nothing is installed: a beat finds it, and
// fails as the next commit would.
func TestAnIdleHostNoticesThatItsSnapshotWasSet(t *testing.T) {
	b := newBase(t)
	in, _ := b.take(1)
	l := b.lane(in, 0)
	if err := install(l, frontier(0, 5, work(5, add, 1, 1))); err != nil {
		t.Fatal(err)
	}
	if err := l.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ by, back, says string }{
		{"update cohort_snapshot set version = 3", "update cohort_snapshot set version = 5", "cohort_snapshot is 3, expected 5"},
		{"update cohort_snapshot set version = 9", "update cohort_snapshot set version = 5", "cohort_snapshot is 9, expected 5"},
		{"delete from cohort_snapshot", "insert into cohort_snapshot (id, version) values ('SINGLETON', 5)", "cohort_snapshot is -1, expected 5"},
		{"update cohort_snapshot set version = 3; update ichor.state set snapshot = 3", "update cohort_snapshot set version = 5; update ichor.state set snapshot = 5",
			"the snapshot is 3, expected 5 or more"},
	} {
		b.exec(c.by)
		err := l.Beat(t.Context())
		wantClass(t, err, installer.Broken, "IC002", 0)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("after %s: %v, want %s", c.by, err, c.says)
		}
		b.exec(c.back)
	}
	if err := l.Beat(t.Context()); err != nil {
		t.Error(err)
	}
}
