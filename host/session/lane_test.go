package session

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/telemetry"
)

// waiting returns what the metrics say of versions that no lane has taken, and of the highest that one has.
func waiting(t *testing.T, metrics prometheus.Gatherer) (versions, highest float64) {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		switch f.GetName() {
		case "ichor_installer_waiting":
			versions, seen = f.GetMetric()[0].GetGauge().GetValue(), seen+1
		case "ichor_installer_last_received":
			highest, seen = f.GetMetric()[0].GetGauge().GetValue(), seen+1
		}
	}
	if seen != 2 {
		t.Fatalf("%d of two metrics are there", seen)
	}
	return versions, highest
}

// What the core gives a lane waits from then until the lane takes it.
func TestWhatALaneIsGivenWaitsUntilItTakesIt(t *testing.T) {
	log, metrics := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	database, err := installer.New(installer.Options{URL: "postgres://nobody@127.0.0.1:1/none", Lanes: 1}, log)
	if err != nil {
		t.Fatal(err)
	}
	health := func() (status.Readiness, status.Condition) { return status.Readiness{}, status.Condition{} }
	s := New(Parts{Installer: database, Metrics: telemetry.NewMetrics(metrics, telemetry.Facts{Health: health}), Lanes: 1, Log: log}, replicator.Options{Lanes: 1}, replicator.Start{}, Held{})
	jobs := make(chan replicator.Action, 2)
	s.lanes[0] = jobs
	entry := func(v talos.Version) *queue.Entry { return &queue.Entry{Version: v, Conversion: &conversion{}} }
	s.perform(1, &replicator.Install{Group: &queue.Group{Entries: []*queue.Entry{entry(7), entry(8)}}})
	s.perform(1, &replicator.Install{Group: &queue.Group{Entries: []*queue.Entry{entry(9)}}})
	if versions, highest := waiting(t, metrics); versions != 3 || highest != 0 {
		t.Errorf("before the lane runs %v versions wait for it, and it took %v", versions, highest)
	}
	s.wg.Go(func() { s.install(0, jobs) })
	for range 2 { // it has no connection for either
		<-s.answers
	}
	s.quit(errEnded)
	s.wg.Wait()
	if versions, highest := waiting(t, metrics); versions != 0 || highest != 9 {
		t.Errorf("after it took them %v versions wait for it, and it took up to %v", versions, highest)
	}
}
