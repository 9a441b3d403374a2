package telemetry

import (
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// measuredBy names the metric of each number of the core's status; "" is one that has none: an instant, or what the page and
// the readiness say.
var measuredBy = map[string]string{
	"Stats.Candidates": "candidates_total", "Stats.Refused": "refused_total", "Stats.OffsetZero": "offset_zero_total", "Stats.Redelivered": "redelivered_total",
	"Stats.Skips": "backlog_skips_total", "Stats.Committed": "decisions_total committed", "Stats.Aborted": "decisions_total aborted",
	"Stats.Duplicates": "decisions_duplicate_total", "Stats.Repeated": "decisions_repeated_total", "Stats.UnknownDecisions": "decisions_unknown_total",
	"Stats.LateCommits": "late_commits_total", "Stats.ConflictingOutcomes": "decisions_conflicting_outcome_total",
	"Stats.ConflictingSafepoints": "decisions_conflicting_safepoint_total", "Stats.MissingCandidates": "candidates_missing_total", "Stats.Passed": "",
	"Stats.Forwarded": "forwarded_total", "Stats.Converted": "converted_total", "Stats.SkippedByGuest": "skipped_by_guest_total",
	"Stats.SkippedByOperator": "skipped_by_operator_total", "Stats.Abandoned": "abandoned_total", "Stats.CutOvers": "", "Stats.TakenBack": "",
	"Stats.Installed": "installed_total", "Stats.Groups": "groups_total", "Stats.AheadGroups": "groups_ahead_total", "Stats.Flushes": "flushes_total",
	"Stats.Poisoned": "poisoned_total", "Stats.Splits": "groups_split_total", "Stats.InDoubt": "ambiguous_commits_total",
	"Stats.DoubtCommitted": "ambiguous_commits_resolved_total committed", "Stats.DoubtAborted": "ambiguous_commits_resolved_total aborted",
	"Stats.LetGo": "payloads_let_go_total", "Stats.Refetched": "payloads_refetched_total", "Stats.SafepointsTooLow": "safepoints_too_low_total",
	"Stats.KeyWaits": "key_waits_total", "Stats.Pauses": "backpressure_pauses_total", "Stats.PausedTotal": "backpressure_seconds_total",
	"Stats.PausedLongest": "backpressure_longest_seconds", "Stats.SnapshotFailures": "snapshot_failures_total",

	"Snapshot": "snapshot", "Settled": "snapshot_settled", "Resume": "resume_position", "Next": "next_position", "End": "", "SuffixLen": "suffix_size",
	"SuffixHead": "suffix_head", "QueueLen": "queue_size", "QueueHead": "queue_head", "QueueLast": "last_forwarded", "Known": "last_candidate",
	"Bytes": "memory_bytes", "Held": "held", "Lowest": "", "Undecided": "undecided_passed", "Decision": "last_decision_position", "Decided": "last_decision",
	"OldestUndecided": "oldest_undecided", "Converting": "converting", "Received": "queue_last_received", "Sent": "last_sent",
	"OldestInFlight": "oldest_in_flight", "InFlight": "in_flight", "LanesUp": "lanes_up", "Lanes": "", "Blocker": "",
	"SnapshotAt": "", "OldestUndecidedSince": "", "OldestInFlightSince": "", "Since": "", "ProgressAt": "", "DownSince": "",
}

// numbers gives each number of a struct another value, and returns them by name; those of failures by class.
func numbers(of reflect.Value, prefix string, next *int64, all map[string]int64) {
	set := func(v reflect.Value, name string) {
		*next++
		all[name] = *next
		if v.CanInt() {
			v.SetInt(*next)
		} else {
			v.SetUint(uint64(*next))
		}
	}
	for i := range of.NumField() {
		name, v := prefix+of.Type().Field(i).Name, of.Field(i)
		switch {
		case v.CanInt() || v.CanUint():
			set(v, name)
		case v.Kind() == reflect.Array:
			for class := range v.Len() {
				set(v.Index(class), name+" "+replicator.Class(class).String())
			}
		case v.Type() == reflect.TypeFor[replicator.Stats]():
			numbers(v, "Stats.", next, all)
		}
	}
}

// Each number of the core is what the metric of its name says, and each of them has one or is named above.
func TestEachNumberOfTheCoreIsItsOwnMetric(t *testing.T) {
	core, want, next := replicator.Status{}, map[string]int64{}, int64(1000)
	numbers(reflect.ValueOf(&core).Elem(), "", &next, want)
	reg := prometheus.NewPedanticRegistry()
	NewMetrics(reg, Facts{Health: func() (status.Readiness, status.Condition) {
		return status.Readiness{}, status.Condition{Phase: status.PhaseRunning, Core: core}
	}})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "ichor_")
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for field, value := range want {
		name, known := measuredBy[field]
		shown := float64(value)
		for prefix, metric := range map[string]string{"Stats.Failures ": "install_failures_total ", "Stats.Retries ": "retries_total "} {
			if class, found := strings.CutPrefix(field, prefix); found {
				name, known = metric+class, true
			}
		}
		if strings.Contains(name, "seconds") {
			shown /= 1e9
		}
		switch value, there := got[name]; {
		case !known:
			t.Errorf("nothing says by which metric %s is shown", field)
		case name != "" && (!there || value != shown):
			t.Errorf("ichor_%s is %v, and %s is %v", name, value, field, shown)
		}
	}
}
