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
