package telemetry

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

func measured() (*Metrics, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	return NewMetrics(reg, Facts{Health: func() (status.Readiness, status.Condition) { return status.Readiness{}, status.Condition{} }}), reg
}

// What a version costs: its journey in the histograms.
func BenchmarkObserve(b *testing.B) {
	m, _ := measured()
	j := &timing.Journey{Version: 1}
	for e := range timing.Event(timing.Events) {
		j.Record(e, 1_000_000_000+int64(e)*250_000)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(j)
	}
}

// What a slice of up to 512 records costs.
func BenchmarkRead(b *testing.B) {
	m, _ := measured()
	b.ReportAllocs()
	p := talos.Position(0)
	for b.Loop() {
		m.Read(p, p+512, 1, false)
		p += 512
	}
}

// What a group costs.
func BenchmarkGroup(b *testing.B) {
	m, _ := measured()
	b.ReportAllocs()
	v := talos.Version(0)
	for b.Loop() {
		v += 100
		m.Handed(100)
		m.Received(100, v)
		m.Installed(100, 0)
	}
}

// What somebody who asks costs.
func BenchmarkGather(b *testing.B) {
	_, reg := measured()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
