package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitDescriptors sets above which number a process may have no descriptor that it opens, and returns what that was. What it has open it
// keeps.
func limitDescriptors(process int, most uint64) (before uint64, err error) {
	var is unix.Rlimit
	if err = unix.Prlimit(process, unix.RLIMIT_NOFILE, nil, &is); err == nil {
		err = unix.Prlimit(process, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: is.Max}, nil)
	}
	if err != nil {
		return 0, fmt.Errorf("limit the descriptors of process %d: %w", process, err)
	}
	return is.Cur, nil
}
