package hosttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEnvironmentLeavesOutSettings(t *testing.T) {
	got := environment([]string{"PATH=/bin", "KAFKA_TOPIC=x", "COHORT_PG_HOST=y", "HOME=/"})
	if strings.Join(got, " ") != "PATH=/bin HOME=/" {
		t.Errorf("got %v", got)
	}
}

func TestProcessThatWillNotEndIsKilled(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Launch(log, "/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done")
	if err != nil {
		t.Fatal(err)
	}
	Until(t, func() bool { text, _ := os.ReadFile(log); return len(text) > 0 }, func() string { return "the process says nothing" })
	if err := p.stop(10 * time.Millisecond); err == nil || p.Running() {
		t.Errorf("stop: %v, running: %v", err, p.Running())
	}
	if _, err := Launch(log, "/nowhere/ichor"); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestProcessThatEndsByItselfIsToldOnce(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := Launch(log, "/bin/sh", "-c", "echo its last words; exit 7")
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := p.Ready(t.Context(), "127.0.0.1:1", time.Minute); err == nil || !strings.Contains(err.Error(), "ended by itself: exit status 7") || !strings.Contains(err.Error(), "its last words") {
		t.Errorf("waiting for it: %v", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("it is told again: %v", err)
	}
	if p, err = Launch(log, "/bin/true"); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 0") {
		t.Errorf("a host that ended unasked: %v", err)
	}
}

func TestHowAProcessEnded(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for script, want := range map[string]string{"exit 3": "3 signaled: false", "kill -TERM $$": "-1 signaled: true"} {
		p, err := Launch(log, "/bin/sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		how, err := p.Ended(t.Context(), time.Minute)
		if got := fmt.Sprintf("%d signaled: %v", how.ExitStatus(), how.Signaled()); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", script, got, err, want)
		}
		if err := p.Stop(); err != nil {
			t.Errorf("%s: it is told again: %v", script, err)
		}
	}
	p, err := Launch(log, "/bin/sh", "-c", "sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Ended(t.Context(), time.Millisecond); err == nil || !strings.Contains(err.Error(), "has not ended within 1ms") {
		t.Errorf("of one that runs: %v", err)
	}
	p.Kill()
}

func TestProcessThatIsNotReady(t *testing.T) {
	p, err := Launch(filepath.Join(t.TempDir(), "log"), "/bin/sh", "-c", "sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context(), "127.0.0.1:1", 30*time.Millisecond); err == nil || !strings.Contains(err.Error(), "is not ready after") {
		t.Errorf("waiting for it: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Ready(ctx, "127.0.0.1:1", time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	p.Kill()
	if p.Running() {
		t.Error("it runs on")
	}
}

func TestRunTellsWhatWasSaid(t *testing.T) {
	t.Setenv("KAFKA_TOPIC", "not for the host")
	state, said, err := Run(t.Context(), "/bin/sh", "-c", "echo it said$KAFKA_TOPIC; echo why >&2; exit 2")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.HasSuffix(err.Error(), "exit status 2: it said: why") || string(said) != "it said\n" {
		t.Errorf("it said %q, %v", said, err)
	}
	if peak := PeakMiB(state); peak <= 0 || peak > 1000 {
		t.Errorf("its peak is %v MiB", peak)
	}
}
