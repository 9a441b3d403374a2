package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestDetailIsBounded: ten lines a second of each kind, and the next tells what was left out.
func TestDetailIsBounded(t *testing.T) {
	var out bytes.Buffer
	at := time.Unix(1000, 0)
	d := NewDetail(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	d.now = func() time.Time { return at }
	for i := range 100 {
		d.Say("converted", "version", i)
	}
	d.Say("installed", "version", 1)
	if n := strings.Count(out.String(), "\n"); n != detailRate+1 {
		t.Errorf("%d lines, want %d and one of another kind:\n%s", n, detailRate, out.String())
	}
	at = at.Add(time.Second)
	out.Reset()
	d.Say("converted", "version", 100)
	d.Say("converted", "version", 101)
	if got := out.String(); strings.Count(got, "left_out_before=90") != 1 || strings.Count(got, "\n") != 2 {
		t.Errorf("the next second says %s", got)
	}
}

func TestDetailIsSilentAtInfo(t *testing.T) {
	var out bytes.Buffer
	d := NewDetail(slog.New(slog.NewTextHandler(&out, nil)))
	d.Say("converted", "version", 1)
	if d.Wanted() || out.Len() > 0 {
		t.Errorf("it says %s", out.String())
	}
}
