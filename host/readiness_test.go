package host

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// well is a host at t = 1000 s that does what it should.
func well() condition {
	at := int64(1000 * time.Second)
	return condition{
		now: at, phase: PhaseRunning, answered: at, stableAt: at,
		core:  replicator.Status{LanesUp: 2, Lanes: 2, ProgressAt: at, Next: 50},
		batch: kafka.Batch{StableEnd: 50, HighWatermark: 50},
	}
}

func TestReadinessHasOneReason(t *testing.T) {
	ago := func(c *condition, d time.Duration) int64 { return c.now - int64(d) }
	for name, c := range map[string]struct {
		change func(*condition)
		want   Reason // of a host that is not ready; empty is ready without a reason
		ready  Reason // of a host that is ready
	}{
		"well":            {change: func(*condition) {}},
		"starting":        {change: func(c *condition) { c.phase = PhaseStarting }, want: "starting"},
		"reloading":       {change: func(c *condition) { c.phase = PhaseReloading }, want: "reloading"},
		"lanes reconnect": {change: func(c *condition) { c.core.LanesUp, c.core.DownSince = 0, ago(c, 500*time.Millisecond) }},
		"no database": {change: func(c *condition) {
			c.core.LanesUp, c.core.DownSince, c.core.Reason = 0, ago(c, 2*time.Second), replicator.NoDatabase
		}, want: "database_unavailable"},
		"held": {change: func(c *condition) { c.core.Held = 1 }, want: "poison_held"},
		"a backlog of hours is worked off": {change: func(c *condition) {
			c.core.Reason, c.core.Since, c.core.ProgressAt = replicator.Installing, ago(c, 3*time.Hour), ago(c, time.Second)
		}},
		"a group that never ends": {change: func(c *condition) {
			c.core.Reason, c.core.ProgressAt = replicator.Installing, ago(c, 5*time.Second)
		}, want: "installing"},
		"contention": {change: func(c *condition) {
			c.core.Reason, c.core.ProgressAt = replicator.Contended, ago(c, 5*time.Second)
		}, want: "contention"},
		"nothing due":                     {change: func(c *condition) { c.core.ProgressAt = ago(c, 5*time.Second) }},
		"a fetch failed":                  {change: func(c *condition) { c.trouble, c.troubleAt = errors.New("reset"), ago(c, 100*time.Millisecond) }},
		"fetches fail":                    {change: func(c *condition) { c.trouble, c.troubleAt = errors.New("reset"), ago(c, 2*time.Second) }, want: "source_unavailable"},
		"no answer":                       {change: func(c *condition) { c.answered = ago(c, 5*time.Second) }, want: "source_unavailable"},
		"paused":                          {change: func(c *condition) { c.answered, c.core.Paused = ago(c, 5*time.Second), true }},
		"open transaction":                {change: func(c *condition) { c.batch.HighWatermark, c.stableAt = 70, ago(c, 5*time.Second) }, want: "open_transaction"},
		"open transactions of a busy log": {change: func(c *condition) { c.batch.HighWatermark, c.stableAt = 70, ago(c, time.Second) }},
		"open transaction far ahead": {change: func(c *condition) {
			c.batch.StableEnd, c.batch.HighWatermark, c.stableAt = 9000, 9999, ago(c, 5*time.Second)
		}},
		"undecided for a moment": {change: func(c *condition) { c.core.Reason, c.core.Since = replicator.Undecided, ago(c, time.Second) }},
		"undecided":              {change: func(c *condition) { c.core.Reason, c.core.Since = replicator.Undecided, ago(c, time.Minute) }, ready: "undecided"},
		"undecided for too long": {change: func(c *condition) { c.core.Reason, c.core.Since = replicator.Undecided, ago(c, 3*time.Minute) }, want: "undecided"},
	} {
		t.Run(name, func(t *testing.T) {
			cond := well()
			c.change(&cond)
			r := cond.judge(2 * time.Minute)
			if r.Ready != (c.want == "") || (r.Reason != c.want && r.Reason != c.ready) {
				t.Errorf("%+v, want reason %q", r, c.want)
			}
		})
	}
}

// An outage is one line at its beginning and one at its end.
func TestAnOutageIsTwoLines(t *testing.T) {
	var lines bytes.Buffer
	h := health{log: slog.New(slog.NewTextHandler(&lines, nil)), overdue: time.Minute}
	h.phase(PhaseRunning, "")
	up := replicator.Status{LanesUp: 1}
	down := replicator.Status{DownSince: now() - int64(2*time.Second), Reason: replicator.NoDatabase}
	for range 10 {
		h.show(up)
	}
	for range 10 {
		h.show(down)
	}
	for range 10 {
		h.show(up)
	}
	if got := lines.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "reason=database_unavailable") || !strings.Contains(got, "progress goes on") {
		t.Errorf("want two lines, got\n%s", got)
	}
}

func TestResumePoint(t *testing.T) {
	var gap *LogGapError
	var truncated *kafka.TruncatedError
	var diverged *kafka.DivergedError
	for name, c := range map[string]struct {
		state installer.State
		facts kafka.Facts
		start StartPolicy
		want  talos.Position
		err   any
	}{
		"a new cohort":                   {facts: kafka.Facts{End: 9}},
		"a new cohort, late":             {facts: kafka.Facts{Start: 5, End: 9}, err: &gap},
		"a new cohort, accepted":         {facts: kafka.Facts{Start: 5, End: 9}, start: StartEarliest, want: 5},
		"left before":                    {state: installer.State{Snapshot: 3, Resume: 7, HasResume: true}, facts: kafka.Facts{End: 9}, want: 7},
		"served by the reference":        {state: installer.State{Snapshot: 3}, facts: kafka.Facts{End: 9}, want: 4},
		"the log starts above":           {state: installer.State{Resume: 7, HasResume: true}, facts: kafka.Facts{Start: 8, End: 9}, err: &truncated},
		"the log ends below":             {state: installer.State{Resume: 7, HasResume: true}, facts: kafka.Facts{End: 6}, err: &diverged},
		"the log ends where it was left": {state: installer.State{Resume: 7, HasResume: true}, facts: kafka.Facts{Start: 7, End: 7}, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := resumePoint(&c.state, &c.facts, c.start)
			if c.err != nil {
				if !errors.As(err, c.err) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%d, %v; want %d", got, err, c.want)
			}
		})
	}
	// Both right numbers, and what to do next.
	text := (&kafka.TruncatedError{Asked: 7, Start: 8}).Error()
	for _, part := range []string{"position 7", "starts at 8", "ichor db adopt --resume 8"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

func TestAnchor(t *testing.T) {
	kept := talos.Anchor{Position: 4, Hash: 1}
	if err := checkAnchor(kept, kept, true, 9); err != nil {
		t.Error(err)
	}
	if err := checkAnchor(kept, talos.NoAnchor, false, 9); err != nil {
		t.Error("retention took the record:", err)
	}
	var diverged *kafka.DivergedError
	if err := checkAnchor(kept, talos.Anchor{Position: 4, Hash: 2}, true, 9); !errors.As(err, &diverged) {
		t.Error(err)
	}
}
