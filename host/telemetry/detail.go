package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// detailRate is how many lines a second of each kind detail writes.
const detailRate = 10

// Detail logs at debug what each batch of the log, call of a guest and group was like: which
// versions, how many, how long; never what a row holds. Its methods may be called from any
// goroutine, and cost nothing unless the log takes debug.
type Detail struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*second
}

// second is the second that a kind's newest line falls into.
type second struct {
	begun time.Time
	lines int // of this second
	left  int // lines that were left out since the last one
}

// NewDetail returns a detail of that log.
func NewDetail(log *slog.Logger) *Detail {
	return &Detail{log: log, now: time.Now, kinds: make(map[string]*second)}
}

// Wanted reports whether the log takes debug: whoever has to reckon for a line asks first.
func (d *Detail) Wanted() bool { return d.log.Enabled(context.Background(), slog.LevelDebug) }

// Say logs a line of a kind, as the attribute of, unless this second has enough of them; the next
// line then says how many were left out.
func (d *Detail) Say(kind string, args ...any) {
	if !d.Wanted() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.kinds[kind]
	if s == nil {
		s = &second{}
		d.kinds[kind] = s
	}
	if now := d.now(); now.Sub(s.begun) >= time.Second {
		s.begun, s.lines = now, 0
	}
	if s.lines++; s.lines > detailRate {
		s.left++
		return
	}
	if s.left > 0 {
		args = append(args[:len(args):len(args)], "left_out_before", s.left)
		s.left = 0
	}
	d.log.Debug("detail", append([]any{"of", kind}, args...)...)
}
