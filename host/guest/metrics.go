package guest

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the metrics of all generations of a host.
type Metrics struct {
	calls     *prometheus.HistogramVec
	versions  *prometheus.CounterVec
	faults    *prometheus.CounterVec
	rejects   *prometheus.CounterVec
	instances *prometheus.CounterVec
	fuel      *prometheus.CounterVec
	memory    *prometheus.GaugeVec
	logs      *prometheus.CounterVec
}

// NewMetrics registers the metrics. It panics if they are registered already.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ichor_guest_call_seconds", Help: "Time of guest calls, each of a batch of versions.",
			Buckets: prometheus.ExponentialBuckets(16e-6, 4, 10),
		}, []string{"guest"}),
		versions:  counter("ichor_guest_versions_total", "Versions converted, by what became of them.", "status"),
		faults:    counter("ichor_guest_faults_total", "Guest calls that failed, by kind.", "kind"),
		rejects:   counter("ichor_guest_rejects_total", "Versions rejected, by class.", "class"),
		instances: counter("ichor_guest_instances_total", "Instances made, by reason.", "reason"),
		fuel: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_guest_fuel_total", Help: "Fuel that conversions burnt, in units of about an instruction.",
		}, []string{"guest"}),
		memory: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ichor_guest_memory_bytes", Help: "Memory of the instance that was used last.",
		}, []string{"guest"}),
		logs: counter("ichor_guest_log_lines_total", "Lines that guests logged, by whether they were kept.", "fate"),
	}
	r.MustRegister(m.calls, m.versions, m.faults, m.rejects, m.instances, m.fuel, m.memory, m.logs)
	return m
}

// NoMetrics returns metrics that nobody reads.
func NoMetrics() *Metrics { return NewMetrics(prometheus.NewRegistry()) }

func counter(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"guest", label})
}

// generationMetrics are the metrics that every call of one guest changes, looked up once.
type generationMetrics struct {
	calls      prometheus.Observer
	fuel       prometheus.Counter
	memory     prometheus.Gauge
	versions   [3]prometheus.Counter // by Status
	logKept    prometheus.Counter
	logDropped prometheus.Counter
}

func (m *Metrics) of(guest string) generationMetrics {
	own := generationMetrics{
		calls: m.calls.WithLabelValues(guest), fuel: m.fuel.WithLabelValues(guest), memory: m.memory.WithLabelValues(guest),
		logKept: m.logs.WithLabelValues(guest, "kept"), logDropped: m.logs.WithLabelValues(guest, "dropped"),
	}
	for status := range own.versions {
		own.versions[status] = m.versions.WithLabelValues(guest, Status(status).String())
	}
	return own
}
