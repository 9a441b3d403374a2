package rollout

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
)

// What a database that is away puts off is told by the two lines of the outage alone; what puts off otherwise is a line.
func TestWhatAnOutagePutsOffIsNoLine(t *testing.T) {
	for _, c := range []struct {
		err  error
		want slog.Level
	}{
		{fmt.Errorf("write: %w", &installer.Error{Class: installer.Transient, Lost: true, Err: errors.New("unexpected EOF")}), slog.LevelDebug},
		{&installer.Error{Class: installer.Poison, Code: "42501", Err: errors.New("permission denied")}, slog.LevelWarn},
		{&installer.PoolerError{What: "two sessions share one backend of the server"}, slog.LevelWarn},
		{&UnavailableError{}, slog.LevelWarn},
	} {
		if got := laterLevel(c.err); got != c.want {
			t.Errorf("%T is a line of level %v, want %v", c.err, got, c.want)
		}
	}
}
