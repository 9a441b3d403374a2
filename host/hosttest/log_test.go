package hosttest

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
)

// noted is a test that notes how it was failed.
type noted struct {
	testing.TB
	errors []string
}

// Errorf implements testing.TB.
func (n *noted) Errorf(format string, args ...any) {
	n.errors = append(n.errors, fmt.Sprintf(format, args...))
}

func TestAKeyTwiceInALineFails(t *testing.T) {
	tb := &noted{TB: t}
	log := slog.New(Once(tb, slog.NewTextHandler(t.Output(), nil)))
	log.Info("plain", "a", 1, "b", 2)
	log.With("a", 1).Info("with", "b", 2)
	log.With("component", "kafka").With("topic", "t").With("component", "host")
	log.With("a", 1).Info("given and said", "a", 2)
	log.Info("said twice", "a", 1, "a", 2)
	log.Info("said twice", "a", 1, "a", 2)
	log.Info("a name of the handler's own", "msg", 1)
	log.With("a", 1).WithGroup("g").Info("grouped", "a", 2)
	want := []string{
		`the log: what is given to each line has the key "component" twice`, `the log: the line "given and said" has the key "a" twice`,
		`the log: the line "said twice" has the key "a" twice`, `the log: the line "a name of the handler's own" has the key "msg" twice`,
	}
	if !slices.Equal(tb.errors, want) {
		t.Errorf("it fails with\n%q, want\n%q", tb.errors, want)
	}
}
