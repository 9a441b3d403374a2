package status

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// Health is what the goroutines of a host know of its condition. NewHealth makes one; it is safe for
// use by all of them.
type Health struct {
	log     *slog.Logger
	overdue time.Duration // how long a candidate may be undecided

	mu      sync.Mutex
	c       Condition
	shown   Readiness // the last verdict of the core's goroutine
	other   Reason    // that is true now and not shown yet
	otherAt int64     // ns, since when
	logged  int64     // ns, when the outage began that was logged
	waiting bool      // and it is not over
	broken  bool      // what is shown is an outage of the log or the database
	mended  int64     // ns, when the last of these ended; 0 for never
}

// NewHealth returns the health of a host that starts.
func NewHealth(overdue time.Duration, log *slog.Logger) *Health {
	return &Health{log: log, overdue: overdue, c: Condition{Phase: PhaseStarting}}
}

// Enter notes the phase that the host is in now, and its detail for people.
func (h *Health) Enter(p Phase, detail string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p != h.c.Phase {
		h.c.Asked, h.c.StableAt, h.c.Trouble, h.c.Tail = 0, Now(), "", Tail{}
		if p == PhaseStandby || p == PhaseUnowned { // what the core knew is another host's by now
			h.c.Core = replicator.Status{}
			h.shown, h.other, h.waiting, h.broken = Readiness{}, "", false, false
		}
	}
	h.c.Phase, h.c.Detail, h.c.Looked = p, detail, Now()
}

// Waits notes what a host that stands by holds of the log, and says in one line each when it cannot read it and when it
// can again. The database it asks itself, and says so. Only the goroutine that stands by calls it.
func (h *Health) Waits(t Tail) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.Tail = t
	if h.c.Phase == PhaseStandby {
		h.c.Looked, h.c.Now = Now(), Now()
		h.say()
	}
}

// SourceFailed notes that the log could not be read, and why.
func (h *Health) SourceFailed(trouble string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.c.Trouble == "" {
		h.c.TroubleAt = Now()
	}
	h.c.Trouble = trouble
}

// SourceAsked notes that from now on an answer of the log is waited for.
func (h *Health) SourceAsked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.Asked = Now()
}

// SourceAnswered notes that the log answered, and how far it reaches; it is not asked again until SourceAsked.
func (h *Health) SourceAnswered(l Log) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.Trouble, h.c.Asked = "", 0
	if l.StableEnd != h.c.Log.StableEnd || l.StableEnd >= l.HighWatermark {
		h.c.StableAt = Now()
	}
	h.c.Log = l
}

// Show notes the core's status, and says in one line when progress ends and when it goes on. Only the
// core's goroutine calls it.
func (h *Health) Show(s replicator.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.Core = s
	h.c.Now = Now()
	if h.c.Phase == PhaseRunning {
		h.say()
	}
}

// say judges, and logs what begins or ends by the verdict.
func (h *Health) say() {
	was := h.shown.Reason
	r, changed := h.verdict()
	if broken := !r.Ready && r.Reason.breaks(); broken != h.broken {
		h.broken = broken
		if !broken {
			h.mended = h.c.Now
		}
	}
	switch {
	case !changed:
	case !r.Ready:
		level := slog.LevelWarn
		if h.waiting && was.breaks() && r.Reason.breaks() { // the same outage as seen from elsewhere
			level = slog.LevelDebug
		}
		if !h.waiting {
			h.logged = h.c.Now
		}
		h.waiting = true
		h.log.Log(context.Background(), level, "no progress", "reason", r.Reason, "detail", r.Detail)
	case h.waiting:
		h.log.Info("progress goes on", "after", h.c.since(h.logged).Round(time.Millisecond), "reason", was)
		h.waiting = false
	}
}

// Outage reports whether an outage of the log or the database was logged and goes on, and when the last one ended, by
// Now; 0 for never.
func (h *Health) Outage() (goesOn bool, ended int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broken, h.mended
}

// steadyFor is how long another reason must hold before it takes the place of the one that is shown:
// a database that comes and goes is one outage with one reason.
const steadyFor = 2 * time.Second

// verdict judges the condition, and reports whether the reason is another one than before. While a
// host is not ready its reason stays until another has held for a while.
func (h *Health) verdict() (r Readiness, changed bool) {
	r = h.c.Judge(h.overdue)
	switch {
	case r.Ready && h.c.Phase == PhaseRunning && h.stands(): // it flaps else: a connection is no progress yet
		return h.shown, false
	case r.Ready || h.shown.Ready || h.shown.Reason == "" || h.c.Phase != PhaseRunning || r.Reason == h.shown.Reason:
		h.other = ""
	case r.Reason != h.other:
		h.other, h.otherAt = r.Reason, h.c.Now
		return h.shown, false
	case h.c.since(h.otherAt) < steadyFor:
		return h.shown, false
	}
	changed = r.Ready != h.shown.Ready || (!r.Ready && r.Reason != h.shown.Reason)
	h.shown = r
	return r, changed
}

// stands reports whether nothing has moved since an outage was logged, although something waits to.
func (h *Health) stands() bool {
	core := &h.c.Core
	return h.waiting && h.shown.Reason.breaks() && core.Reason != replicator.Progressing && core.Reason != replicator.Undecided && core.ProgressAt <= h.logged
}

// Readiness returns the verdict as of now, and the condition that it is about.
func (h *Health) Readiness() (Readiness, Condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.c.Now = Now()
	// What it changes is taken back: the core's goroutine alone moves on, and logs that it does.
	shown, other, at := h.shown, h.other, h.otherAt
	r, _ := h.verdict()
	h.shown, h.other, h.otherAt = shown, other, at
	return r, h.c
}

// began is when the process was, by its wall clock.
var began = time.Now()

// Now is the clock of instants: nanoseconds since the Unix epoch by the wall clock as it was when the
// process began. From there on it goes on evenly: a wall clock that is set back by an hour must not put
// off the core's deadlines by an hour.
func Now() int64 { return At(time.Now()) }

// At returns an instant that time.Now gave, as Now would have returned it then.
func At(t time.Time) int64 { return began.UnixNano() + int64(t.Sub(began)) }
