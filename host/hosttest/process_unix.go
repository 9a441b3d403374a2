//go:build unix && !linux

package hosttest

import "syscall"

// ownGroup keeps an interrupt at the terminal from the process, which is ours to stop.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
