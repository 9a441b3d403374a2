package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen shows how far the demonstration is: a bar on a terminal, else a line now and then. Its
// methods may be called from any goroutine.
type screen struct {
	out      io.Writer
	terminal bool

	mu    sync.Mutex
	begun time.Time
	shown time.Time
	bar   bool // a bar stands on the last line
}

const (
	barWidth       = 30
	barEvery       = 100 * time.Millisecond
	progressEvery  = 2 * time.Second // where there is no terminal
	stillEvery     = 3 * time.Second // the same
	clearLine      = "\r\x1b[K"
	filled, vacant = "█", "░"
)

func newScreen(out io.Writer) *screen {
	s := &screen{out: out, begun: time.Now()}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return s
}

// say prints a line of its own.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, "%5.1f s  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
}

// during says what is done, and how long it has taken so far, every few seconds until it is.
func (s *screen) during(what string, do func() error) error {
	s.say("%s", what)
	done := make(chan struct{})
	var said sync.WaitGroup
	said.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(s.every(stillEvery)):
				s.still(what)
			}
		}
	})
	err := do()
	close(done)
	said.Wait()
	return err
}

// still says that something goes on.
func (s *screen) still(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	short, _, _ := strings.Cut(what, ";")
	text := fmt.Sprintf("%5.1f s  still %s", time.Since(s.begun).Seconds(), short)
	if !s.terminal {
		fmt.Fprintln(s.out, text)
		return
	}
	fmt.Fprint(s.out, clearLine+text)
	s.bar = true
}

// every is how long to wait between two signs of life: less on a terminal, where one replaces
// the other.
func (s *screen) every(without time.Duration) time.Duration {
	if s.terminal {
		return barEvery
	}
	return without
}

// progress shows the share of the workload that is done, and what else there is to say.
func (s *screen) progress(share float64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share = min(max(share, 0), 1)
	now := time.Now()
	if now.Sub(s.shown) < s.every(progressEvery) {
		return
	}
	s.shown = now
	if !s.terminal {
		fmt.Fprintf(s.out, "%5.1f s  %3.0f %%  %s\n", now.Sub(s.begun).Seconds(), 100*share, text)
		return
	}
	done := int(share * barWidth)
	fmt.Fprintf(s.out, "%s%s%s %3.0f %%  %s", clearLine, strings.Repeat(filled, done), strings.Repeat(vacant, barWidth-done), 100*share, text)
	s.bar = true
}

// end takes the bar away.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

func (s *screen) clear() {
	if s.bar {
		fmt.Fprint(s.out, clearLine)
		s.bar = false
	}
}
