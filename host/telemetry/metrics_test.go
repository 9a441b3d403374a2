package telemetry

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// The metrics say of readiness what /readyz says: each reason, and none while the host is ready.
func TestMetricsHaveTheReasonsOfReadiness(t *testing.T) {
	for _, c := range []struct {
		readiness status.Readiness
		want      string
	}{
		{status.Readiness{Ready: true}, "ichor_ready 1\n"},
		{status.Readiness{Ready: true, Reason: status.Undecided}, "ichor_ready 1\n"},
		{status.Readiness{Reason: status.SourceUnavailable}, "ichor_not_progressing source_unavailable 1\nichor_ready 0\n"},
	} {
		reg := prometheus.NewPedanticRegistry()
		NewMetrics(reg, Facts{Health: func() (status.Readiness, status.Condition) {
			return c.readiness, status.Condition{Core: replicator.Status{Reason: replicator.Undecided}}
		}})
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range families {
			if name := f.GetName(); name == "ichor_ready" || name == "ichor_not_progressing" {
				m := f.GetMetric()[0]
				reason := ""
				for _, label := range m.GetLabel() {
					reason = " " + label.GetValue()
				}
				got += fmt.Sprintf("%s%s %v\n", name, reason, m.GetGauge().GetValue())
			}
		}
		if got != c.want {
			t.Errorf("%+v: got\n%s, want\n%s", c.readiness, got, c.want)
		}
	}
}

// What is handed to a lane waits until the lane takes it, and no more when the session ends.
func TestVersionsThatALaneHasNotTakenAreCounted(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg, Facts{Health: func() (status.Readiness, status.Condition) { return status.Readiness{}, status.Condition{} }})
	shows := func(waiting, received, epoch float64) {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{lanesWaiting.Name: waiting, lastReceived.Name: received, epochTaken.Name: epoch}
		for _, f := range families {
			if value, ours := want[f.GetName()]; ours && f.GetMetric()[0].GetGauge().GetValue() != value {
				t.Errorf("%s is %v, want %v", f.GetName(), f.GetMetric()[0].GetGauge().GetValue(), value)
			}
			delete(want, f.GetName())
		}
		for name := range want {
			t.Errorf("%s is missing", name)
		}
	}
	if got := ended(t, reg); len(got) != replicator.StopReasons || got["fenced"] != 0 {
		t.Errorf("before anything ended there are %v", got)
	}
	m.Began(7)
	m.Handed(3)
	m.Handed(2)
	shows(5, 0, 7)
	m.Received(2, 9)
	shows(3, 9, 7)
	m.Received(1, 5) // another lane's, that is lower
	shows(2, 9, 7)
	m.Ended(replicator.StopDatabaseRegressed)
	shows(0, 9, 0)
	if got := ended(t, reg); got["database_regressed"] != 1 || got["fenced"] != 0 {
		t.Errorf("what is counted of the end: %v", got)
	}
}

// ended returns how many sessions ended, by why.
func ended(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		if f.GetName() == sessionsEnded.Name {
			for _, m := range f.GetMetric() {
				counts[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return counts
}
