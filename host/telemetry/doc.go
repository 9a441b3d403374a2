// Package telemetry is what is seen of a host from outside while it works: metrics, log lines at a bounded
// rate, and details at debug. It decides nothing, and the parts of a host tell it what happens.
package telemetry
