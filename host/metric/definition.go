// Package metric says what a host measures, once: what a scraper is told of a metric, and what its page
// tells a person.
package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is what becomes of a metric's number.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // it only grows, until it begins anew at 0
	Gauge     Kind = "gauge"     // it goes up and down
	Histogram Kind = "histogram" // how many were how large
)

// Definition is one metric. Its texts are sentences; no label may have one value for each version or xid.
type Definition struct {
	Name   string // with the prefix ichor_; a counter ends in _total
	Kind   Kind
	Unit   string   // of the number, in the plural
	Labels []string // in the order in which they are given values
	Help   string   // what it is
	From   string   // who counts or knows it
	Advice string   // what to do when it is high, or what it tells
	// Buckets are the upper bounds of a histogram's classic buckets; it has native ones besides.
	Buckets []float64
}

// Desc returns the metric's description for a collector that makes its values when it is asked.
func (d *Definition) Desc() *prometheus.Desc {
	return prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
}

// ValueType returns the kind in Prometheus' words; histograms have none.
func (d *Definition) ValueType() prometheus.ValueType {
	if d.Kind == Counter {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

// NewCounter makes the counter; it has no labels.
func (d *Definition) NewCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: d.Name, Help: d.Help})
}

// NewCounterVec makes the counter; it has labels.
func (d *Definition) NewCounterVec() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

// NewGauge makes the gauge; it has no labels.
func (d *Definition) NewGauge() prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: d.Name, Help: d.Help})
}

// NewGaugeVec makes the gauge; it has labels.
func (d *Definition) NewGaugeVec() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

// NewHistogram makes the histogram; it has no labels.
func (d *Definition) NewHistogram() prometheus.Histogram {
	return prometheus.NewHistogram(d.histogram())
}

// NewHistogramVec makes the histogram; it has labels.
func (d *Definition) NewHistogramVec() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(d.histogram(), d.Labels)
}

// The bounds of native buckets: each is a tenth larger than the one before, and when there are too many
// they are merged, or begin anew after a while.
const (
	nativeFactor = 1.1
	nativeMost   = 160
	nativeReset  = time.Hour
)

func (d *Definition) histogram() prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: d.Name, Help: d.Help, Buckets: d.Buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeMost, NativeHistogramMinResetDuration: nativeReset,
	}
}
