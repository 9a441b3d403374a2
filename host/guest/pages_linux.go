package guest

import "syscall"

// populate makes the pages of a mapping that nobody has written to.
func populate(mapping []byte) {
	const populateWrite = 23 // MADV_POPULATE_WRITE, which package syscall does not name
	if syscall.Madvise(mapping, populateWrite) == syscall.EINVAL {
		touch(mapping) // before Linux 5.14
	}
}

// depopulate gives the pages of a mapping back to the system: it reads as zeroes again.
func depopulate(mapping []byte) {
	_ = syscall.Madvise(mapping, syscall.MADV_DONTNEED) // it fails only for what is not mapped
}
