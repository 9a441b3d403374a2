package host

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/timing"
)

// metrics are the host's own figures. Those of the core are read from its status when they
// are asked for; no figure has a label by version.
type metrics struct {
	records   *prometheus.CounterVec
	passedBy  *prometheus.CounterVec
	unchanged prometheus.Counter
	stretch   [len(stretches)]prometheus.Histogram

	mu     sync.Mutex
	logged map[string]time.Time
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

func newMetrics(reg prometheus.Registerer, status func() (replicator.Status, kafka.Batch)) *metrics {
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_records_total", Help: "Records of the log, by what they are; each is counted once.",
		}, []string{"kind", "reason"}),
		passedBy: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_positions_passed_total", Help: "Positions of the log without a record for us, by why.",
		}, []string{"kind"}),
		unchanged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ichor_versions_unchanged_total", Help: "Installed versions whose statements changed no row: an initiator had installed them before.",
		}),
		logged: map[string]time.Time{},
	}
	reg.MustRegister(m.records, m.passedBy, m.unchanged, &coreFigures{status})
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

func (m *metrics) record(kind, reason string) { m.records.WithLabelValues(kind, reason).Inc() }

// passed counts what a batch passed over.
func (m *metrics) passed(b kafka.Batch) {
	for kind, n := range map[string]int{"aborted_transaction": b.Aborted, "marker": b.Markers, "gap": b.Gaps} {
		if n > 0 {
			m.passedBy.WithLabelValues(kind).Add(float64(n))
		}
	}
}

// observe enters a finished journey. Versions without effects only have the first stretches.
func (m *metrics) observe(j *timing.Journey) {
	for i, s := range stretches {
		if d, ok := j.Between(s.from, s.to); ok {
			m.stretch[i].Observe(float64(d) / 1e9)
		}
	}
}

// logEvery is how often a repeated message of one kind is logged.
const logEvery = time.Second

// allow reports whether a message of that kind may be logged now.
func (m *metrics) allow(kind string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.logged[kind]) < logEvery {
		return false
	}
	m.logged[kind] = time.Now()
	return true
}
