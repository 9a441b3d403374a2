package guest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ChildVerb is the argument with which a program is started to check a module in a process of
// its own. It must then call BeChild and nothing else.
const ChildVerb = "check-module"

// Child says how modules are checked in a process of their own, so that a module which exhausts its
// compiler, its checks or the SQL parser harms only that process. The process has a low priority,
// bounded memory and time and no environment, and ends when the one that started it does.
type Child struct {
	// Command starts this same program so that it calls BeChild; empty checks modules in the
	// process that loads them.
	Command []string
	// Time is the processor time that a check may take, Memory the bytes of memory beside
	// those of the instances.
	Time   time.Duration
	Memory int64
}

// OwnChild starts this program, whose main must call BeChild when its one argument is
// ChildVerb.
func OwnChild() Child { return Child{Command: []string{selfPath(), ChildVerb}} }

// The defaults of Child.
const (
	DefaultChildTime   = 30 * time.Second
	DefaultChildMemory = 3 << 29 // a guest in Go of 3 MB takes a quarter

	// childPatience is what a child may take by the clock, on a machine that has little to spare.
	childPatience = 5 * time.Minute
)

// childRequest is what the host sends to a child: one line of JSON, followed by the module's bytes.
type childRequest struct {
	Name    string
	Bytes   int
	Options Options
	Passed  bool // the checks were passed before: it is only compiled
	Time    time.Duration
	Memory  int64
}

// childReport is the child's answer: one line of JSON.
type childReport struct {
	Passed  bool
	Steps   stepTimes `json:",omitempty"` // of a check that it passed
	Refused *refusal  `json:",omitempty"`
	Failed  string    `json:",omitempty"` // not by the module's fault
}

// refusal is a LoadError on its way from the child to the host.
type refusal struct {
	Step Step
	Rule Rule
	What string
	Hint string
	Err  string
}

func (r *refusal) error(name string) error {
	e := &LoadError{Guest: name, Step: r.Step, Rule: r.Rule, What: r.What, Hint: r.Hint}
	if r.Err != "" {
		e.Err = errors.New(r.Err)
	}
	return e
}

// BeChild answers one request on the standard input, as the process that ChildVerb starts, and
// returns the exit code. The process ends at once when its parent does.
func BeChild() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // the parent ends it, and knows then why
	in := bufio.NewReader(os.Stdin)
	request, module, err := readRequest(in)
	if err == nil {
		err = bound(request)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // nothing comes any more: it ends when the parent has died
		os.Exit(1)
	}()
	if err := json.NewEncoder(os.Stdout).Encode(answer(request, module)); err != nil {
		return 1
	}
	return 0
}

func readRequest(in *bufio.Reader) (r *childRequest, module []byte, err error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, nil, fmt.Errorf("%s is for Ichor itself, which starts it: %w", ChildVerb, err)
	}
	r = new(childRequest)
	if err := json.Unmarshal(line, r); err != nil {
		return nil, nil, fmt.Errorf("read the request: %w", err)
	}
	module = make([]byte, r.Bytes)
	if _, err := io.ReadFull(in, module); err != nil {
		return nil, nil, fmt.Errorf("read the module: %w", err)
	}
	return r, module, nil
}

// bound limits the time and memory of this process. The two instances that a check makes, one compiled
// and one interpreted, may have their memories on top.
func bound(r *childRequest) error {
	memories := 2 * int64(r.Options.MemoryPages) << 16
	debug.SetMemoryLimit(r.Memory / 2)
	return limitProcess(r.Time, r.Memory+memories)
}

// answer loads the module as the host would, in this process, and reports the outcome.
func answer(r *childRequest, module []byte) *childReport {
	g, err := newGeneration(r.Name, module, r.Options, slog.New(slog.DiscardHandler), NewMetrics(prometheus.NewRegistry()))
	if err == nil {
		err = g.load(context.Background(), module, r.Passed)
	}
	var refused *LoadError
	switch {
	case errors.As(err, &refused):
		text := ""
		if refused.Err != nil {
			text = refused.Err.Error()
		}
		return &childReport{Refused: &refusal{refused.Step, refused.Rule, refused.What, refused.Hint, text}}
	case err != nil:
		return &childReport{Failed: err.Error()}
	}
	return &childReport{Passed: true, Steps: g.steps}
}
