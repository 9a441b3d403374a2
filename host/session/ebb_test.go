package session

import "testing"

func TestMemoryIsGivenBackWhenMuchOfItFell(t *testing.T) {
	const mib = 1 << 20
	var e ebb
	for i, c := range []struct {
		bytes int
		fell  bool
	}{
		{10 * mib, false}, {0, false}, // little
		{160 * mib, false}, {60 * mib, false}, {11 * mib, false}, {10 * mib, true}, {5 * mib, false}, {0, false}, // once
		{70 * mib, false}, {0, true}, {0, false}, // again
	} {
		if got := e.fell(c.bytes); got != c.fell {
			t.Errorf("%d: at %d MiB %v", i, c.bytes/mib, got)
		}
	}
}
