package guest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/ichor-replicator/ichor/abi"
)

// guestLog passes an instance's lines on to the host's log. Each line is cut to perLine bytes and freed
// of control characters; a call may log perCall bytes, and all instances of a generation together
// logRate lines a second. Beyond maxLogRead bytes or maxLogLines lines of a call nothing is even read.
type guestLog struct {
	log     *slog.Logger
	rate    *logRate
	kept    func()
	dropped func()
	partial []byte // the unfinished line of fd 1 and 2
	budget  int    // bytes of lines that are still kept in this call
	unread  int    // bytes that are still read in this call
	lines   int    // lines that are still read in this call
	perCall int
	perLine int
	first   string // the call's first line, kept or not: what a fault is explained with
}

// begin gives the log a new call's budget.
func (l *guestLog) begin() {
	l.budget, l.unread, l.lines, l.first = l.perCall, maxLogRead, maxLogLines, ""
}

// How much is read in a call, kept or not.
const (
	maxLogRead  = 1 << 20 // bytes
	maxLogLines = 1 << 12
)

// end logs the unfinished last line of a call.
func (l *guestLog) end() {
	if len(l.partial) > 0 {
		l.write(abi.LogWarn, l.partial)
		l.partial = l.partial[:0]
	}
}

// price returns the fuel for logging so many bytes: priceRead for each that will be read, and priceKept
// for each that may be kept.
func (l *guestLog) price(length int) int64 {
	read := min(length, l.unread)
	return priceRead*int64(read) + priceKept*int64(min(read, max(l.budget, 0)))
}

// stream takes bytes written to a descriptor, and logs the lines among them.
func (l *guestLog) stream(level abi.LogLevel, text []byte) {
	if len(text) > l.unread {
		l.dropped()
		text = text[:l.unread]
	}
	l.unread -= len(text)
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if room := l.perLine - len(l.partial); room > 0 {
			l.partial = append(l.partial, line[:min(room, len(line))]...)
		}
		if whole {
			l.write(level, l.partial)
			l.partial = l.partial[:0]
		}
		if l.lines--; l.lines <= 0 {
			l.dropped()
			l.unread = 0
			return
		}
		text = rest
	}
}

// line logs one line.
func (l *guestLog) line(level abi.LogLevel, text []byte) {
	text = text[:min(len(text), l.perLine)]
	if len(text) > l.unread {
		l.dropped()
		return
	}
	l.unread -= len(text)
	l.write(level, text)
}

func (l *guestLog) write(level abi.LogLevel, text []byte) {
	if len(text) == 0 {
		return
	}
	l.budget -= len(text)
	kept := l.budget >= 0 && l.rate.allow(time.Now())
	if !kept {
		l.dropped()
	}
	if !kept && l.first != "" {
		return
	}
	line := Clean(text)
	if l.first == "" {
		l.first = line
	}
	if kept {
		l.kept()
		l.log.Log(context.Background(), slogLevel(level), "guest says", "line", line)
	}
}

func slogLevel(level abi.LogLevel) slog.Level {
	switch level {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogInfo:
		return slog.LevelInfo
	case abi.LogWarn:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

// logRate is a token bucket over the instances of a generation.
type logRate struct {
	mu     sync.Mutex
	tokens float64
	rate   float64
	last   time.Time
}

func (r *logRate) allow(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if passed := now.Sub(r.last).Seconds(); passed > 0 {
		r.tokens = min(r.rate, r.tokens+passed*r.rate)
		r.last = now
	}
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// Clean makes a guest's text safe to log and to store: valid UTF-8, no control characters.
func Clean(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x2028 && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == utf8.RuneError {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(string(text), "\uFFFD"))
}
