package kafkatest

import "syscall"

// childOf makes a child process the leader of its own group that dies with us.
func childOf() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
