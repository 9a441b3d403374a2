package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// core collects what the core's status says.
type core struct {
	health func() (status.Readiness, status.Condition)
}

// coreMetric is one of them.
type coreMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*replicator.Status) float64
}

func gauge(name, help string, value func(*replicator.Status) float64) coreMetric {
	return coreMetric{prometheus.NewDesc("ichor_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(*replicator.Stats) uint64) coreMetric {
	return coreMetric{prometheus.NewDesc("ichor_"+name+"_total", help, nil, nil), prometheus.CounterValue,
		func(s *replicator.Status) float64 { return float64(value(&s.Stats)) }}
}

var coreMetrics = []coreMetric{
	gauge("snapshot", "The version up to which all is installed.", func(s *replicator.Status) float64 { return float64(s.Snapshot) }),
	gauge("resume_position", "Where a restart would read from.", func(s *replicator.Status) float64 { return float64(s.Resume) }),
	gauge("next_position", "Where the log is read next.", func(s *replicator.Status) float64 { return float64(s.Next) }),
	gauge("suffix_size", "Candidates that are not forwarded yet.", func(s *replicator.Status) float64 { return float64(s.SuffixLen) }),
	gauge("suffix_head", "The lowest candidate that is not forwarded; 0 for none.", func(s *replicator.Status) float64 { return float64(s.SuffixHead) }),
	gauge("queue_size", "Forwarded versions above the snapshot.", func(s *replicator.Status) float64 { return float64(s.QueueLen) }),
	gauge("queue_head", "The lowest unsettled version; 0 for none.", func(s *replicator.Status) float64 { return float64(s.QueueHead) }),
	gauge("last_candidate", "The highest candidate received.", func(s *replicator.Status) float64 { return float64(s.Known) }),
	gauge("last_forwarded", "The highest version forwarded.", func(s *replicator.Status) float64 { return float64(s.QueueLast) }),
	gauge("in_flight", "Versions in a lane.", func(s *replicator.Status) float64 { return float64(s.InFlight) }),
	gauge("lanes_up", "Lanes with a connection.", func(s *replicator.Status) float64 { return float64(s.LanesUp) }),
	gauge("held", "Versions that are poison and hold the snapshot.", func(s *replicator.Status) float64 { return float64(s.Held) }),
	gauge("memory_bytes", "Memory that suffix and queue count against limits.memory.", func(s *replicator.Status) float64 { return float64(s.Bytes) }),
	gauge("blocked_since_seconds", "When the version was read that the snapshot waits for, as Unix time; 0 for none.", func(s *replicator.Status) float64 { return float64(s.Since) / 1e9 }),
	gauge("backpressure_longest_seconds", "The longest pause of fetching.", func(s *replicator.Status) float64 { return float64(s.Stats.PausedLongest) / 1e9 }),
	gauge("backpressure_seconds_total", "Time in which fetching was paused.", func(s *replicator.Status) float64 { return float64(s.Stats.PausedTotal) / 1e9 }),
	counter("backpressure", "Pauses of fetching.", func(s *replicator.Stats) uint64 { return s.Pauses }),
	counter("candidates", "Candidates received.", func(s *replicator.Stats) uint64 { return s.Candidates }),
	counter("refused", "Candidates that the certifier's parser refuses.", func(s *replicator.Stats) uint64 { return s.Refused }),
	counter("decisions_committed", "Decisions that commit.", func(s *replicator.Stats) uint64 { return s.Committed }),
	counter("decisions_aborted", "Decisions that abort.", func(s *replicator.Stats) uint64 { return s.Aborted }),
	counter("decisions_duplicate", "Decisions about a duplicate.", func(s *replicator.Stats) uint64 { return s.Duplicates }),
	counter("decisions_repeated", "Decisions that say again what is known.", func(s *replicator.Stats) uint64 { return s.Repeated }),
	counter("decisions_unknown", "Decisions about versions that are settled or unknown.", func(s *replicator.Stats) uint64 { return s.UnknownDecisions }),
	counter("decisions_conflicting_outcome", "Later decisions with another outcome than the first.", func(s *replicator.Stats) uint64 { return s.ConflictingOutcomes }),
	counter("decisions_conflicting_safepoint", "Later decisions with another safepoint than the first.", func(s *replicator.Stats) uint64 { return s.ConflictingSafepoints }),
	counter("late_commits", "Commits of records that the certifier's parser refuses.", func(s *replicator.Stats) uint64 { return s.LateCommits }),
	counter("offset_zero", "Candidates at position 0.", func(s *replicator.Stats) uint64 { return s.OffsetZero }),
	counter("forwarded", "Versions forwarded to conversion.", func(s *replicator.Stats) uint64 { return s.Forwarded }),
	counter("converted", "Versions converted.", func(s *replicator.Stats) uint64 { return s.Converted }),
	counter("skipped_by_operator", "Held versions that an operator skipped.", func(s *replicator.Stats) uint64 { return s.SkippedByOperator }),
	counter("abandoned", "Candidates that an operator abandoned.", func(s *replicator.Stats) uint64 { return s.Abandoned }),
	counter("skipped_by_guest", "Versions that a guest skipped.", func(s *replicator.Stats) uint64 { return s.SkippedByGuest }),
	counter("installed", "Versions installed.", func(s *replicator.Stats) uint64 { return s.Installed }),
	counter("groups", "Transactions.", func(s *replicator.Stats) uint64 { return s.Groups }),
	counter("groups_ahead", "Transactions ahead of the frontier.", func(s *replicator.Stats) uint64 { return s.AheadGroups }),
	counter("flushes", "Transactions that only moved the snapshot or the resume point.", func(s *replicator.Stats) uint64 { return s.Flushes }),
	counter("groups_split", "Groups taken apart to find a poison version.", func(s *replicator.Stats) uint64 { return s.Splits }),
	counter("poisoned", "Versions that became poison.", func(s *replicator.Stats) uint64 { return s.Poisoned }),
	counter("ambiguous_commits", "Transactions whose commit was in doubt.", func(s *replicator.Stats) uint64 { return s.InDoubt }),
	gauge("undecided_passed", "Versions without a decision that others have passed.", func(s *replicator.Status) float64 { return float64(s.Undecided) }),
	counter("safepoints_too_low", "Safepoints below an unsettled version that shares a key: the certifier had forgotten it.", func(s *replicator.Stats) uint64 { return s.SafepointsTooLow }),
	counter("payloads_let_go", "Payloads dropped to bound memory.", func(s *replicator.Stats) uint64 { return s.LetGo }),
	counter("payloads_refetched", "Payloads read again.", func(s *replicator.Stats) uint64 { return s.Refetched }),
	counter("guest_swaps", "Generations that took over.", func(s *replicator.Stats) uint64 { return s.CutOvers }),
}

var (
	descLag      = prometheus.NewDesc("ichor_lag_positions", "Positions of the log that are not read yet.", nil, nil)
	descEnd      = prometheus.NewDesc("ichor_log_end", "One above the last record of the log.", nil, nil)
	descFailures = prometheus.NewDesc("ichor_install_failures_total", "Failed transactions and connections, by class.", []string{"class"}, nil)
	descReady    = prometheus.NewDesc("ichor_ready", "1 when /readyz says 200, 0 when 503.", nil, nil)
	descOwner    = prometheus.NewDesc("ichor_owner", "1 while this host owns the cohort, 0 while it starts, ends or stands by.", nil, nil)
	descTail     = prometheus.NewDesc("ichor_standby_bytes", "What a host that stands by holds of the log for when it takes the cohort over.", nil, nil)
	descWaiting  = prometheus.NewDesc("ichor_not_progressing", "1 for the reason why the host is not ready, the same as in /readyz.", []string{"reason"}, nil)
)

// Describe implements prometheus.Collector.
func (c *core) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range coreMetrics {
		ch <- f.desc
	}
	for _, d := range []*prometheus.Desc{descLag, descEnd, descFailures, descReady, descOwner, descTail, descWaiting} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *core) Collect(ch chan<- prometheus.Metric) {
	readiness, condition := c.health()
	core := &condition.Core
	for _, f := range coreMetrics {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(core))
	}
	next := core.Next
	if condition.Phase == status.PhaseStandby {
		next = condition.Tail.Next
	}
	lag := max(int64(condition.Log.HighWatermark)-int64(next), 0)
	ch <- prometheus.MustNewConstMetric(descLag, prometheus.GaugeValue, float64(lag))
	ch <- prometheus.MustNewConstMetric(descEnd, prometheus.GaugeValue, float64(condition.Log.HighWatermark))
	for class := range replicator.Class(replicator.Classes) {
		ch <- prometheus.MustNewConstMetric(descFailures, prometheus.CounterValue, float64(core.Stats.Failures[class]), class.String())
	}
	ready := 1.0
	if !readiness.Ready {
		ready = 0
		ch <- prometheus.MustNewConstMetric(descWaiting, prometheus.GaugeValue, 1, string(readiness.Reason))
	}
	ch <- prometheus.MustNewConstMetric(descReady, prometheus.GaugeValue, ready)
	owner := 0.0
	if condition.Phase == status.PhaseRunning {
		owner = 1
	}
	ch <- prometheus.MustNewConstMetric(descOwner, prometheus.GaugeValue, owner)
	ch <- prometheus.MustNewConstMetric(descTail, prometheus.GaugeValue, float64(condition.Tail.Bytes))
}
