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

// progress shows the share of the workload that is done, and what else there is to say.
func (s *screen) progress(share float64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	share = min(max(share, 0), 1)
	every := progressEvery
	if s.terminal {
		every = barEvery
	}
	now := time.Now()
	if now.Sub(s.shown) < every {
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
