//go:build unix

package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one run of a command.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
}

// startProcess starts a command that writes to a log. The operating system ends it when the thread
// that started it ends, so the goroutine keeps that thread for as long as the command runs.
func startProcess(command *exec.Cmd, logFile string) (*process, error) {
	log, err := os.OpenFile(logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", command.Path, err)
	}
	p := &process{command: command, done: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = log, log
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			_ = p.command.Wait() // how it ended is in its log
		}
		_ = log.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return p, nil
}

func (p *process) signal(how syscall.Signal) {
	_ = p.command.Process.Signal(how) // it may have ended by itself, which is what is wanted
}

// logSize returns how long the log is, so that a failed start can quote what it added.
func (s *Server) logSize() int64 {
	info, err := os.Stat(s.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

func (s *Server) logSince(size int64) string {
	text, err := os.ReadFile(s.logFile())
	if err != nil || int64(len(text)) < size {
		return "(no log)"
	}
	return string(bytes.TrimSpace(text[size:]))
}

// choosePort returns the port that names the socket, free on 127.0.0.1 when it is to serve
// TCP too.
func choosePort(tcp bool) (int, error) {
	if !tcp {
		return 5432, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("choose a port for PostgreSQL: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
