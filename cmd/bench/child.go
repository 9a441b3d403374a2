package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// child is a process that ends with this one.
type child struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
	err     error         // how it ended; to be read after done
}

// startChild starts a process whose output is added to a file. The kernel ends the process
// when the thread that started it ends, so a goroutine keeps that thread.
func startChild(output, name string, args ...string) (*child, error) {
	file, err := os.OpenFile(output, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	c := &child{command: exec.Command(name, args...), done: make(chan struct{})}
	c.command.Stdout, c.command.Stderr, c.command.SysProcAttr = file, file, ownGroup()
	c.command.Env = hostEnvironment(os.Environ())
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		defer file.Close()
		if err := c.command.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		c.err = c.command.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// hostEnvironment leaves out the variables that the host takes for settings: the benchmarks
// write their own.
func hostEnvironment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"KAFKA_", "COHORT_PG_", "BANK_", "BACKPRESSURE_", "REPLICATOR_", "STATEMAP_", "ICHOR_"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	})
}

// running reports whether the process has not ended yet.
func (c *child) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// kill ends the process as a crash would.
func (c *child) kill() {
	_ = c.command.Process.Kill() // it may have ended by itself
	<-c.done
}

// stop asks the process to end, and returns how it did. After the time it kills it.
func (c *child) stop(within time.Duration) error {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-c.done:
		return c.err
	case <-time.After(within):
		c.kill()
		return errors.New("it did not end in time and was killed")
	}
}
