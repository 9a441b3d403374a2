package telemetry

import (
	"sync"
	"time"
)

// logEvery is how often a repeated message of one kind is logged.
const logEvery = time.Second

// Limiter bounds how often a repeated message is logged. The zero value is ready; it is safe for use
// by several goroutines.
type Limiter struct {
	now    func() time.Time // nil for the clock of the machine
	mu     sync.Mutex
	logged map[string]time.Time // by kind: when it was last
}

// Allow reports whether a message of that kind may be logged now: once a second.
func (l *Limiter) Allow(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now
	if l.now != nil {
		now = l.now
	}
	at := now()
	if at.Sub(l.logged[kind]) < logEvery {
		return false
	}
	if l.logged == nil {
		l.logged = map[string]time.Time{}
	}
	l.logged[kind] = at
	return true
}
