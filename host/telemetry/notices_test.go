package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// However many versions are held, a second has one line about them, and other kinds are heard beside it.
func TestHeldVersionsAreALineASecond(t *testing.T) {
	var out bytes.Buffer
	at := time.Unix(1000, 0)
	n := Notices{Log: slog.New(slog.NewTextHandler(&out, nil)), Limit: &Limiter{now: func() time.Time { return at }}}
	for i := range 5000 {
		n.Write(at.UnixNano(), &replicator.Notice{Kind: replicator.HeldVersion, Version: talos.Version(i), Failure: replicator.Failure{Kind: replicator.KindGuestReject, Detail: "a row"}})
		at = at.Add(time.Millisecond)
	}
	n.Write(at.UnixNano(), &replicator.Notice{Kind: replicator.ConflictOutcome, Version: 1})
	got := out.String()
	if held := strings.Count(got, "cannot be installed"); held != 5 || strings.Count(got, "contradict each other") != 1 {
		t.Errorf("%d lines about 5000 held versions of five seconds, want 5:\n%s", held, got)
	}
	for _, want := range []string{"version=0 ", "version=1000 ", "version=4000 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no line says %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "a row") {
		t.Errorf("the log has what is for the quarantine alone:\n%s", got)
	}
}

func TestLimiterIsByKindAndSecond(t *testing.T) {
	at := time.Unix(1000, 0)
	l := Limiter{now: func() time.Time { return at }}
	for i, c := range []struct {
		kind  string
		after time.Duration
		want  bool
	}{{"a", 0, true}, {"a", 0, false}, {"b", 0, true}, {"a", 999 * time.Millisecond, false}, {"a", time.Millisecond, true}, {"b", 0, true}, {"b", 0, false}} {
		at = at.Add(c.after)
		if got := l.Allow(c.kind); got != c.want {
			t.Errorf("%d: %q is allowed: %v", i, c.kind, got)
		}
	}
}
