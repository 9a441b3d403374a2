package hosttest

import "syscall"

// ownGroup keeps an interrupt at the terminal from the process, which is ours to stop, and has
// the kernel kill it when we are gone.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
