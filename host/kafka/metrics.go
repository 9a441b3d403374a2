package kafka

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/metric"
)

// The metrics of one Log.
var (
	fetchesAnswered = counter("fetches_total", "fetches", "Fetches answered by the broker.", "At least two a second while the host reads; reading pauses while the memory is full.")
	positionsRead   = metric.Definition{Name: "ichor_kafka_records_total", Kind: metric.Counter, Unit: "positions", Labels: []string{"kind"}, From: fromFetches,
		Help:   "Positions of the log passed, by kind: read, aborted (of an aborted transaction), marker, gap (no record there).",
		Advice: "Gaps beyond those of aborted transactions are a topic that is compacted, which the host refuses."}
	bytesFetched = counter("bytes_total", "bytes", "Bytes of fetch answers.", "Its rate is what reading costs the network.")
	requestsLost = metric.Definition{Name: "ichor_kafka_errors_total", Kind: metric.Counter, Unit: "requests", Labels: []string{"class"}, From: "requests to brokers",
		Help: "Failed requests, by class.", Advice: "The host tries again by itself what may mend itself; /readyz has the detail when nothing is answered."}
	fetchedPosition   = gauge("fetched_position", "The next position that will be fetched.", "Compare it with `ichor_next_position`: between them lies what was fetched and not taken yet.")
	highWatermark     = gauge("high_watermark", "The log's end as of the last fetch.", "It stands still while nobody writes to the topic.")
	stableEnd         = gauge("stable_end", "The position below which no transaction is open, as of the last fetch.", "Below `ichor_kafka_high_watermark` for long another client does not end its transaction.")
	logStart          = gauge("log_start", "The log's first position as of the last fetch.", "Retention moves it: near `ichor_resume_position` records are lost before they are installed.")
	publishedPosition = gauge("published_position", "The last position published to the group; 0 for none yet.", "It is for lag tools, and never read back. It moves at most once a second.")
)

const fromFetches = "the fetches"

// Sections are the definitions of the metrics of a Log.
func Sections() []metric.Section {
	return []metric.Section{{Title: "Kafka", Of: []metric.Definition{
		fetchesAnswered, positionsRead, bytesFetched, requestsLost, fetchedPosition, highWatermark, stableEnd, logStart, publishedPosition,
	}}}
}

func counter(name, unit, help, advice string) metric.Definition {
	return metric.Definition{Name: "ichor_kafka_" + name, Kind: metric.Counter, Unit: unit, Help: help, From: fromFetches, Advice: advice}
}

func gauge(name, help, advice string) metric.Definition {
	return metric.Definition{Name: "ichor_kafka_" + name, Kind: metric.Gauge, Unit: "position", Help: help, From: fromFetches, Advice: advice}
}

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
		fetches: fetchesAnswered.NewCounter(), records: positionsRead.NewCounterVec(), bytes: bytesFetched.NewCounter(), errors: requestsLost.NewCounterVec(),
		fetched: fetchedPosition.NewGauge(), high: highWatermark.NewGauge(), stable: stableEnd.NewGauge(), start: logStart.NewGauge(), published: publishedPosition.NewGauge(),
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
