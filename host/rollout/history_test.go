package rollout

import (
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Which module converts what at a start is decided by what the database says, and by nothing else.
func TestUsesAtAStart(t *testing.T) {
	use := func(digest string, from talos.Version) installer.Use {
		return installer.Use{Guest: "g", Digest: digest, From: from}
	}
	only := installer.Use{Guest: "g", Digest: "z", From: 7, Only: true}
	other := installer.Use{Guest: "other", Digest: "o", From: 1}
	for name, c := range map[string]struct {
		state installer.State
		want  []installer.Use
	}{
		"a new cohort":                      {installer.State{}, []installer.Use{use("new", 1)}},
		"served by the reference":           {installer.State{Snapshot: 40}, []installer.Use{use("new", 41)}},
		"the same module goes on":           {installer.State{Snapshot: 9, History: []installer.Use{use("new", 1)}}, []installer.Use{use("new", 1)}},
		"another module, nothing is open":   {installer.State{Snapshot: 9, History: []installer.Use{use("old", 1)}}, []installer.Use{use("new", 10)}},
		"versions are ahead by the old one": {installer.State{Snapshot: 9, Ledger: []talos.Version{12, 15}, History: []installer.Use{use("old", 1)}}, []installer.Use{use("old", 1), use("new", 16)}},
		"a swap was under way": {
			installer.State{Snapshot: 9, History: []installer.Use{use("older", 1), use("old", 12)}},
			[]installer.Use{use("older", 1), use("old", 12), use("new", 13)},
		},
		"a swap is done":                   {installer.State{Snapshot: 12, History: []installer.Use{use("older", 1), use("old", 12)}}, []installer.Use{use("new", 13)}},
		"one version of another is no cut": {installer.State{Snapshot: 9, History: []installer.Use{use("new", 1), only}}, []installer.Use{use("new", 1)}},
		"another guest says nothing":       {installer.State{Snapshot: 9, History: []installer.Use{other}}, []installer.Use{use("new", 10)}},
		"back to the module of before":     {installer.State{Snapshot: 12, History: []installer.Use{use("new", 1), use("old", 12)}}, []installer.Use{use("new", 13)}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := usesOf(c.state, "g", "new"); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestNewestOfTheHistory(t *testing.T) {
	history := []installer.Use{
		{Guest: "g", Digest: "a", From: 1}, {Guest: "g", Digest: "b", From: 5}, {Guest: "g", Digest: "c", From: 6, Only: true}, {Guest: "h", Digest: "d", From: 7},
	}
	if got := newestOf(history, "g"); got != "b" {
		t.Errorf("%q, want b", got)
	}
	if got := newestOf(history, "i"); got != "" {
		t.Errorf("%q of a guest that the history does not know", got)
	}
}

func TestDigestForPrefersTheRowOfTheVersionAlone(t *testing.T) {
	history := []installer.Use{
		{Guest: "a", Digest: "1", From: 3}, {Guest: "a", Digest: "2", From: 9}, {Guest: "a", Digest: "3", From: 5, Only: true}, {Guest: "b", Digest: "4", From: 1},
	}
	for v, want := range map[talos.Version]string{2: "", 3: "1", 5: "3", 6: "1", 8: "1", 9: "2", 900: "2"} {
		if got := DigestFor(history, "a", v); got != want {
			t.Errorf("version %d is converted by %q, want %q", v, got, want)
		}
	}
	if got := DigestFor(history, "c", 5); got != "" {
		t.Errorf("a guest that the history does not have: %q", got)
	}
}

// What the history says of versions above the snapshot is needed, and nothing else of it.
func TestNeededOfAHistory(t *testing.T) {
	history := []installer.Use{
		{Guest: "g", Digest: "a", From: 1}, {Guest: "g", Digest: "b", From: 10}, {Guest: "g", Digest: "c", From: 20},
		{Guest: "g", Digest: "d", From: 12, Only: true}, {Guest: "other", Digest: "e", From: 1},
	}
	for snapshot, want := range map[talos.Version]string{0: "abcde", 8: "abcde", 9: "bcde", 11: "bcde", 12: "bce", 18: "bce", 19: "ce", 100: "ce"} {
		got := ""
		for _, u := range Needed(history, snapshot) {
			got += u.Digest
		}
		if got != want {
			t.Errorf("above %d: got %s, want %s", snapshot, got, want)
		}
	}
}
