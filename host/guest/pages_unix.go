//go:build unix && !linux

package guest

// populate does nothing: only Linux makes pages before somebody writes to them.
func populate([]byte) {}

// depopulate does nothing: what was written stays, and is written over.
func depopulate([]byte) {}
