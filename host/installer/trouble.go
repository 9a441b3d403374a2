package installer

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
)

// troubles are what a host cannot do beside what it installs, by what it is, as long as that is so. What a database says that is
// away is none: the lanes say it. They are safe for use by several goroutines.
type troubles struct {
	mu   sync.Mutex
	said map[string]string
}

// failed notes that something cannot be done, and returns the level of its line in the log: what was said is not said again.
func (t *troubles) failed(what string, err error) slog.Level {
	e := failure(err, "connect")
	t.mu.Lock()
	defer t.mu.Unlock()
	if IsTransient(e) || e.Error() == t.said[what] {
		return slog.LevelDebug
	}
	if t.said == nil {
		t.said = map[string]string{}
	}
	t.said[what] = e.Error()
	return slog.LevelWarn
}

// over notes that something can be done.
func (t *troubles) over(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.said, what)
}

// Degraded says what an owner cannot do although it installs; empty for nothing.
func (in *Installer) Degraded() string {
	in.troubles.mu.Lock()
	defer in.troubles.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(in.troubles.said)) {
		all = append(all, what+": "+in.troubles.said[what])
	}
	return strings.Join(all, "; ")
}
