//go:build unix && !linux

package pgtest

import "syscall"

// endWithParent makes a process group of its own, so that an interrupt at the terminal leaves
// the stopping to us. Only Linux can also end the process when its parent has died.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
