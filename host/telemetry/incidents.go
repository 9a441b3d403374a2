package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// incidentWait is how long it is open whether an incident is a part of an outage: an outage is said within five seconds of
// its beginning, and what it left is found within as long of its end.
const incidentWait = 6 * time.Second

// Incidents logs what may be a part of an outage of the log or the database, whose two lines say it all: each incident at
// debug when it happens, and in a line of its own, of each kind one, only when no outage has begun by incidentWait later.
// Its methods may be called from any goroutine.
type Incidents struct {
	log    *slog.Logger
	outage func() (goesOn bool, ended int64) // ended is when the last one did, by the clock of Settle; 0 for never

	mu    sync.Mutex
	kinds []*incident // oldest first
}

// incident is what happened of one kind and has no line yet.
type incident struct {
	since, last int64 // ns
	times       int
	level       slog.Level
	text        string
	args        []any // the newest
}

// NewIncidents returns incidents of that log.
func NewIncidents(log *slog.Logger, outage func() (goesOn bool, ended int64)) *Incidents {
	return &Incidents{log: log, outage: outage}
}

// Say notes that something happened at an instant, in a line that one of its kind has.
func (s *Incidents) Say(at int64, level slog.Level, text string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kinds, func(k *incident) bool { return k.text == text })
	if i < 0 {
		i = len(s.kinds)
		s.kinds = append(s.kinds, &incident{since: at, level: level, text: text})
	}
	k := s.kinds[i]
	if k.times == 0 || at-k.last >= int64(logEvery) {
		s.log.Debug(text, args...) //nolint:sloglint // who says it has a constant
		k.last = at
	}
	k.times, k.args = k.times+1, args
}

// Settle logs what is no part of an outage by now, and forgets what is. all is for the end, when nothing is waited for.
func (s *Incidents) Settle(now int64, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kinds) == 0 {
		return
	}
	goesOn, ended := s.outage()
	s.kinds = slices.DeleteFunc(s.kinds, func(k *incident) bool {
		switch {
		case goesOn, ended != 0 && k.since-ended < int64(incidentWait):
			return true
		case !all && now-k.since < int64(incidentWait):
			return false
		}
		s.log.Log(context.Background(), k.level, k.text, append(slices.Clone(k.args), "times", k.times)...) //nolint:sloglint // as above
		return true
	})
}
