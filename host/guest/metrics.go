package guest

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/metric"
)

// The metrics of generations: each has the guest's name and the digest of its module.
var (
	callSeconds = metric.Definition{Name: "ichor_guest_call_seconds", Kind: metric.Histogram, Unit: "seconds", Labels: []string{"guest", "digest"},
		Help: "Time of guest calls, each of a batch of versions.", From: "the generation", Buckets: prometheus.ExponentialBuckets(16e-6, 4, 10),
		Advice: "Compare it with the digest before: a module that became slower is rolled back by `ichor guest rollback`."}
	versionsConverted = metric.Definition{Name: "ichor_guest_versions_total", Kind: metric.Counter, Unit: "versions", Labels: []string{"guest", "digest", "status"},
		Help: "Versions converted, by what became of them.", From: "the generation", Advice: "rejected ones are held: `ichor quarantine list` has why."}
	faultsMet = metric.Definition{Name: "ichor_guest_faults_total", Kind: metric.Counter, Unit: "calls", Labels: []string{"guest", "digest", "kind"},
		Help: "Guest calls that failed, by kind.", From: "the generation", Advice: "The guest broke its contract: its author needs the kind, and the statemap that `ichor quarantine show` has."}
	versionsRejected = metric.Definition{Name: "ichor_guest_rejects_total", Kind: metric.Counter, Unit: "versions", Labels: []string{"guest", "digest", "class"},
		Help: "Versions rejected, by class.", From: "the generation", Advice: "As for faults; a class that comes with a new digest is that module's."}
	instancesMade = metric.Definition{Name: "ichor_guest_instances_total", Kind: metric.Counter, Unit: "instances", Labels: []string{"guest", "digest", "reason"},
		Help: "Instances made, by reason: load of a module, the pool's first, and in place of one that failed (fault), kept too much (memory), had done enough (age) or was stopped in a call (stop).",
		From: "the generation", Advice: "Many by fault: each fault costs an instance. Many by memory: the guest keeps what it allocates."}
	fuelBurnt = metric.Definition{Name: "ichor_guest_fuel_total", Kind: metric.Counter, Unit: "units of about an instruction", Labels: []string{"guest", "digest"},
		Help: "Fuel that conversions burnt, in units of about an instruction.", From: "the generation", Advice: "Divide it by the versions: a module that needs more than the one before does more."}
	instanceMemory = metric.Definition{Name: "ichor_guest_memory_bytes", Kind: metric.Gauge, Unit: "bytes", Labels: []string{"guest", "digest"},
		Help: "Memory of the instance that was used last.", From: "the generation", Advice: "It grows up to `guests.limits`; at that the guest faults. A guest that frees nothing grows with each call."}
	linesLogged = metric.Definition{Name: "ichor_guest_log_lines_total", Kind: metric.Counter, Unit: "lines", Labels: []string{"guest", "digest", "fate"},
		Help: "Lines that guests logged, by whether they were kept.", From: "the generation", Advice: "Lines are dropped above a rate: have the guest say less."}
	swaps = metric.Definition{Name: "ichor_guest_swaps_total", Kind: metric.Counter, Unit: "modules", Labels: []string{"guest", "result"},
		Help:   "Modules that were to take a guest's place, by what became of them: activated, refused, or taken_back on probation.",
		From:   "the rollout",
		Advice: "Of a refused or taken back one `ichor guest history` has the reason; the one before goes on."}
)

// Sections are the definitions of the metrics of guests.
func Sections() []metric.Section {
	return []metric.Section{{Title: "Guests", Of: []metric.Definition{
		callSeconds, versionsConverted, faultsMet, versionsRejected, instancesMade, fuelBurnt, instanceMemory, linesLogged, swaps,
	}}}
}

// Why an instance is made.
const (
	madeForLoad   = "load"
	madeForPool   = "pool"
	madeForFault  = "fault"
	madeForMemory = "memory"
	madeForAge    = "age"
	madeForStop   = "stop"
)

// What becomes of a module that is to take a guest's place.
const (
	SwapActivated = "activated"
	SwapRefused   = "refused"
	SwapTakenBack = "taken_back"
)

// Metrics are the metrics of all generations of a host. Those of a generation end with it.
type Metrics struct {
	calls     *prometheus.HistogramVec
	versions  *prometheus.CounterVec
	faults    *prometheus.CounterVec
	rejects   *prometheus.CounterVec
	instances *prometheus.CounterVec
	fuel      *prometheus.CounterVec
	memory    *prometheus.GaugeVec
	logs      *prometheus.CounterVec
	swaps     *prometheus.CounterVec

	mu   sync.Mutex
	open map[generationLabels]int // how many generations that are open have these labels
}

// generationLabels are the labels of one module of one guest.
type generationLabels struct{ guest, digest string }

// NewMetrics registers the metrics. It panics if they are registered already.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		calls: callSeconds.NewHistogramVec(), versions: versionsConverted.NewCounterVec(), faults: faultsMet.NewCounterVec(),
		rejects: versionsRejected.NewCounterVec(), instances: instancesMade.NewCounterVec(), fuel: fuelBurnt.NewCounterVec(),
		memory: instanceMemory.NewGaugeVec(), logs: linesLogged.NewCounterVec(), swaps: swaps.NewCounterVec(),
		open: map[generationLabels]int{},
	}
	r.MustRegister(m.calls, m.versions, m.faults, m.rejects, m.instances, m.fuel, m.memory, m.logs, m.swaps)
	return m
}

// NoMetrics returns metrics that nobody reads.
func NoMetrics() *Metrics { return NewMetrics(prometheus.NewRegistry()) }

// Expect has a guest's swaps begin at 0, so that the first can be told from none.
func (m *Metrics) Expect(guest string) {
	for _, result := range []string{SwapActivated, SwapRefused, SwapTakenBack} {
		m.swaps.WithLabelValues(guest, result)
	}
}

// Swap counts a module that was to take a guest's place; result is one of the constants.
func (m *Metrics) Swap(guest, result string) { m.swaps.WithLabelValues(guest, result).Inc() }

// generationMetrics are the metrics of one generation. Those that every call changes were looked up once.
type generationMetrics struct {
	labels     generationLabels
	all        *Metrics
	calls      prometheus.Observer
	fuel       prometheus.Counter
	memory     prometheus.Gauge
	versions   [3]prometheus.Counter // by Status
	logKept    prometheus.Counter
	logDropped prometheus.Counter
}

// of returns the metrics of a generation; they are to be ended with it.
func (m *Metrics) of(guest string, digest Digest) generationMetrics {
	l := generationLabels{guest, digest.Short()}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[l]++
	own := generationMetrics{
		labels: l, all: m,
		calls: m.calls.WithLabelValues(l.guest, l.digest), fuel: m.fuel.WithLabelValues(l.guest, l.digest), memory: m.memory.WithLabelValues(l.guest, l.digest),
		logKept: m.logs.WithLabelValues(l.guest, l.digest, "kept"), logDropped: m.logs.WithLabelValues(l.guest, l.digest, "dropped"),
	}
	for status := range own.versions {
		own.versions[status] = m.versions.WithLabelValues(l.guest, l.digest, Status(status).String())
	}
	for _, kind := range faultKinds { // from 0 on, so that the first can be told from none
		m.faults.WithLabelValues(l.guest, l.digest, string(kind))
	}
	for _, class := range classes {
		m.rejects.WithLabelValues(l.guest, l.digest, string(class))
	}
	return own
}

// end takes the series of a generation out, unless another one has the same module: a directory in which
// modules come and go must not fill the memory.
func (g *generationMetrics) end() {
	m := g.all
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[g.labels]--; m.open[g.labels] > 0 {
		return
	}
	delete(m.open, g.labels)
	of := prometheus.Labels{"guest": g.labels.guest, "digest": g.labels.digest}
	for _, v := range []interface {
		DeletePartialMatch(labels prometheus.Labels) int
	}{m.calls, m.versions, m.faults, m.rejects, m.instances, m.fuel, m.memory, m.logs} {
		v.DeletePartialMatch(of)
	}
}

func (g *generationMetrics) fault(kind FaultKind) {
	g.all.faults.WithLabelValues(g.labels.guest, g.labels.digest, string(kind)).Inc()
}

func (g *generationMetrics) reject(class Class) {
	g.all.rejects.WithLabelValues(g.labels.guest, g.labels.digest, string(class)).Inc()
}

func (g *generationMetrics) instance(reason string) {
	g.all.instances.WithLabelValues(g.labels.guest, g.labels.digest, reason).Inc()
}
