package kafka

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what one Log reads and which errors it meets.
type Metrics struct {
	fetches   prometheus.Counter
	records   *prometheus.CounterVec
	bytes     prometheus.Counter
	errors    *prometheus.CounterVec
	fetched   prometheus.Gauge
	high      prometheus.Gauge
	stable    prometheus.Gauge
	start     prometheus.Gauge
	published prometheus.Gauge
}

// newMetrics returns metrics that are registered with reg, unless that is nil.
func newMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		fetches: counter("fetches_total", "Fetches answered by the broker."),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_kafka_records_total",
			Help: "Positions of the log passed, by kind: read, aborted (of an aborted transaction), marker, gap (no record there).",
		}, []string{"kind"}),
		bytes: counter("bytes_total", "Bytes of fetch answers."),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ichor_kafka_errors_total",
			Help: "Failed requests, by class.",
		}, []string{"class"}),
		fetched:   gauge("fetched_position", "The next position that will be fetched."),
		high:      gauge("high_watermark", "The log's end as of the last fetch."),
		stable:    gauge("stable_end", "The position below which no transaction is open, as of the last fetch."),
		start:     gauge("log_start", "The log's first position as of the last fetch."),
		published: gauge("published_position", "The last position published to the group."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.fetches, m.records, m.bytes, m.errors, m.fetched, m.high, m.stable, m.start, m.published} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "ichor_kafka_" + name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: "ichor_kafka_" + name, Help: help})
}

// saw counts one batch that was read.
func (m *Metrics) saw(b *Batch) {
	m.fetches.Inc()
	m.bytes.Add(float64(b.bytes))
	m.records.WithLabelValues("read").Add(float64(len(b.Records)))
	m.records.WithLabelValues("aborted").Add(float64(b.Aborted))
	m.records.WithLabelValues("marker").Add(float64(b.Markers))
	m.records.WithLabelValues("gap").Add(float64(b.Gaps))
	m.high.Set(float64(b.HighWatermark))
	m.stable.Set(float64(b.StableEnd))
	m.start.Set(float64(b.Start))
}

// failed counts an error by its class; errors without one are not the log's.
func (m *Metrics) failed(err error) {
	if class := ClassOf(err); class != ClassNone {
		m.errors.WithLabelValues(string(class)).Inc()
	}
}
