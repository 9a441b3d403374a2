package cohort

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

func TestDigestForPrefersTheRowOfTheVersionAlone(t *testing.T) {
	history := History{
		{Guest: "a", Digest: "1", From: 3}, {Guest: "a", Digest: "2", From: 9}, {Guest: "a", Digest: "3", From: 5, Only: true}, {Guest: "b", Digest: "4", From: 1},
	}
	for v, want := range map[talos.Version]string{2: "", 3: "1", 5: "3", 6: "1", 8: "1", 9: "2", 900: "2"} {
		if got := history.DigestFor("a", v); got != want {
			t.Errorf("version %d is converted by %q, want %q", v, got, want)
		}
	}
	if got := history.DigestFor("c", 5); got != "" {
		t.Errorf("a guest that the history does not have: %q", got)
	}
}

// What the history says of versions above the snapshot is needed, and nothing else of it.
func TestNeededOfAHistory(t *testing.T) {
	history := History{
		{Guest: "g", Digest: "a", From: 1}, {Guest: "g", Digest: "b", From: 10}, {Guest: "g", Digest: "c", From: 20},
		{Guest: "g", Digest: "d", From: 12, Only: true}, {Guest: "other", Digest: "e", From: 1},
	}
	for snapshot, want := range map[talos.Version]string{0: "abcde", 8: "abcde", 9: "bcde", 11: "bcde", 12: "bce", 18: "bce", 19: "ce", 100: "ce"} {
		got := ""
		for _, u := range history.Needed(snapshot) {
			got += u.Digest
		}
		if got != want {
			t.Errorf("above %d: got %s, want %s", snapshot, got, want)
		}
	}
}
