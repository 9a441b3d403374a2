package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/program"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestShortRunPrintsEveryMeasurement(t *testing.T) {
	temp, err := os.MkdirTemp("", "b") // short: a socket's path lies in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil { // the database may run as another user
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	var out, problems bytes.Buffer
	if code := run([]string{"--quick", "--json"}, &out, &problems); code != program.ExitOK {
		t.Fatalf("exit code %d\n%s%s", code, &out, &problems)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var measured map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &measured); err != nil {
		t.Fatalf("the last line is no JSON object: %v\n%s", err, lines[len(lines)-1])
	}
	for _, name := range []string{"versions_per_s", "ratio_50_connections", "ratio_best_rung", "ratio_watched", "peak_mib", "first_load_ms", "first_load_peak_mib", "versions_a_transaction",
		"p50_ms", "p99_ms", "snapshot_age_p99_ms", "swap_ms", "swap_p99_ms", "swap_journeys", "no_swaps_p99_ms", "gc_longest_stop_ms", "snapshot_age_samples", "journeys"} {
		if n, ok := measured[name].(float64); !ok || n <= 0 {
			t.Errorf("%s is %v, not above 0", name, measured[name])
		}
	}
	for _, often := range []string{"swaps_back", "swaps_in_turn"} {
		for _, name := range []string{"journeys", "p99_ms", "ratio_p99"} {
			if n, ok := measured[often].(map[string]any)[name].(float64); !ok || n <= 0 {
				t.Errorf("%s of %s is %v, not above 0", name, often, measured[often])
			}
		}
	}
	if _, ok := measured["snapshot_age_p50_ms"].(float64); !ok {
		t.Error("there is no snapshot_age_p50_ms")
	}
	if got := measured["lanes"].([]any); len(got) != 4 || got[3].(map[string]any)["round_trip_ms"].(float64) < 2.5 {
		t.Errorf("by lanes: %v, want two backlogs, next to the database and 2.5 ms from it", got)
	}
	if got := measured["rungs"].([]any); len(got) != len(rungs) {
		t.Errorf("%d rungs, want %d", len(got), len(rungs))
	}
	if m := measured["machine"].(map[string]any); m["fsync"] != "on" || m["synchronous_commit"] != "on" || m["postgresql"] == "" {
		t.Errorf("the machine is %v", m)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "ichor-bench-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--candidates", "3"}, {"--rounds", "0"}, {"--rate", "0"}, {"--lanes", "-1"}, {"--lane-counts", "0"}, {"--accounts", "1"}, {"--nonsense"},
	} {
		var out, problems bytes.Buffer
		if code := run(args, &out, &problems); code != program.ExitUsage || problems.Len() == 0 {
			t.Errorf("%v: exit code %d and %q", args, code, &problems)
		}
	}
}

func TestAgeCountsFromWhenASnapshotCouldHaveCoveredTheVersion(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }
	a := &ages{}
	send := func(ms int, messages ...certification.Message) {
		t.Helper()
		if err := a.send(at(ms), messages); err != nil {
			t.Fatal(err)
		}
	}
	see := func(ms int, snapshot talos.Version, want int64) {
		t.Helper()
		a.see(snapshot, at(ms))
		if got := a.taken[len(a.taken)-1].Milliseconds(); got != want {
			t.Errorf("at %d ms and snapshot %v the age is %d ms, want %d", ms, snapshot, got, want)
		}
	}
	send(0, candidate(0), candidate(1), candidate(2))
	see(5, 0, 0) // nothing is decided
	send(10, decision(2))
	see(15, 0, 0) // 2 is decided but stands behind 1
	send(20, decision(1))
	see(30, 0, 10) // both became ripe at 20
	see(32, 1, 12) // and 2 still waits since then
	see(40, 2, 0)
	if a.last() != 2 {
		t.Errorf("the newest is %v, want 2", a.last())
	}
}

func candidate(version talos.Position) certification.Message {
	return certification.Message{Position: version, Headers: []certification.Header{{Name: "messageType", Value: []byte("Candidate")}}}
}

func decision(version talos.Version) certification.Message {
	value := `{"_typ":"DecisionMessage","xid":"x","agent":"a","cohort":"c","decision":"committed","suffixStart":0,"time":"t",` +
		`"version":` + version.String() + `,"safepoint":0,"metrics":{"certificationStarted":1,"requestCreated":1,"candidatePublished":1,` +
		`"candidateReceived":1,"candidateProcessingStarted":1,"decisionCreatedAt":1,"dbSaveStarted":1,"dbSaveEnded":1}}`
	return certification.Message{Position: 99, Headers: []certification.Header{{Name: "messageType", Value: []byte("Decision")}}, Value: []byte(value)}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("the median of three is %v, want 5", got)
	}
	if got := median([]float64{4, 2}); got != 2 {
		t.Errorf("the median of two is %v, want the lower one, 2", got)
	}
}

// What it costs to be looked at is by the run before; a run too short for the kernel's clock says nothing of processors.
func TestCostOfWatchers(t *testing.T) {
	var r report
	r.besideWatchers([]backlogRun{{rate: 100, cpu: 0.5}, {rate: 200}}, []backlogRun{{rate: 90, cpu: 0.5}, {rate: 200, cpu: 1}})
	if r.Watched != 0.9 || r.WatchedCPU < 1.11 || r.WatchedCPU > 1.12 {
		t.Errorf("%v of the rate, %v of the processor time", r.Watched, r.WatchedCPU)
	}
	r.WatchedCPU = 0
	if r.besideWatchers([]backlogRun{{rate: 100}}, []backlogRun{{rate: 90, cpu: 1}}); r.WatchedCPU != 0 {
		t.Errorf("%v of a processor time that is not known", r.WatchedCPU)
	}
}
