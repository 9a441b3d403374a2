package main

import (
	"runtime/debug"
	"testing"
)

// TestHeapGrowth sets how far the heap grows, and leaves it to GOGC where that is set.
func TestHeapGrowth(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for _, c := range []struct {
		gogc string
		want int
	}{{"50", 100}, {"off", 100}, {"", heapGrowth}} {
		t.Setenv("GOGC", c.gogc)
		boundHeap()
		if got := debug.SetGCPercent(100); got != c.want {
			t.Errorf("with GOGC=%q the heap grows by %d percent, want %d", c.gogc, got, c.want)
		}
	}
}
