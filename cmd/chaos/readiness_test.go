package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
)

// watched is a readiness that is told what is seen, every 100 ms of a clock of its own.
type watched struct {
	readiness
	now time.Time
}

func watch(reasons ...status.Reason) *watched {
	w := &watched{now: time.Unix(1000, 0)}
	w.begin(&fault{name: "it", reasons: reasons}, w.now)
	return w
}

// sees goes on for a time in which the snapshot and what is decided stay the same.
func (w *watched) sees(d time.Duration, snapshot, decided int64, answers ...answer) *watched {
	for end := w.now.Add(d); w.now.Before(end); {
		begun := w.now
		w.now = w.now.Add(100 * time.Millisecond)
		w.judge(&look{begun: begun, ended: w.now, snapshot: snapshot, decided: decided, answers: answers})
	}
	return w
}

var (
	ready   = answer{answered: true, Ready: true}
	standby = answer{answered: true, Ready: true, Reason: status.Standby}
	silent  = answer{}
)

func says(reason status.Reason) answer { return answer{answered: true, Reason: reason} }

func TestAStandstillIsExplained(t *testing.T) {
	down, installing := says(status.DatabaseUnavailable), says(status.Installing)
	for name, c := range map[string]struct {
		seen  *watched
		want  string // of the error; empty is none
		said  string
		first time.Duration
	}{
		"it goes on":                   {seen: watch().sees(4*time.Second, 7, 9, ready).sees(4*time.Second, 8, 9, ready)},
		"nothing decided waits":        {seen: watch().sees(time.Minute, 9, 9, ready)},
		"it stands for the allowance":  {seen: watch().sees(7*time.Second, 7, 9, ready)},
		"it is ready and stands":       {seen: watch().sees(8*time.Second, 7, 9, ready), want: "nobody says why: 1 of 1 hosts answer"},
		"it does not answer":           {seen: watch().sees(8*time.Second, 7, 9, silent), want: "nobody says why: 0 of 1 hosts answer"},
		"nobody owns it":               {seen: watch().sees(8*time.Second, 7, 9, standby, standby), want: "nobody says why: 2 of 2"},
		"it stands without a database": {seen: watch().sees(time.Second, 7, 9, ready).sees(8*time.Second, 0, 9, ready), want: "the snapshot is 7 and does not move"},
		"one of two says why":          {seen: watch(status.DatabaseUnavailable).sees(time.Minute, 7, 9, standby, down), said: "[database_unavailable]"},
		"it says why in time":          {seen: watch(status.DatabaseUnavailable).sees(5*time.Second, 7, 9, ready).sees(time.Minute, 7, 9, down), said: "[database_unavailable]", first: 4900 * time.Millisecond},
		"it says why too late":         {seen: watch(status.DatabaseUnavailable).sees(9*time.Second, 7, 9, ready).sees(time.Second, 7, 9, down), want: "nobody says why", said: "[database_unavailable]", first: 8900 * time.Millisecond},
		"it says why, and no longer":   {seen: watch(status.DatabaseUnavailable).sees(time.Second, 7, 9, down).sees(8*time.Second, 7, 9, ready), want: "nobody says why", said: "[database_unavailable]"},
		"it flaps":                     {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, ready).sees(time.Second, 7, 9, down), want: "it flaps: the snapshot is 7", said: "[database_unavailable]"},
		"it flaps to another reason": {seen: watch(status.DatabaseUnavailable, status.Installing).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, ready).sees(time.Second, 7, 9, installing),
			want: "it flaps: the snapshot is 7", said: "[database_unavailable installing]"},
		"something goes between":                   {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, ready).sees(time.Second, 8, 9, down), said: "[database_unavailable]"},
		"it went just before it was ready":         {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(time.Second, 8, 9, ready).sees(time.Second, 8, 9, down), said: "[database_unavailable]"},
		"it has not heard yet that something went": {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(900*time.Millisecond, 8, 9, down).sees(time.Second, 8, 9, ready).sees(time.Second, 8, 9, down), said: "[database_unavailable]"},
		"nobody knows whether something went":      {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, ready).sees(time.Second, 0, 9, down).sees(time.Second, 8, 9, down), said: "[database_unavailable]"},
		"nobody knew, and nothing went": {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, ready).sees(time.Second, 0, 9, down).sees(time.Second, 7, 9, down),
			want: "it flaps", said: "[database_unavailable]"},
		"another one says why meanwhile":  {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down, standby).sees(time.Second, 7, 9, standby, down), said: "[database_unavailable]"},
		"it starts anew between":          {seen: watch(status.DatabaseUnavailable, status.Starting).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, says(status.Starting)).sees(time.Second, 7, 9, ready).sees(time.Second, 7, 9, down), said: "[database_unavailable starting]"},
		"it is gone between":              {seen: watch(status.DatabaseUnavailable).sees(2*time.Second, 7, 9, down).sees(time.Second, 7, 9, silent).sees(time.Second, 7, 9, ready).sees(time.Second, 7, 9, down), said: "[database_unavailable]"},
		"it says something else":          {seen: watch(status.Contended).sees(time.Second, 7, 9, down), want: "a host says database_unavailable, and that is none", said: "[database_unavailable]"},
		"it says so with nothing to do":   {seen: watch().sees(time.Second, 9, 9, down), want: "a host says database_unavailable", said: "[database_unavailable]"},
		"it is slow for a moment":         {seen: watch().sees(5*time.Second, 7, 9, ready).sees(time.Second, 7, 9, installing), said: "[installing]", first: 4900 * time.Millisecond},
		"it is slow, and that is not it":  {seen: watch().sees(5*time.Second, 7, 9, ready).sees(4*time.Second, 7, 9, installing), want: "a host says installing", said: "[installing]", first: 4900 * time.Millisecond},
		"the snapshot goes back":          {seen: watch().sees(6*time.Second, 7, 9, ready).sees(6*time.Second, 5, 9, ready)},
		"another one is soon decided":     {seen: watch().sees(6*time.Second, 7, 7, ready).sees(6*time.Second, 7, 9, ready)},
		"both reasons are in their order": {seen: watch(status.Contended, status.DatabaseUnavailable).sees(time.Second, 9, 9, down).sees(time.Second, 9, 9, says(status.Contended)), said: "[database_unavailable contention]"},
	} {
		t.Run(name, func(t *testing.T) {
			said, first, err := c.seen.end()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if got := fmt.Sprint(said); got != c.said && (len(said) > 0 || c.said != "") {
				t.Errorf("said %s, want %s", got, c.said)
			}
			if first != c.first {
				t.Errorf("the first after %v, want %v", first, c.first)
			}
		})
	}
}

// A driver that did not run itself has seen nothing.
func TestAStarvedDriverMeasuresAnew(t *testing.T) {
	w := watch().sees(4*time.Second, 7, 9, ready)
	w.now = w.now.Add(time.Minute)
	if _, _, err := w.sees(4*time.Second, 7, 9, ready).end(); err != nil {
		t.Error(err)
	}
	if _, _, err := w.sees(4*time.Second, 7, 9, ready).end(); err == nil {
		t.Error("and then never finds anything")
	}
}

// What was said of one fault is not of the next.
func TestEachFaultBeginsAnew(t *testing.T) {
	w := watch().sees(8*time.Second, 7, 9, says(status.Paused))
	w.begin(&fault{name: "another"}, w.now)
	early := w.now.Add(-time.Millisecond) // it was asked before, and answers now
	w.judge(&look{begun: early, ended: w.now, snapshot: 7, decided: 9, answers: []answer{says(status.Paused)}})
	if said, first, err := w.end(); len(said) > 0 || first != 0 || err != nil {
		t.Errorf("%v, %v, %v", said, first, err)
	}
}

// Each fault names reasons that there are, and none twice.
func TestFaultsNameReasons(t *testing.T) {
	known, names := map[status.Reason]bool{}, map[string]bool{}
	for _, e := range status.Explained {
		known[e.Reason] = true
	}
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("%s stands twice", f.name)
		}
		names[f.name] = true
		seen := map[status.Reason]bool{}
		for _, r := range f.reasons {
			if !known[r] || seen[r] {
				t.Errorf("%s: %q is no reason, or stands twice", f.name, r)
			}
			seen[r] = true
		}
	}
}
