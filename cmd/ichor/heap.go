package main

import (
	"os"
	"runtime/debug"
)

// heapGrowth is by how much of what is in use Go's heap grows before it is collected, in percent.
// Go's own 100 lets half of the heap of a host that catches up with a backlog be garbage.
const heapGrowth = 65

// boundHeap sets how far the heap grows, unless the environment says it: GOGC is for whoever has
// other memory than processors to give.
func boundHeap() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}
