package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/rollout/shadow"
	"github.com/ichor-replicator/ichor/host/status"
)

// TestStatusShowsWhatIsInShadow: as long as it is compared, and what converts or was refused no longer.
func TestStatusShowsWhatIsInShadow(t *testing.T) {
	converts, compared := strings.Repeat("a", 64), strings.Repeat("b", 64)
	shown := &status.Shadow{Digest: compared, Beside: converts, Of: 20, Compared: 7, Same: 3, Differ: 2, NewRejects: 1, OldRejected: 1}
	for _, c := range []struct {
		digest  string
		refused *status.Refusal
		shadow  *status.Shadow
		want    bool
	}{
		{converts, nil, shown, true},
		{converts, &status.Refusal{Digest: strings.Repeat("c", 64), Reason: "an older one"}, shown, true},
		{converts, &status.Refusal{Digest: compared, Reason: "3 of 20 versions differ"}, shown, false},
		{compared, nil, shown, false},
		{converts, nil, nil, false},
	} {
		s := status.Status{Phase: status.PhaseRunning, Guests: []status.Guest{{Guest: "banking", Digest: c.digest, Refused: c.refused, Shadow: c.shadow}}}
		var status, top strings.Builder
		printStatus(&screen{out: &status}, &s)
		row := func(_, format string, args ...any) { fmt.Fprintf(&top, format+"\n", args...) }
		loaded(&screen{}, &s, row)
		const text = "bbbbbbbbbbbb in shadow: 7 of 20 compared, 3 not the same"
		if is := strings.Contains(status.String(), text+": see ichor guest shadow banking\n"); is != c.want {
			t.Errorf("%+v: status says %s", c, status.String())
		}
		if is := strings.Contains(top.String(), text+"\n"); is != c.want {
			t.Errorf("%+v: top says %s", c, top.String())
		}
	}
}

func TestAShadowIsShown(t *testing.T) {
	first, err := json.Marshal(shadow.Difference{
		Version: 7, XID: "x-7", What: "the old one converts it, the new one rejects it", Statemap: "[]",
		Old: guest.Outcome{Status: "converted"}, New: guest.Outcome{Status: "rejected"},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := &status.Guest{
		Guest: "banking", Digest: strings.Repeat("a", 64),
		Shadow: &status.Shadow{Digest: strings.Repeat("b", 64), Beside: strings.Repeat("a", 64), Of: 20, Compared: 20, Missed: 3, Same: 19, NewRejects: 1, Differences: "sha256:cc", First: []json.RawMessage{first}},
	}
	g.Refused = &status.Refusal{Digest: g.Shadow.Digest, Reason: "1 of 20 versions differ"}
	var out strings.Builder
	if err := printShadow(&out, g); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"banking bbbbbbbbbbbb beside aaaaaaaaaaaa: 20 of 20 versions are compared", "19 same, 0 differ, 1 the new one rejects, 0 the old one rejected; 3 it was not shown",
		"differences sha256:cc", "version 7, xid x-7: the old one converts it", "it is not taken: 1 of 20 versions differ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q but\n%s", want, out.String())
		}
	}
}
