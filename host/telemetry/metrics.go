package telemetry

import (
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/metric"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Facts are what metrics say of a host that does not change, and whom they ask for the rest.
type Facts struct {
	Version string // of the program
	Memory  int    // bytes, limits.memory
	// Health is asked at each scrape.
	Health func() (status.Readiness, status.Condition)
}

// Metrics are the host's own. Those of the core are read from its status when they are asked for; none
// has a label by version. NewMetrics makes them; they are safe for use by several goroutines.
type Metrics struct {
	records   *prometheus.CounterVec
	passedBy  *prometheus.CounterVec
	otherXID  prometheus.Counter
	unchanged prometheus.Counter
	groups    prometheus.Histogram
	epoch     prometheus.Gauge
	ended     *prometheus.CounterVec
	stretch   [len(stretches)]prometheus.Histogram

	reads    reads
	waiting  atomic.Int64  // versions that were handed to a lane and that it has not taken yet
	received atomic.Uint64 // the highest version that a lane took
}

// NewMetrics registers the metrics. It panics if they are registered already.
func NewMetrics(reg prometheus.Registerer, facts Facts) *Metrics {
	m := &Metrics{
		records: recordsRead.NewCounterVec(), otherXID: decisionsOfOthers.NewCounter(), passedBy: positionsPassed.NewCounterVec(), unchanged: versionsUnchanged.NewCounter(),
		groups: groupVersions.NewHistogram(), epoch: epochTaken.NewGauge(), ended: sessionsEnded.NewCounterVec(),
	}
	for reason := range replicator.StopReason(replicator.StopReasons) { // from 0 on, so that the first can be told from none
		m.ended.WithLabelValues(endedLabel(reason))
	}
	build, limit := buildInfo.NewGaugeVec(), memoryLimit.NewGauge()
	build.WithLabelValues(facts.Version, runtime.Version()).Set(1)
	limit.Set(float64(facts.Memory))
	received := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: lastReceived.Name, Help: lastReceived.Help}, func() float64 { return float64(m.received.Load()) })
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: lanesWaiting.Name, Help: lanesWaiting.Help}, func() float64 { return float64(m.waiting.Load()) })
	reg.MustRegister(m.records, m.otherXID, m.passedBy, m.unchanged, m.groups, m.epoch, m.ended, build, limit, received, waiting, newCore(facts.Health, &m.reads))
	for i := range stretches {
		d := stretches[i].definition()
		m.stretch[i] = d.NewHistogram()
		reg.MustRegister(m.stretch[i])
	}
	return m
}

// Record counts a record of the log by what it is, and by the reason when it is refused or decided.
func (m *Metrics) Record(kind, reason string) { m.records.WithLabelValues(kind, reason).Inc() }

// DecisionOfOther counts a decision whose xid is another than its candidate's.
func (m *Metrics) DecisionOfOther() { m.otherXID.Inc() }

// Read notes that the log was read from first up to end; at, ns, is when the record at first was written.
// A batch without records has first = end. atEnd says that nothing was behind it.
func (m *Metrics) Read(first, end talos.Position, at int64, atEnd bool) {
	m.reads.add(first, end, at, atEnd)
}

// Passed counts positions of the log without a record for us, by why.
func (m *Metrics) Passed(kind string, n int) {
	if n > 0 {
		m.passedBy.WithLabelValues(kind).Add(float64(n))
	}
}

// Began notes that the host owns the cohort, with that epoch, and that no lane has anything.
func (m *Metrics) Began(epoch int64) {
	m.epoch.Set(float64(epoch))
	m.waiting.Store(0)
}

// Ended counts a session by why it ended: the host owns the cohort no more.
func (m *Metrics) Ended(reason replicator.StopReason) {
	m.epoch.Set(0)
	m.waiting.Store(0)
	m.ended.WithLabelValues(endedLabel(reason)).Inc()
}

func endedLabel(reason replicator.StopReason) string {
	return strings.ReplaceAll(reason.String(), " ", "_")
}

// Handed notes that a lane was given versions.
func (m *Metrics) Handed(versions int) { m.waiting.Add(int64(versions)) }

// Received notes that a lane took the versions that it was given, and the highest of them.
func (m *Metrics) Received(versions int, highest talos.Version) {
	m.waiting.Add(-int64(versions))
	for was := m.received.Load(); was < uint64(highest) && !m.received.CompareAndSwap(was, uint64(highest)); was = m.received.Load() {
	}
}

// Installed counts a transaction of so many versions, and those of them whose statements changed no row.
func (m *Metrics) Installed(versions, unchanged int) {
	if versions > 0 {
		m.groups.Observe(float64(versions))
	}
	m.unchanged.Add(float64(unchanged))
}

// Observe implements timing.Observer. Versions without effects have only the first stretches. Of one that was installed
// above the snapshot all but the last count then, and the last when it is passed.
func (m *Metrics) Observe(j *timing.Journey) {
	_, passed := j.Get(timing.SnapshotPersisted)
	for i := range stretches {
		if passed && j.Ahead && stretches[i].to != timing.SnapshotPersisted {
			continue
		}
		if d, ok := j.Between(stretches[i].from, stretches[i].to); ok {
			m.stretch[i].Observe(float64(d) / 1e9)
		}
	}
}

// Sections are the definitions of all metrics of the host and of its core.
func Sections() []metric.Section {
	var sections []metric.Section
	for _, group := range conditionMetrics {
		s := metric.Section{Title: group.title}
		for i := range group.of {
			s.Of = append(s.Of, group.of[i].Definition)
		}
		s.Of = append(s.Of, beside[group.title]...)
		sections = append(sections, s)
	}
	way := metric.Section{Title: "A version's way"}
	for i := range stretches {
		way.Of = append(way.Of, stretches[i].definition())
	}
	return append(sections, way)
}
