package main

import (
	"syscall"
	"time"
)

// sleep waits as exactly as the system can: the runtime's own timers may be a millisecond late.
func sleep(d time.Duration) {
	rest := syscall.NsecToTimespec(int64(max(0, d)))
	for syscall.Nanosleep(&rest, &rest) == syscall.EINTR {
	}
}
