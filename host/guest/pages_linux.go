package guest

import "syscall"

// populate makes the pages of a mapping, as writing to it would; before Linux 5.14 it does
// nothing, and writing takes longer.
func populate(mapping []byte) {
	const populateWrite = 23 // MADV_POPULATE_WRITE, which package syscall does not name
	_ = syscall.Madvise(mapping, populateWrite)
}

// depopulate gives the pages of a mapping back to the system: it reads as zeroes again.
func depopulate(mapping []byte) {
	_ = syscall.Madvise(mapping, syscall.MADV_DONTNEED) // it fails only for what is not mapped
}
