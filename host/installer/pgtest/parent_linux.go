package pgtest

import "syscall"

// endWithParent makes a process group of its own, so that an interrupt at the terminal leaves
// the stopping to us, and lets the kernel stop the process when its parent has died.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}
