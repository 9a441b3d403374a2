package talos

import "testing"

// A set of many equal keys takes the memory of one.
func TestKeysTakeNoMoreThanTheyAre(t *testing.T) {
	keys := Keys(make([]string, 100_000), []string{"a", "a"})
	if len(keys) != 2 || cap(keys) > 8 {
		t.Errorf("%d keys in an array for %d, want 2", len(keys), cap(keys))
	}
}
