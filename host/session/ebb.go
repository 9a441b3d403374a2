package session

// ebb tells when what the core holds has fallen far, of a core that held much: what it held is garbage by then, which Go
// collects only when as much again was allocated, or two minutes later. A host that is idle after some large records would
// keep several times their size until then.
type ebb struct{ peak int } // bytes, since it fell the last time

// ebbLeast is the least that a core has held for whom it is worth it, in bytes.
const ebbLeast = 64 << 20

// fell reports whether it has fallen to a sixteenth, each time once.
func (e *ebb) fell(bytes int) bool {
	e.peak = max(e.peak, bytes)
	if e.peak < ebbLeast || bytes > e.peak/16 {
		return false
	}
	e.peak = bytes
	return true
}
