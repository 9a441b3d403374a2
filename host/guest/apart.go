package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// errNoChild is returned when there is no process to check a module in.
var errNoChild = errors.New("no process of its own could be started")

// Bounds on what is read of a child, and on how long it is waited for.
const (
	reportMost    = 1 << 20
	lastWords     = 4 << 10
	childFarewell = time.Second // between its end and that of its pipes
)

// apart is one check of a module in a child process, as the host sees it.
type apart struct {
	g       *Generation
	request childRequest
	module  []byte
	words   firstWords // what it wrote to its standard error
	report  childReport
}

// checkApart has the module checked, unless it passed before, and compiled into the cache by a
// process of its own. It returns a *LoadError if the module is refused or the process died of
// it, errNoChild if no process could be started, ctx's error if it ended, or whatever else failed.
func (g *Generation) checkApart(ctx context.Context, module []byte, passed bool) error {
	a := &apart{g: g, module: module, request: childRequest{
		Name: g.name, Bytes: len(module), Options: g.options, Passed: passed, Time: g.options.Child.Time, Memory: g.options.Child.Memory,
	}}
	a.request.Options.Instances = 1
	if cache := g.options.CacheDir; cache != "" && !g.isCompiled() && !strings.HasPrefix(cache, memoryDirectory) {
		if dir := stage(); dir != "" {
			defer os.RemoveAll(dir)
			a.request.Options.CacheDir = dir
		}
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread has a priority of its own from here on, which the child
		// inherits, and ends with the goroutine.
		runtime.LockOSThread()
		yieldToOthers()
		err := a.run(ctx)
		if err == nil && a.request.Options.CacheDir != g.options.CacheDir {
			a.adopt()
		}
		done <- err
	}()
	return <-done
}

// adopt moves the code that the child compiled into the host's cache. If that fails, the host
// compiles the module itself.
func (a *apart) adopt() {
	if err := adoptCode(a.request.Options.CacheDir, a.g.options.CacheDir); err != nil {
		a.g.log.Warn("compilation cache: what a child compiled cannot be kept", "error", err)
	}
}

// run starts the child, sends it the module, reads its report and waits for its end.
func (a *apart) run(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, childPatience)
	defer cancel()
	command := a.g.options.Child.Command
	cmd := exec.CommandContext(bounded, command[0], command[1:]...)
	cmd.Env, cmd.Stderr, cmd.SysProcAttr, cmd.WaitDelay = []string{"GOMAXPROCS=1"}, &a.words, endWithParent(), childFarewell
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoChild, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoChild, err)
	}
	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // it was told to stop: nothing is checked in its stead
		}
		return fmt.Errorf("%w: %w", errNoChild, err)
	}
	asked := a.ask(in, out)
	_ = in.Close() // it has answered, or is dead
	_ = cmd.Wait() // how it ended matters only when it has not answered
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		return a.died("it is not checked within "+childPatience.String(), "is the machine overloaded? put the file there again")
	case asked != nil:
		return a.fate(cmd.ProcessState)
	case a.report.Refused != nil:
		return a.report.Refused.error(a.g.name)
	case !a.report.Passed:
		return fmt.Errorf("check guest %s: %s", a.g.name, a.report.Failed)
	}
	a.g.steps = a.report.Steps
	return nil
}

// ask sends the request and the module, and reads the report.
func (a *apart) ask(in io.Writer, out io.Reader) error {
	line, err := json.Marshal(a.request)
	if err != nil {
		return err
	}
	if _, err := in.Write(append(line, '\n')); err != nil {
		return err
	}
	if _, err := in.Write(a.module); err != nil {
		return err
	}
	return json.NewDecoder(io.LimitReader(out, reportMost)).Decode(&a.report)
}

// timeIsUp is the last word of a child that has used up its processor time.
const timeIsUp = "the processor time is used up"

// fate says why a child ended without a report: most likely it ran into one of its limits.
func (a *apart) fate(state *os.ProcessState) error {
	words := a.words.line()
	switch {
	case words == timeIsUp || state.UserTime()+state.SystemTime() >= a.request.Time*4/5: // a kernel counts its limit in ticks
		return a.died(fmt.Sprintf("it takes more than %v of processor time to be checked", a.request.Time), "what is so large in it, or so slow?")
	case strings.Contains(words, "out of memory") || strings.Contains(words, "cannot allocate memory"):
		return a.died(fmt.Sprintf("it takes more than %d MiB of memory to be checked", a.request.Memory>>20), "what is so large in it?")
	case words == "":
		words = "without a word, as the system does to a process that takes too much memory"
	}
	return a.died("the process that checked it died", "did it need more memory than there is? else please report it with the module", fmt.Errorf("%v: %s", state, words))
}

func (a *apart) died(what, hint string, err ...error) error {
	return a.g.refuse(StepCheck, what, hint, errors.Join(err...))
}

// firstWords keeps the first bytes written to it. A Go program that dies says why in its first line.
type firstWords struct{ text bytes.Buffer }

// Write implements io.Writer.
func (w *firstWords) Write(p []byte) (int, error) {
	w.text.Write(p[:min(len(p), lastWords-w.text.Len())])
	return len(p), nil
}

// line returns the first line, without control characters.
func (w *firstWords) line() string { return Clean([]byte(firstLine(w.text.String()))) }
