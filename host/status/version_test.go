package status

import (
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Whatever the core says of a version, a person gets a sentence.
func TestEveryWhereaboutsHasASentence(t *testing.T) {
	at := int64(1000 * time.Second)
	for _, stands := range replicator.AllWhereabouts {
		x := replicator.Explanation{Version: 7, Stands: stands, Outcome: talos.Committed, Failure: replicator.Failure{Kind: "sql", Code: "23514"}}
		v := VersionOf(x, at, nil)
		if v.Sentence == "" || v.Sentence == string(stands) {
			t.Errorf("%s has no sentence", stands)
		}
		if first, _, _ := strings.Cut(string(stands), "_"); strings.HasPrefix(v.Sentence, first) { // the two stand side by side
			t.Errorf("%s: %s: that is said twice", stands, v.Sentence)
		}
	}
}

func TestAVersionSaysWhatItWaitsFor(t *testing.T) {
	at := int64(1000 * time.Second)
	v := VersionOf(replicator.Explanation{
		Version: 9, Stands: replicator.AwaitsOthers, Outcome: talos.Committed,
		For: []replicator.WaitsFor{
			{Version: 7, Stands: replicator.HeldBack, Key: 0xab, Since: at - int64(3*time.Second)},
			{Version: 8, Stands: replicator.AwaitsDecision, Key: 0xcd},
		},
	}, at, map[uint64]string{0xab: "account:1"})
	for _, part := range []string{"committed, and waits for 7, which is held and touches account:1 too, read 3s ago", "8, which is undecided and touches cd too"} {
		if !strings.Contains(v.Sentence, part) {
			t.Errorf("%q lacks %q", v.Sentence, part)
		}
	}
}
