package hosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// stopWithin is how long the host may take to drain.
const stopWithin = 15 * time.Second

// Process is a host that runs by itself and ends with this process. Its methods may be called
// from any goroutine.
type Process struct {
	command *exec.Cmd
	log     string
	done    chan struct{} // closed when it has ended
	err     error         // how it ended; to be read after done
	said    atomic.Bool   // that it ended by itself
}

// Run runs one of the host's verbs to its end. It returns what the verb said, and an error with
// that in it unless the exit code is 0.
func Run(ctx context.Context, binary string, args ...string) (*os.ProcessState, []byte, error) {
	verb := exec.CommandContext(ctx, binary, args...)
	verb.Env = environment(os.Environ())
	var problems bytes.Buffer
	verb.Stderr = &problems
	said, err := verb.Output()
	if err != nil {
		err = fmt.Errorf("ichor %s: %w: %s: %s", strings.Join(args, " "), err, bytes.TrimSpace(said), bytes.TrimSpace(problems.Bytes()))
	}
	return verb.ProcessState, said, err
}

// PeakMiB returns the most memory that an ended process or a child of it ever had. On Linux it is not less than what
// this process had when it began that one.
func PeakMiB(state *os.ProcessState) float64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" { // there it is bytes
		return float64(usage.Maxrss) / (1 << 20)
	}
	return float64(usage.Maxrss) / (1 << 10)
}

// Start starts a host with its settings, and with variables in its environment, as in "NAME=text". What it
// writes is added to the file log. The kernel ends the process when the thread that started it ends, so a
// goroutine keeps that thread.
func Start(binary, settings, log string, variables ...string) (*Process, error) {
	return launch(variables, log, binary, "run", "-c", settings)
}

// Launch starts any program as Start starts a host.
func Launch(log, name string, args ...string) (*Process, error) {
	return launch(nil, log, name, args...)
}

func launch(variables []string, log, name string, args ...string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.Command(name, args...), log: log, done: make(chan struct{})}
	p.command.Stdout, p.command.Stderr, p.command.SysProcAttr = file, file, ownGroup()
	p.command.Env = append(environment(os.Environ()), variables...)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer file.Close()
		if err := p.command.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.err = p.command.Wait()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// environment removes the variables that the host would read as settings, so that only the settings
// file counts.
func environment(environ []string) []string {
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

// Signal sends a signal to the process; it may have ended by itself.
func (p *Process) Signal(s syscall.Signal) { _ = p.command.Process.Signal(s) }

// ID returns the number that the kernel gave the process.
func (p *Process) ID() int { return p.command.Process.Pid }

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Killed reports whether the process was ended by SIGKILL, its own or another's.
func (p *Process) Killed() bool {
	if p.Running() {
		return false
	}
	how, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && how.Signaled() && how.Signal() == syscall.SIGKILL
}

// Check returns an error, with the end of the log in it, when the process has ended.
func (p *Process) Check() error {
	if p.Running() {
		return nil
	}
	p.said.Store(true)
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("the host ended by itself: %s; its log ends:\n%s", how, p.Tail())
}

// Ended waits until the process has ended by itself or because it was told to, which Stop then takes as said. It returns how: an
// exit code, or a signal. That it takes longer than within is an error, with the end of the log in it.
func (p *Process) Ended(ctx context.Context, within time.Duration) (how syscall.WaitStatus, err error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		return how, context.Cause(ctx)
	case <-timer.C:
		return how, fmt.Errorf("the host has not ended within %v; its log ends:\n%s", within, p.Tail())
	}
	p.said.Store(true)
	how, _ = p.command.ProcessState.Sys().(syscall.WaitStatus) // that is what it is on every system that hosts run on
	return how, nil
}

// Ready waits until the host, which listens at address, says that it is ready.
func (p *Process) Ready(ctx context.Context, address string, patience time.Duration) error {
	client := http.Client{Timeout: 5 * time.Second}
	said := "nothing"
	for begun := time.Now(); time.Since(begun) < patience; {
		if err := p.Check(); err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if said = response.Status; response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the host is not ready after %v, it says %s; its log ends:\n%s", patience, said, p.Tail())
}

// Tail returns the last lines that the process wrote.
func (p *Process) Tail() string {
	const lines = 20
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Kill ends the process as a crash would.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // it may have ended by itself
	<-p.done
}

// Stop has the process drain. It returns an error unless that ends well and in time; after
// that time it is killed. One that ended by itself is an error too, unless Check has said so.
func (p *Process) Stop() error {
	if !p.Running() && p.said.Load() {
		return nil
	}
	if err := p.Check(); err != nil {
		return err
	}
	return p.stop(stopWithin)
}

func (p *Process) stop(within time.Duration) error {
	p.Signal(syscall.SIGTERM)
	var err error
	select {
	case <-p.done:
		err = p.err
	case <-time.After(within):
		p.Kill()
		err = errors.New("it did not end in time and was killed")
	}
	if err != nil {
		return fmt.Errorf("the host did not end well: %w; its log ends:\n%s", err, p.Tail())
	}
	return nil
}
