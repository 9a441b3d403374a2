package certification

import (
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

func TestRequestNamesTheVersionsAboveItsSnapshot(t *testing.T) {
	c := newCohort()
	c.snapshot = 30
	c.rows = versions{"old": 10, "same": 30, "ahead": 35, "further": 41}
	for _, r := range []struct {
		keys     []string
		snapshot uint64
		readVers []talos.Version
	}{
		{nil, 30, nil},
		{[]string{"new"}, 30, nil},
		{[]string{"old", "same"}, 30, nil},
		{[]string{"old", "ahead"}, 30, []talos.Version{35}},
		{[]string{"further", "ahead"}, 35, []talos.Version{41}},
		{[]string{"ahead"}, 35, nil},
		{[]string{"old", "further", "further"}, 30, []talos.Version{41}},
	} {
		snapshot, readVers := c.read(r.keys)
		if snapshot != r.snapshot || !slices.Equal(readVers, r.readVers) {
			t.Errorf("%v: snapshot %d and versions %v, want %d and %v", r.keys, snapshot, readVers, r.snapshot, r.readVers)
		}
	}
}

func TestSnapshotFollowsTheDecidedPrefixAndInitiatorsInstallAhead(t *testing.T) {
	c := newCohort()
	for _, v := range []talos.Version{1, 4, 6, 9} {
		c.sent(v)
	}
	c.decide(6, 0, []string{"a"}) // its safepoint is below the snapshot: installed ahead
	c.decide(9, 5, []string{"b"}) // its safepoint is not
	if c.snapshot != 0 || c.rows["a"] != 6 || c.rows["b"] != 0 {
		t.Errorf("snapshot %v, rows %v", c.snapshot, c.rows)
	}
	c.decide(1, 0, nil)
	c.decide(1, 0, []string{"c"}) // a repeated decision
	if c.snapshot != 1 || c.rows["c"] != 0 {
		t.Errorf("snapshot %v, rows %v", c.snapshot, c.rows)
	}
	c.decide(4, 0, []string{"a"}) // older than what the row has
	if c.snapshot != 9 || c.rows["a"] != 6 || c.rows["b"] != 9 || len(c.order)+len(c.decided) > 0 {
		t.Errorf("snapshot %v, rows %v, left %v and %v", c.snapshot, c.rows, c.order, c.decided)
	}
}
