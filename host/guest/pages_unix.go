//go:build unix && !linux

package guest

// populate makes the pages of a mapping that nobody has written to.
func populate(mapping []byte) { touch(mapping) }

// depopulate does nothing: what was written stays, and is written over.
func depopulate([]byte) {}
