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
		NewMetrics(reg, func() (status.Readiness, status.Condition) {
			return c.readiness, status.Condition{Core: replicator.Status{Reason: replicator.Undecided}}
		})
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
