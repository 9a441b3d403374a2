package session

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

func TestXIDsForgetTheOldest(t *testing.T) {
	x := new(XIDs)
	text := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	find := func(i int) []talos.Version {
		id, _ := talos.ParseXID(text(i))
		return x.Find(id)
	}
	x.add("no xid", 1)
	for i := range XIDsKept {
		x.add(text(i), talos.Version(i+10))
	}
	if got := find(0); !slices.Equal(got, []talos.Version{10}) {
		t.Errorf("%v", got)
	}
	x.add(text(5), XIDsKept+20) // sent again
	x.add(text(5), XIDsKept+20) // read again
	if got := find(0); len(got) != 0 {
		t.Errorf("the oldest is remembered: %v", got)
	}
	if got := find(5); !slices.Contains(got, talos.Version(XIDsKept+20)) || len(got) != 2 {
		t.Errorf("%v", got)
	}
	if len(x.ring) != XIDsKept {
		t.Errorf("%d are kept", len(x.ring))
	}
}

// TestDecisionsOfAnotherXID is about what is told apart: other ids, and not other ways to write one, nor candidates that are forgotten.
func TestDecisionsOfAnotherXID(t *testing.T) {
	const one, same, other = "5a0c2f6e-7c1b-4e2b-9a53-0d6f2f1b9e11", "{5A0C2F6E-7C1B-4E2B-9A53-0D6F2F1B9E11}", "c9b1d3a4-02f5-4c7b-8a0e-6b2f6f8e3d20"
	l := new(latest)
	l.add(one, 7)
	for _, c := range []struct {
		xid     string
		version talos.Version
		want    bool
	}{{one, 7, false}, {same, 7, false}, {other, 7, true}, {"x", 7, false}, {other, 8, false}, {other, 7 + latestKept, false}} {
		if got := l.differs(c.xid, c.version); got != c.want {
			t.Errorf("%s of version %d differs: %v", c.xid, c.version, got)
		}
	}
	l.add("x", 9) // the certifier takes no such candidate
	if l.differs(other, 9) {
		t.Error("an xid that cannot be read differs")
	}
}
