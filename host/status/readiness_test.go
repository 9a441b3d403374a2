package status

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// well is a host at t = 1000 s that does what it should.
func well() Condition {
	at := int64(1000 * time.Second)
	return Condition{
		Now: at, Phase: PhaseRunning, Asked: at, StableAt: at,
		Core: replicator.Status{LanesUp: 2, Lanes: 2, ProgressAt: at, Next: 50},
		Log:  Log{StableEnd: 50, HighWatermark: 50},
	}
}

func TestReadinessHasOneReason(t *testing.T) {
	ago := func(c *Condition, d time.Duration) int64 { return c.Now - int64(d) }
	for name, c := range map[string]struct {
		change func(*Condition)
		want   Reason // of a host that is not ready; empty is ready without a reason
		ready  Reason // of a host that is ready
	}{
		"well":                         {change: func(*Condition) {}},
		"starting":                     {change: func(c *Condition) { c.Phase = PhaseStarting }, want: "starting"},
		"a database is asked":          {change: func(c *Condition) { c.Phase, c.Looked = PhaseDatabase, ago(c, time.Second) }, want: "starting"},
		"a log is asked":               {change: func(c *Condition) { c.Phase, c.Looked = PhaseSource, ago(c, time.Second) }, want: "starting"},
		"a database that is not there": {change: func(c *Condition) { c.Phase, c.Detail, c.Looked = PhaseDatabase, "refused", ago(c, time.Second) }, want: "database_unavailable"},
		"a database that is silent":    {change: func(c *Condition) { c.Phase, c.Looked = PhaseDatabase, ago(c, 5*time.Second) }, want: "database_unavailable"},
		"reloading":                    {change: func(c *Condition) { c.Phase = PhaseReloading }, want: "reloading"},
		"lanes reconnect":              {change: func(c *Condition) { c.Core.LanesUp, c.Core.DownSince = 0, ago(c, 500*time.Millisecond) }},
		"no database": {change: func(c *Condition) {
			c.Core.LanesUp, c.Core.DownSince, c.Core.Reason = 0, ago(c, 2*time.Second), replicator.NoDatabase
		}, want: "database_unavailable"},
		"held": {change: func(c *Condition) { c.Core.Held = 1 }, want: "poison_held"},
		"held, and without a broker": {change: func(c *Condition) {
			c.Core.Held, c.Core.Reason, c.Core.ProgressAt = 1, replicator.HeldByPoison, ago(c, time.Hour)
			c.Trouble, c.TroubleAt = "reset", ago(c, 2*time.Second)
		}, want: "source_unavailable"},
		"held for an hour": {change: func(c *Condition) {
			c.Core.Held, c.Core.Reason, c.Core.ProgressAt = 1, replicator.HeldByPoison, ago(c, time.Hour)
		}, want: "poison_held"},
		"held, and another one keeps the snapshot": {change: func(c *Condition) {
			c.Core.Held, c.Core.Reason, c.Core.ProgressAt = 1, replicator.Contended, ago(c, 5*time.Second)
		}, want: "contention"},
		"held behind one without a decision": {change: func(c *Condition) { c.Core.Held, c.Core.Reason = 1, replicator.Undecided }, want: "poison_held"},
		"a backlog of hours is worked off": {change: func(c *Condition) {
			c.Core.Reason, c.Core.Since, c.Core.ProgressAt = replicator.Installing, ago(c, 3*time.Hour), ago(c, time.Second)
		}},
		"a group that never ends": {change: func(c *Condition) {
			c.Core.Reason, c.Core.ProgressAt = replicator.Installing, ago(c, 5*time.Second)
		}, want: "installing"},
		"contention": {change: func(c *Condition) {
			c.Core.Reason, c.Core.ProgressAt = replicator.Contended, ago(c, 5*time.Second)
		}, want: "contention"},
		"nothing due":                     {change: func(c *Condition) { c.Core.ProgressAt = ago(c, 5*time.Second) }},
		"a fetch failed":                  {change: func(c *Condition) { c.Trouble, c.TroubleAt = "reset", ago(c, 100*time.Millisecond) }},
		"fetches fail":                    {change: func(c *Condition) { c.Trouble, c.TroubleAt = "reset", ago(c, 2*time.Second) }, want: "source_unavailable"},
		"no answer":                       {change: func(c *Condition) { c.Asked = ago(c, 5*time.Second) }, want: "source_unavailable"},
		"open transaction":                {change: func(c *Condition) { c.Log.HighWatermark, c.StableAt = 70, ago(c, 5*time.Second) }, want: "open_transaction"},
		"open transactions of a busy log": {change: func(c *Condition) { c.Log.HighWatermark, c.StableAt = 70, ago(c, time.Second) }},
		"open transaction far ahead": {change: func(c *Condition) {
			c.Log.StableEnd, c.Log.HighWatermark, c.StableAt = 9000, 9999, ago(c, 5*time.Second)
		}},
		"undecided for a moment": {change: func(c *Condition) { c.Core.Reason, c.Core.Since = replicator.Undecided, ago(c, time.Second) }},
		"undecided":              {change: func(c *Condition) { c.Core.Reason, c.Core.Since = replicator.Undecided, ago(c, time.Minute) }, ready: "undecided"},
		"undecided for too long": {change: func(c *Condition) { c.Core.Reason, c.Core.Since = replicator.Undecided, ago(c, 3*time.Minute) }, want: "undecided"},
	} {
		t.Run(name, func(t *testing.T) {
			cond := well()
			c.change(&cond)
			r := cond.Judge(2 * time.Minute)
			if r.Ready != (c.want == "") || (r.Reason != c.want && r.Reason != c.ready) {
				t.Errorf("%+v, want reason %q", r, c.want)
			}
		})
	}
}

// A batch that the core takes long for, a pause of reading too, is no silence of the log: it has not been asked.
func TestTheTimeForABatchIsNotTheLogs(t *testing.T) {
	h := NewHealth(time.Minute, slog.New(slog.DiscardHandler))
	later := func() Readiness {
		c := h.c
		c.Core.LanesUp, c.Now = 1, Now()+int64(time.Minute)
		return c.Judge(2 * time.Minute)
	}
	h.Enter(PhaseRunning, "")
	h.SourceAsked()
	if r := later(); r.Reason != SourceUnavailable {
		t.Errorf("asked a minute ago it is %+v", r)
	}
	h.SourceAnswered(Log{StableEnd: 9, HighWatermark: 9})
	if r := later(); !r.Ready {
		t.Errorf("answered a minute ago it is %+v", r)
	}
	h.SourceAsked()
	if r := later(); r.Reason != SourceUnavailable {
		t.Errorf("asked again a minute ago it is %+v", r)
	}
}

// An outage is one line at its beginning and one at its end, whatever it is seen by meanwhile.
func TestAnOutageIsTwoLines(t *testing.T) {
	var lines bytes.Buffer
	h := NewHealth(time.Minute, slog.New(slog.NewTextHandler(&lines, nil)))
	h.Enter(PhaseRunning, "")
	up := replicator.Status{LanesUp: 1}
	down := replicator.Status{DownSince: Now() - int64(2*time.Second), Reason: replicator.NoDatabase}
	stands := replicator.Status{LanesUp: 1, Reason: replicator.Installing, ProgressAt: Now() - int64(time.Minute)}
	outages := func(want bool) {
		t.Helper()
		if got, ended := h.Outage(); got != want || (ended == 0) != (strings.Count(lines.String(), "\n") < 2) {
			t.Errorf("an outage %v that ended at %d, want %v, after\n%s", got, ended, want, &lines)
		}
	}
	shows := func(s replicator.Status) {
		for range 10 {
			h.Show(s)
			h.otherAt -= int64(steadyFor)
		}
	}
	shows(up)
	outages(false)
	shows(down)
	outages(true)
	shows(stands)
	outages(true)
	shows(up)
	outages(false)
	if got := lines.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "reason=database_unavailable") || !strings.Contains(got, "progress goes on") || !strings.Contains(got, "reason=install") {
		t.Errorf("want two lines, got\n%s", got)
	}
	held := replicator.Status{LanesUp: 1, Held: 1}
	lines.Reset()
	shows(held)
	if on, _ := h.Outage(); on {
		t.Error("a version that is held is no outage: what ails the database is heard beside it")
	}
	shows(down)
	shows(held)
	if got := lines.String(); strings.Count(got, "level=WARN") != 3 {
		t.Errorf("want a line for the held version, the database, and the version again, got\n%s", got)
	}
}

// A database that is back is no progress yet while something waits to be installed: that ends the outage.
func TestAnOutageEndsWithProgress(t *testing.T) {
	var lines bytes.Buffer
	h := NewHealth(time.Minute, slog.New(slog.NewTextHandler(&lines, nil)))
	h.Enter(PhaseRunning, "")
	waits := replicator.Status{Reason: replicator.Installing, DownSince: Now() - int64(2*time.Second), ProgressAt: Now() - int64(2*time.Second)}
	h.Show(waits)
	waits.LanesUp = 1
	h.Show(waits)
	if r, _ := h.Readiness(); r.Ready || strings.Count(lines.String(), "\n") != 1 {
		t.Errorf("it is %+v before anything was installed, and the log is\n%s", r, &lines)
	}
	waits.ProgressAt = Now() + 1
	h.Show(waits)
	if r, _ := h.Readiness(); !r.Ready || strings.Count(lines.String(), "\n") != 2 {
		t.Errorf("it is %+v after something was installed, and the log is\n%s", r, &lines)
	}
}

// A host that stands by says when it cannot read the log, and when it can again.
func TestAnOutageWhileStandingByIsTwoLines(t *testing.T) {
	var lines bytes.Buffer
	h := NewHealth(time.Minute, slog.New(slog.NewTextHandler(&lines, nil)))
	looks := func() {
		for range 10 {
			h.Waits(Tail{})
			h.Enter(PhaseStandby, "another owns the cohort")
		}
	}
	looks()
	h.SourceFailed("reset")
	h.c.TroubleAt -= int64(2 * time.Second)
	looks()
	h.SourceAnswered(Log{})
	looks()
	if got := lines.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "reason=source_unavailable") || !strings.Contains(got, "progress goes on") {
		t.Errorf("want two lines, got\n%s", got)
	}
}

// Whatever the core can give as its reason has a sentence, and a word stands in the list once.
func TestEveryReasonIsExplained(t *testing.T) {
	explained := map[Reason]bool{}
	for _, e := range Explained {
		if explained[e.Reason] || e.Sentence == "" || e.Remedy == "" {
			t.Errorf("%q stands twice or says nothing", e.Reason)
		}
		explained[e.Reason] = true
	}
	for _, r := range replicator.Reasons {
		if r != replicator.Progressing && !explained[Reason(r)] {
			t.Errorf("%q is a reason of the core and is not explained", r)
		}
	}
	for _, p := range AllPhases {
		if p != PhaseRunning && !explained[Reason(p)] {
			t.Errorf("%q is a phase and is not explained", p)
		}
	}
}
