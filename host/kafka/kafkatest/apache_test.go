package kafkatest

import (
	"strings"
	"testing"
)

// One id in 64 began with a dash, and the broker's directory was not formatted.
func TestAClusterIDIsNoOption(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := newClusterID()
		if strings.HasPrefix(id, "-") || len(id) != 22 || seen[id] {
			t.Fatalf("cluster id %q: want 22 characters, no dash first, another one each time", id)
		}
		seen[id] = true
	}
}
