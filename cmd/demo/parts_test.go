package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

func TestOptions(t *testing.T) {
	t.Setenv("DEMO_RATE", "77")
	o, err := parse([]string{"--for", "3s", "--json"}, &bytes.Buffer{})
	if err != nil || o.Rate != 77 || o.For != 3*time.Second || !o.JSON || o.Transfers != 20_000 {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, args := range [][]string{{"--kill=-1"}, {"--swap=-1"}, {"--transfers=0"}, {"--accounts=3"}, {"--rate=-1"}, {"--ichor=/nowhere/ichor"}, {"--no-such-flag"}} {
		if o, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v passed as %+v", args, o)
		}
	}
	var out, errors bytes.Buffer
	if code := run([]string{"--help"}, &out, &errors); code != program.ExitOK || !strings.Contains(out.String(), "--swap") {
		t.Errorf("help: exit %d, %s", code, out.String())
	}
	if code := run([]string{"--kill=-1"}, &out, &errors); code != program.ExitUsage || !strings.Contains(errors.String(), "--kill") {
		t.Errorf("wrong flag: exit %d, %s", code, errors.String())
	}
}

func TestProve(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	uses := []cohort.Use{{Digest: a, From: 1}, {Digest: b, From: 10}, {Digest: a, From: 12, Only: true}}
	placed := []string{a, b}
	installed := []talos.Version{3, 9, 10, 12, 15}
	seen := map[talos.Version]journey{9: {guest: a}, 10: {guest: b}, 12: {guest: a[:12]}, 15: {}}
	c := prove(uses, placed, installed, seen)
	if len(c.Problems) > 0 || len(c.Guests) != 2 || c.Guests[0].Versions != 2 || c.Guests[1].Versions != 2 || c.Journeys != 3 {
		t.Errorf("got %+v", c)
	}
	for name, c := range map[string]conversions{
		"history names the guests [aaaaaaaaaaaa bbbbbbbbbbbb], placed were [bbbbbbbbbbbb aaaaaaaaaaaa]": prove(uses, []string{b, a}, installed, nil),
		"history names no guest for version 9":                                                          prove(uses[1:2], []string{b}, installed[1:2:2], nil),
		"version 12 was converted by cccccccccccc, which was never placed":                              prove([]cohort.Use{{Digest: a, From: 1}, {Digest: strings.Repeat("c", 64), From: 12, Only: true}}, []string{a}, installed, nil),
		"version 9 was converted by bbbbbbbbbbbb, the history says aaaaaaaaaaaa":                        prove(uses, placed, installed, map[talos.Version]journey{9: {guest: b}}),
	} {
		if len(c.Problems) != 1 || !strings.Contains(c.Problems[0], name) {
			t.Errorf("got %q, want %q", c.Problems, name)
		}
	}
}

// shown is a host that has finished a few journeys, and is asked for nothing else.
type shown struct {
	admin.Host
	recent []*timing.Journey
}

func (s shown) Journeys() admin.Journeys { return admin.Journeys{Recent: s.recent} }

func TestJourneysAreReadAsTheHostWritesThem(t *testing.T) {
	var s shown
	for v := range talos.Version(4) {
		j := &timing.Journey{Version: v + 1, Guest: "ab"}
		j.Record(timing.ReplicatorCandidateReceived, int64(time.Second))
		if v < 3 { // the last is not finished
			j.Record(timing.SnapshotPersisted, int64(time.Second+time.Duration(v+2)*time.Millisecond))
		}
		s.recent = append(s.recent, j)
	}
	s.recent[0] = &timing.Journey{Version: 1, Guest: "ab"}
	s.recent[0].Record(timing.ReplicatorCandidateReceived, int64(time.Second))
	s.recent[0].Record(timing.InstallerStatemapInstallationComplete, int64(time.Second+time.Millisecond))
	s.recent[0].Record(timing.SnapshotPersisted, int64(time.Second+2*time.Millisecond))
	server := httptest.NewServer(admin.Handler(admin.Options{}, prometheus.NewRegistry(), s))
	defer server.Close()
	j := newJourneys(&stage.Host{Address: strings.TrimPrefix(server.URL, "http://")})
	for range 2 { // a journey that is seen again counts once
		if err := j.ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := latencies{journeys: 1, install50: time.Millisecond, install99: time.Millisecond, snap99: 4 * time.Millisecond}
	if l := summarise(j.all()); l != want || len(j.all()) != 3 {
		t.Errorf("got %+v of %d", l, len(j.all()))
	}
	server.Close()
	if err := j.ask(t.Context()); err == nil {
		t.Error("a host that is down answered")
	}
}

// TestScreenMovesWhileNothingIsDone: a sign of life every few seconds, and none afterwards.
func TestScreenMovesWhileNothingIsDone(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			s := newScreen(&out)
			s.terminal = terminal
			err := s.during("compiling it; for minutes", func() error {
				time.Sleep(10 * time.Second)
				return os.ErrClosed
			})
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("it returned %v", err)
			}
			signs := strings.Count(out.String(), "still compiling it")
			if !strings.HasPrefix(out.String(), "  0.0 s  compiling it; for minutes\n") || signs < 3 || terminal && signs < 50 {
				t.Errorf("%d signs of life: %q", signs, out.String())
			}
			before := out.Len()
			time.Sleep(10 * time.Second)
			if out.Len() != before {
				t.Errorf("it goes on: %q", out.String()[before:])
			}
		})
	}
}

func TestScreenDrawsABarOnATerminalOnly(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.progress(0.5, "half")
	s.progress(0.6, "too soon to be shown")
	s.end()
	if got := out.String(); !strings.Contains(got, "50 %  half\n") || strings.Contains(got, "too soon") || strings.Contains(got, "\x1b") {
		t.Errorf("without a terminal: %q", got)
	}
	out.Reset()
	s = newScreen(&out)
	s.terminal = true
	s.progress(2, "all")
	s.say("a line")
	if got := out.String(); !strings.Contains(got, strings.Repeat("█", barWidth)+" 100 %  all"+clearLine) || !strings.HasSuffix(got, "a line\n") {
		t.Errorf("on a terminal: %q", got)
	}
}
