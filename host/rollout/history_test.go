package rollout

import (
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Which module converts what at a start is decided by what the database says, and by nothing else.
func TestUsesAtAStart(t *testing.T) {
	use := func(digest string, from talos.Version) cohort.Use {
		return cohort.Use{Guest: "g", Digest: digest, From: from}
	}
	only := cohort.Use{Guest: "g", Digest: "z", From: 7, Only: true}
	other := cohort.Use{Guest: "other", Digest: "o", From: 1}
	for name, c := range map[string]struct {
		state installer.State
		want  []cohort.Use
	}{
		"a new cohort":                      {installer.State{}, []cohort.Use{use("new", 1)}},
		"served by the reference":           {installer.State{Snapshot: 40}, []cohort.Use{use("new", 41)}},
		"the same module goes on":           {installer.State{Snapshot: 9, History: []cohort.Use{use("new", 1)}}, []cohort.Use{use("new", 1)}},
		"another module, nothing is open":   {installer.State{Snapshot: 9, History: []cohort.Use{use("old", 1)}}, []cohort.Use{use("new", 10)}},
		"versions are ahead by the old one": {installer.State{Snapshot: 9, Ledger: []talos.Version{12, 15}, History: []cohort.Use{use("old", 1)}}, []cohort.Use{use("old", 1), use("new", 16)}},
		"a swap was under way": {
			installer.State{Snapshot: 9, History: []cohort.Use{use("older", 1), use("old", 12)}},
			[]cohort.Use{use("older", 1), use("old", 12), use("new", 13)},
		},
		"a swap is done":                   {installer.State{Snapshot: 12, History: []cohort.Use{use("older", 1), use("old", 12)}}, []cohort.Use{use("new", 13)}},
		"one version of another is no cut": {installer.State{Snapshot: 9, History: []cohort.Use{use("new", 1), only}}, []cohort.Use{use("new", 1)}},
		"another guest says nothing":       {installer.State{Snapshot: 9, History: []cohort.Use{other}}, []cohort.Use{use("new", 10)}},
		"back to the module of before":     {installer.State{Snapshot: 12, History: []cohort.Use{use("new", 1), use("old", 12)}}, []cohort.Use{use("new", 13)}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := usesOf(c.state, "g", "new"); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestNewestOfTheHistory(t *testing.T) {
	history := []cohort.Use{
		{Guest: "g", Digest: "a", From: 1}, {Guest: "g", Digest: "b", From: 5}, {Guest: "g", Digest: "c", From: 6, Only: true}, {Guest: "h", Digest: "d", From: 7},
	}
	if got := newestOf(history, "g"); got != "b" {
		t.Errorf("%q, want b", got)
	}
	if got := newestOf(history, "i"); got != "" {
		t.Errorf("%q of a guest that the history does not know", got)
	}
}
