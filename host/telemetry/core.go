package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// core collects what the host's condition and the core's status say.
type core struct {
	health  func() (status.Readiness, status.Condition)
	metrics []shown
	reads   *reads
}

// shown is one of them, with its description.
type shown struct {
	conditionMetric
	desc *prometheus.Desc
}

// instant is what they are read from: the host at one moment.
type instant struct {
	readiness status.Readiness
	condition status.Condition
	core      *replicator.Status // the condition's
	reads     *reads
}

// emit adds a value, with the values of the metric's labels.
type emit func(value float64, labels ...string)

func newCore(health func() (status.Readiness, status.Condition), reads *reads) *core {
	c := &core{health: health, reads: reads}
	for _, group := range conditionMetrics {
		for _, m := range group.of {
			c.metrics = append(c.metrics, shown{m, m.Desc()})
		}
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *core) Describe(ch chan<- *prometheus.Desc) {
	for i := range c.metrics {
		ch <- c.metrics[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c *core) Collect(ch chan<- prometheus.Metric) {
	readiness, condition := c.health()
	at := &instant{readiness, condition, &condition.Core, c.reads}
	for i := range c.metrics {
		m := &c.metrics[i]
		m.read(at, func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.ValueType(), value, labels...)
		})
	}
}

// age returns the seconds since an instant in ns; 0 for none.
func (at *instant) age(since int64) float64 {
	if since == 0 {
		return 0
	}
	return float64(max(at.condition.Now-since, 0)) / 1e9
}

// next returns where the log is read next, by this host's core or while it stands by.
func (at *instant) next() float64 {
	if at.condition.Phase == status.PhaseStandby {
		return float64(at.condition.Tail.Next)
	}
	return float64(at.core.Next)
}
