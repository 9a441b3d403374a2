//go:build unix && !linux

package guest

import (
	"os"
	"syscall"
	"time"
)

// selfPath names the program that runs.
func selfPath() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// yieldToOthers does nothing: elsewhere than on Linux a thread has no priority of its own.
func yieldToOthers() {}

// endWithParent makes a process group of its own, so that an interrupt at the terminal leaves
// the stopping to us. Only Linux can also end the process when its parent has died.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limitProcess bounds this process's processor time and its data.
func limitProcess(d time.Duration, memory int64) error { return setLimits(d, memory) }
