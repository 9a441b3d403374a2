package main

import (
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// linesMost is how many lines of the log wait for whoever reads it; one has some hundred bytes.
const linesMost = 4096

// logLines hands the lines of the log on without waiting for whoever reads them: a terminal that is stopped, or a pipe that
// is full, must not hold up the host. What there is no room for is dropped, and counted in a line of its own.
type logLines struct {
	waiting chan []byte // nil is the end
	lost    atomic.Int64
	ended   chan struct{}
}

// newLogLines returns a log of these settings that never waits, and the function that ends it: it waits a moment for what
// is left to be written.
func newLogLines(s logSettings, w io.Writer) (log *slog.Logger, end func(), err error) {
	direct, err := logger(s, w)
	if err != nil {
		return nil, nil, err
	}
	l := &logLines{waiting: make(chan []byte, linesMost), ended: make(chan struct{})}
	go l.run(w, direct)
	log, err = logger(s, l)
	return log, l.end, err
}

// Write implements io.Writer; slog calls it once a line.
func (l *logLines) Write(line []byte) (int, error) {
	select {
	case l.waiting <- slices.Clone(line):
	default:
		l.lost.Add(1)
	}
	return len(line), nil
}

// run writes what waits, up to the end.
func (l *logLines) run(w io.Writer, direct *slog.Logger) {
	defer close(l.ended)
	for line := range l.waiting {
		if line == nil {
			return
		}
		_, _ = w.Write(line) // where nobody reads the log nobody would read that
		if lost := l.lost.Swap(0); lost > 0 {
			direct.Warn("lines of the log were dropped: it was not read fast enough", "lines", lost)
		}
	}
}

// endMost is how long the end waits for whoever reads the log.
const endMost = time.Second

// end writes what is left; what is logged later is not.
func (l *logLines) end() {
	late := time.After(endMost)
	select {
	case l.waiting <- nil:
	case <-late:
		return
	}
	select {
	case <-l.ended:
	case <-late:
	}
}
