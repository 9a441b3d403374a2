//go:build !linux

package kafkatest

import "syscall"

// childOf makes a child process the leader of its own group. Only Linux can tie its life
// to ours, so after a test process that was killed it has to be ended by hand.
func childOf() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
