// Package spans makes OpenTelemetry spans of journeys that have ended, and sends them to a receiver of OTLP over
// gRPC. Which journeys are sent is decided when they have ended: those that were slow or were installed a second
// time, and a share of the others. Nothing waits for a receiver: what it does not take in time is counted and dropped.
package spans
