package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Metrics are the host's own. Those of the core are read from its status when they are asked for; none
// has a label by version. NewMetrics makes them; they are safe for use by several goroutines.
type Metrics struct {
	records   *prometheus.CounterVec
	passedBy  *prometheus.CounterVec
	unchanged prometheus.Counter
	stretch   [len(stretches)]prometheus.Histogram
}

// stretches are the parts of a version's way that mean something by themselves.
var stretches = [...]struct {
	name, help string
	from, to   timing.Event
}{
	{"certifier_wait", "from candidate to decision", timing.ReplicatorCandidateReceived, timing.ReplicatorDecisionReceived},
	{"head_of_line_wait", "from a version's decision to the decisions of all before it", timing.ReplicatorDecisionReceived, timing.ReplicatorStatemapPicked},
	{"conversion", "in the guest", timing.GuestConversionBegin, timing.GuestConversionComplete},
	{"safepoint_wait", "from statements to a lane", timing.QueueStatemapReceived, timing.QueueStatemapSent},
	{"lane_wait", "from a lane to its connection", timing.QueueStatemapSent, timing.InstallerStatemapInstallationBegin},
	{"database", "in the transaction", timing.InstallerStatemapInstallationBegin, timing.InstallerStatemapInstallationComplete},
	{"decision_to_install", "from decision to commit", timing.ReplicatorDecisionReceived, timing.InstallerStatemapInstallationComplete},
	{"candidate_to_install", "from candidate to commit", timing.ReplicatorCandidateReceived, timing.InstallerStatemapInstallationComplete},
	{"candidate_to_snapshot", "from candidate to the snapshot that passed it", timing.ReplicatorCandidateReceived, timing.SnapshotPersisted},
}

// NewMetrics registers the metrics; health is asked for the core's at each scrape.
func NewMetrics(reg prometheus.Registerer, health func() (status.Readiness, status.Condition)) *Metrics {
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_records_total", Help: "Records of the log, by what they are; each is counted once.",
		}, []string{"kind", "reason"}),
		passedBy: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_positions_passed_total", Help: "Positions of the log without a record for us, by why.",
		}, []string{"kind"}),
		unchanged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ichor_versions_unchanged_total", Help: "Installed versions whose statements changed no row: an initiator had installed them before.",
		}),
	}
	reg.MustRegister(m.records, m.passedBy, m.unchanged, &core{health})
	for i, s := range stretches {
		m.stretch[i] = prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ichor_" + s.name + "_seconds", Help: "Time of a version " + s.help + ".",
			Buckets:                         prometheus.ExponentialBuckets(100e-6, 2, 20),
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		})
		reg.MustRegister(m.stretch[i])
	}
	return m
}

// Record counts a record of the log by what it is, and by the reason when it is refused or decided.
func (m *Metrics) Record(kind, reason string) { m.records.WithLabelValues(kind, reason).Inc() }

// Passed counts positions of the log without a record for us, by why.
func (m *Metrics) Passed(kind string, n int) {
	if n > 0 {
		m.passedBy.WithLabelValues(kind).Add(float64(n))
	}
}

// Unchanged counts installed versions whose statements changed no row.
func (m *Metrics) Unchanged(n int) { m.unchanged.Add(float64(n)) }

// Observe implements timing.Observer. Versions without effects have only the first stretches.
func (m *Metrics) Observe(j *timing.Journey) {
	for i, s := range stretches {
		if d, ok := j.Between(s.from, s.to); ok {
			m.stretch[i].Observe(float64(d) / 1e9)
		}
	}
}
