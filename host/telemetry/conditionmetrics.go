package telemetry

import (
	"github.com/ichor-replicator/ichor/host/metric"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
)

// conditionMetric is a metric that is read from the host's condition whenever somebody asks.
type conditionMetric struct {
	metric.Definition
	read func(*instant, emit)
}

// gauge is one of a number in the core's status.
func gauge(name, unit, help, from, advice string, value func(*replicator.Status) float64) conditionMetric {
	return conditionMetric{
		metric.Definition{Name: "ichor_" + name, Kind: metric.Gauge, Unit: unit, Help: help, From: from, Advice: advice},
		func(at *instant, put emit) { put(value(at.core)) },
	}
}

// age is one of the time since an instant in the core's status.
func age(name, help, from, advice string, since func(*replicator.Status) int64) conditionMetric {
	return conditionMetric{
		metric.Definition{Name: "ichor_" + name + "_seconds", Kind: metric.Gauge, Unit: "seconds", Help: help, From: from, Advice: advice},
		func(at *instant, put emit) { put(at.age(since(at.core))) },
	}
}

// counter is one of what the core counts.
func counter(name, unit, help, advice string, value func(*replicator.Stats) uint64) conditionMetric {
	return conditionMetric{
		metric.Definition{Name: "ichor_" + name + "_total", Kind: metric.Counter, Unit: unit, Help: help, From: fromCore, Advice: advice},
		func(at *instant, put emit) { put(float64(value(&at.core.Stats))) },
	}
}

// Who knows them.
const (
	fromCore   = "the core"
	fromSuffix = "the core's suffix"
	fromQueue  = "the core's queue"
	fromLanes  = "the core's lanes"
	fromHost   = "the host's condition"
)

// conditionMetrics are all of them, as the page groups them.
var conditionMetrics = []struct {
	title string
	of    []conditionMetric
}{
	{"The host", hostMetrics}, {"The log", logMetrics}, {"Candidates and decisions", suffixMetrics}, {"The queue", queueMetrics},
	{"Installing", laneMetrics}, {"The snapshot", snapshotMetrics}, {"Memory and backpressure", memoryMetrics},
}

var hostMetrics = []conditionMetric{
	{metric.Definition{Name: "ichor_ready", Kind: metric.Gauge, Unit: "1 or 0", Help: "1 when /readyz says 200, 0 when 503.", From: fromHost,
		Advice: "When it is 0, `ichor_not_progressing` has the reason and /readyz the detail."},
		func(at *instant, put emit) { put(truth(at.readiness.Ready)) }},
	{metric.Definition{Name: "ichor_degraded", Kind: metric.Gauge, Unit: "1 or 0", Help: "1 while something is not as its operator wants it although the host works, as a guest's file that is not taken.", From: fromHost,
		Advice: "`degraded` on /readyz and in `ichor status` says what."},
		func(at *instant, put emit) { put(truth(at.readiness.Degraded != "")) }},
	{metric.Definition{Name: "ichor_not_progressing", Kind: metric.Gauge, Unit: "1", Labels: []string{"reason"},
		Help: "1 for the reason why the host is not ready, the same as in /readyz; no series while it is ready.", From: fromHost,
		Advice: "The README's table of reasons says of each what to do."},
		func(at *instant, put emit) {
			if !at.readiness.Ready {
				put(1, string(at.readiness.Reason))
			}
		}},
	{metric.Definition{Name: "ichor_role", Kind: metric.Gauge, Unit: "1 or 0", Labels: []string{"role"},
		Help: "1 for what the host is to its cohort: owner, standby, or none while it starts or ends.", From: fromHost,
		Advice: "Of all hosts of a cohort one should be the owner: with none nothing is installed."},
		func(at *instant, put emit) {
			owner, standby := at.condition.Phase == status.PhaseRunning, at.condition.Phase == status.PhaseStandby
			put(truth(owner), "owner")
			put(truth(standby), "standby")
			put(truth(!owner && !standby), "none")
		}},
	{metric.Definition{Name: "ichor_standby_bytes", Kind: metric.Gauge, Unit: "bytes", From: "the reading of a host that stands by",
		Help:   "What a host that stands by holds of the log for when it takes the cohort over.",
		Advice: "It ends at a quarter of `limits.memory`; at that the host reads on as the owner gets on."},
		func(at *instant, put emit) { put(float64(at.condition.Tail.Bytes)) }},
}

var logMetrics = []conditionMetric{
	{metric.Definition{Name: "ichor_log_end", Kind: metric.Gauge, Unit: "position", Help: "One above the last record of the log.", From: "the last answer of a broker",
		Advice: "It stands still while nobody writes to the topic."},
		func(at *instant, put emit) { put(float64(at.condition.Log.HighWatermark)) }},
	{metric.Definition{Name: "ichor_next_position", Kind: metric.Gauge, Unit: "position", Help: "Where the log is read next.", From: "the core, or the reading of a host that stands by",
		Advice: "Compare it with `ichor_log_end`."},
		func(at *instant, put emit) { put(at.next()) }},
	{metric.Definition{Name: "ichor_lag_positions", Kind: metric.Gauge, Unit: "positions", Help: "Positions of the log that are not read yet.", From: "the last answer of a broker and the core",
		Advice: "It grows while the host reads slower than others write, or pauses: look at `ichor_backpressure_pauses_total` and at what the queue waits for."},
		func(at *instant, put emit) { put(max(float64(at.condition.Log.HighWatermark)-at.next(), 0)) }},
	{metric.Definition{Name: "ichor_lag_seconds", Kind: metric.Gauge, Unit: "seconds", From: "the records' times and the core",
		Help:   "How old the oldest record is that is not settled, or not read yet, by its time in the log; 0 when there is none.",
		Advice: "This is how far the cohort is behind. Look at `ichor_not_progressing`, then at which of the times below grows."},
		func(at *instant, put emit) { put(at.lag()) }},
	gauge("resume_position", "position", "Where a restart would read from.", fromCore, "It is what retention must not reach: compare it with `ichor_kafka_log_start`.",
		func(s *replicator.Status) float64 { return float64(s.Resume) }),
	gauge("last_candidate", "version", "The highest candidate received; 0 for none yet.", fromCore, "It stands still while nobody asks the certifier for anything.",
		func(s *replicator.Status) float64 { return float64(s.Known) }),
	gauge("last_decision", "version", "The version that the newest decision received is about; 0 for none yet.", fromCore, "Far below `ichor_last_candidate` the certifier is behind.",
		func(s *replicator.Status) float64 { return float64(s.Decided) }),
	gauge("last_decision_position", "position", "Where in the log the newest decision received stands; 0 for none yet.", fromCore, "It stands still while the certifier decides nothing.",
		func(s *replicator.Status) float64 { return float64(s.Decision) }),
}

var suffixMetrics = []conditionMetric{
	counter("candidates", "candidates", "Candidates received.", "Its rate is the load.", func(s *replicator.Stats) uint64 { return s.Candidates }),
	counter("refused", "candidates", "Candidates that the certifier's parser refuses.", "Somebody writes what is no candidate: the log of the host has positions.",
		func(s *replicator.Stats) uint64 { return s.Refused }),
	counter("offset_zero", "candidates", "Candidates at position 0, which is never a version.", "The first message of a topic is lost to every replicator; send it again.",
		func(s *replicator.Stats) uint64 { return s.OffsetZero }),
	counter("redelivered", "records", "Records that were read before.", "Some after a reconnect are usual.",
		func(s *replicator.Stats) uint64 { return s.Redelivered }),
	{metric.Definition{Name: "ichor_decisions_total", Kind: metric.Counter, Unit: "decisions", Labels: []string{"outcome"}, From: fromCore,
		Help:   "Decisions received, by outcome, repeated ones too.",
		Advice: "Many aborts are conflicts between cohorts: it is for those who write them to look at."},
		func(at *instant, put emit) {
			put(float64(at.core.Stats.Committed), "committed")
			put(float64(at.core.Stats.Aborted), "aborted")
		}},
	counter("decisions_duplicate", "decisions", "Decisions about a candidate that repeats another.", "Cohorts send again what was not answered in time.",
		func(s *replicator.Stats) uint64 { return s.Duplicates }),
	counter("decisions_repeated", "decisions", "Decisions that say again what is known.", "A certifier that restarts decides again.",
		func(s *replicator.Stats) uint64 { return s.Repeated }),
	counter("decisions_unknown", "decisions", "Decisions about versions that are not known, or not any more.", "Some after a restart are usual.",
		func(s *replicator.Stats) uint64 { return s.UnknownDecisions }),
	counter("decisions_conflicting_outcome", "decisions", "Later decisions with another outcome than the first, which binds; also about settled versions.",
		"The certifier contradicts itself, and other cohorts may have taken the later one: the log of the host has both positions.",
		func(s *replicator.Stats) uint64 { return s.ConflictingOutcomes }),
	counter("decisions_conflicting_safepoint", "decisions", "Later decisions with another safepoint than the first, which binds.",
		"A certifier that restarts may reckon another one; nothing follows from it here.", func(s *replicator.Stats) uint64 { return s.ConflictingSafepoints }),
	counter("safepoints_too_low", "decisions", "Safepoints below an unsettled version that shares a key; counted while versions go ahead.",
		"The certifier had forgotten that version. The keys protect this cohort; one that goes by safepoints alone may install out of order.",
		func(s *replicator.Stats) uint64 { return s.SafepointsTooLow }),
	counter("late_commits", "decisions", "Commits of records that the certifier's parser refuses.", "Each is in `ichor.quarantine`: somebody else than the certifier decides.",
		func(s *replicator.Stats) uint64 { return s.LateCommits }),
	counter("candidates_missing", "versions", "Versions that were committed and that the log does not have.", "Each is held: look whether the topic was compacted.",
		func(s *replicator.Stats) uint64 { return s.MissingCandidates }),
	counter("abandoned", "candidates", "Candidates that an operator abandoned.", "Who and why stands in `ichor.audit`.", func(s *replicator.Stats) uint64 { return s.Abandoned }),
	gauge("suffix_size", "candidates", "Candidates that are not forwarded yet.", fromSuffix, "The certifier decides slower than is written: look at `ichor_oldest_undecided`.",
		func(s *replicator.Status) float64 { return float64(s.SuffixLen) }),
	gauge("suffix_head", "version", "The lowest candidate that is not forwarded; 0 for none.", fromSuffix, "`ichor explain` says what it waits for.",
		func(s *replicator.Status) float64 { return float64(s.SuffixHead) }),
	gauge("oldest_undecided", "version", "The lowest candidate without a decision; 0 for none.", fromSuffix, "`ichor explain` says how many wait for it.",
		func(s *replicator.Status) float64 { return float64(s.OldestUndecided) }),
	age("oldest_undecided_age", "How long ago the lowest candidate without a decision was read; 0 for none.", fromSuffix,
		"Look at the certifier. `ichor abandon` gives up a candidate that will never be decided.", func(s *replicator.Status) int64 { return s.OldestUndecidedSince }),
	gauge("undecided_passed", "versions", "Versions without a decision that others have passed.", fromQueue, "The certifier does not decide in order; what shares a key with them waits.",
		func(s *replicator.Status) float64 { return float64(s.Undecided) }),
}

var queueMetrics = []conditionMetric{
	gauge("last_forwarded", "version", "The highest version forwarded from the suffix to the queue.", fromQueue, "Compare it with `ichor_last_decision`.",
		func(s *replicator.Status) float64 { return float64(s.QueueLast) }),
	counter("forwarded", "versions", "Versions forwarded.", "Its rate is what is decided.", func(s *replicator.Stats) uint64 { return s.Forwarded }),
	gauge("converting", "versions", "Versions forwarded that wait for their statements: for a guest, or for a payload that is read again.", fromCore,
		"Guests are slower than decisions: look at `ichor_guest_call_seconds`.", func(s *replicator.Status) float64 { return float64(s.Converting) }),
	gauge("queue_last_received", "version", "The highest version whose statements the queue was given; 0 for none yet.", fromCore, "Far below `ichor_last_forwarded` the guests are behind.",
		func(s *replicator.Status) float64 { return float64(s.Received) }),
	counter("converted", "versions", "Versions of which a guest made statements.", "Its rate is that of the guests.", func(s *replicator.Stats) uint64 { return s.Converted }),
	counter("skipped_by_guest", "versions", "Versions for which a guest has nothing to install.", "It is the guest's choice.", func(s *replicator.Stats) uint64 { return s.SkippedByGuest }),
	gauge("queue_size", "versions", "Forwarded versions above the snapshot.", fromQueue, "Look at what the lowest of them waits for: `ichor_queue_head`.",
		func(s *replicator.Status) float64 { return float64(s.QueueLen) }),
	gauge("queue_head", "version", "The lowest unsettled version; 0 for none.", fromQueue, "`ichor explain` says what it waits for.",
		func(s *replicator.Status) float64 { return float64(s.QueueHead) }),
	age("queue_head_age", "How long ago the version was read that the snapshot waits for; 0 for none.", fromCore,
		"/readyz has the reason when nothing gets on.", func(s *replicator.Status) int64 { return s.Since }),
	counter("key_waits", "versions", "Versions that had to wait for one with a key of theirs; counted while versions go ahead.",
		"Many on few keys are the workload's: what waits for a held version goes when that is mended.", func(s *replicator.Stats) uint64 { return s.KeyWaits }),
	gauge("held", "versions", "Versions in quarantine now that hold the snapshot.", fromCore, "`ichor quarantine list` has them, with what waits for each.",
		func(s *replicator.Status) float64 { return float64(s.Held) }),
	counter("poisoned", "versions", "Versions that became poison, each time that they did.", "`ichor quarantine list` has the errors.", func(s *replicator.Stats) uint64 { return s.Poisoned }),
	counter("skipped_by_operator", "versions", "Held versions that an operator skipped.", "Who and why stands in `ichor.audit`.", func(s *replicator.Stats) uint64 { return s.SkippedByOperator }),
}

var laneMetrics = []conditionMetric{
	gauge("last_sent", "version", "The highest version that a lane was given; 0 for none yet.", fromLanes, "Far below `ichor_queue_last_received` versions wait for lanes, or for one another.",
		func(s *replicator.Status) float64 { return float64(s.Sent) }),
	gauge("in_flight", "versions", "Versions in a lane: their transaction has not ended, or nobody knows how.", fromLanes, "The database is slow: look at `ichor_database_seconds`.",
		func(s *replicator.Status) float64 { return float64(s.InFlight) }),
	gauge("oldest_in_flight", "version", "The lowest version in a lane; 0 for none.", fromLanes, "`ichor explain` says which lane.",
		func(s *replicator.Status) float64 { return float64(s.OldestInFlight) }),
	age("oldest_in_flight_age", "How long the lowest version in a lane has been there; 0 for none.", fromLanes,
		"Look for locks and load in the database; `installer.deadline` ends the transaction.", func(s *replicator.Status) int64 { return s.OldestInFlightSince }),
	gauge("lanes_up", "lanes", "Lanes with a connection to the database.", fromLanes, "Below `installer.lanes` connections are lost or refused: the log of the host says why.",
		func(s *replicator.Status) float64 { return float64(s.LanesUp) }),
	counter("installed", "versions", "Versions installed.", "Its rate is what the cohort gets.", func(s *replicator.Stats) uint64 { return s.Installed }),
	counter("groups", "transactions", "Transactions that were committed, of all kinds.", "Few versions in each are usual while there is no backlog.",
		func(s *replicator.Stats) uint64 { return s.Groups }),
	counter("groups_ahead", "transactions", "Transactions of versions beyond the lowest unsettled one.", "Something holds the snapshot: a held, undecided or slow version.",
		func(s *replicator.Stats) uint64 { return s.AheadGroups }),
	counter("groups_split", "groups", "Groups that were taken apart to find a poison version.", "Look at `ichor quarantine list`.", func(s *replicator.Stats) uint64 { return s.Splits }),
	{metric.Definition{Name: "ichor_install_failures_total", Kind: metric.Counter, Unit: "failures", Labels: []string{"class"}, From: fromLanes,
		Help:   "Failed transactions that install, and failed connections, by class; those that only move the snapshot are apart.",
		Advice: "contention is other writers, transient the connection, timeout a slow statement, poison a version; the log of the host has the errors."},
		func(at *instant, put emit) { byClass(put, &at.core.Stats.Failures) }},
	{metric.Definition{Name: "ichor_retries_total", Kind: metric.Counter, Unit: "groups", Labels: []string{"class"}, From: fromLanes,
		Help:   "Groups without effect that are tried again, by the class of what failed.",
		Advice: "As for `ichor_install_failures_total`; many of contention cost the other writers deadlocks too."},
		func(at *instant, put emit) { byClass(put, &at.core.Stats.Retries) }},
	counter("ambiguous_commits", "transactions", "Connections that were lost while a commit was on its way; the database is asked what became of it.",
		"Look at the network and at the database: each costs a reconnect.", func(s *replicator.Stats) uint64 { return s.InDoubt }),
	{metric.Definition{Name: "ichor_ambiguous_commits_resolved_total", Kind: metric.Counter, Unit: "transactions", Labels: []string{"outcome"}, From: fromLanes,
		Help: "Transactions in doubt of which it is known by now, by what became of them.", Advice: "Together as many as `ichor_ambiguous_commits_total`, but for those that are asked for now."},
		func(at *instant, put emit) {
			put(float64(at.core.Stats.DoubtCommitted), "committed")
			put(float64(at.core.Stats.DoubtAborted), "aborted")
		}},
}

var snapshotMetrics = []conditionMetric{
	gauge("snapshot", "version", "The version up to which all is installed, as the database has it.", fromQueue, "It stands still while there is nothing to install, or something holds it.",
		func(s *replicator.Status) float64 { return float64(s.Snapshot) }),
	gauge("snapshot_settled", "version", "The version up to which all is settled, written to the database or not yet.", fromQueue, "Above `ichor_snapshot` for long the snapshot cannot be written.",
		func(s *replicator.Status) float64 { return float64(s.Settled) }),
	age("snapshot_age", "How long ago the snapshot was last written, while a candidate above it is known; else 0.", fromCore,
		"Something holds it: `ichor_queue_head` is what, /readyz why.", func(s *replicator.Status) int64 {
			if s.QueueLen+s.SuffixLen == 0 {
				return 0
			}
			return s.SnapshotAt
		}),
	counter("flushes", "transactions", "Transactions that only moved the snapshot or the resume point.", "Aborted versions have nothing else to carry the snapshot over them.",
		func(s *replicator.Stats) uint64 { return s.Flushes }),
	counter("snapshot_failures", "failures", "Failed transactions that were to move the snapshot or the resume point alone.", "As for `ichor_install_failures_total`: it is the database, not a version.",
		func(s *replicator.Stats) uint64 { return s.SnapshotFailures }),
}

var memoryMetrics = []conditionMetric{
	gauge("memory_bytes", "bytes", "Memory that suffix and queue count against `limits.memory`.", fromCore, "Compare it with `ichor_memory_limit_bytes`; reading pauses before it is full.",
		func(s *replicator.Status) float64 { return float64(s.Bytes) }),
	counter("backpressure_pauses", "pauses", "Pauses of reading, since what is decided filled the memory.", "The database or a guest is slower than the log; nothing is lost.",
		func(s *replicator.Stats) uint64 { return s.Pauses }),
	{metric.Definition{Name: "ichor_backpressure_seconds_total", Kind: metric.Counter, Unit: "seconds", Help: "Time in which reading was paused, of a pause that lasts too.", From: fromCore,
		Advice: "Its rate is the share of the time: near 1 the host cannot keep up."},
		func(at *instant, put emit) { put(float64(at.core.Stats.PausedTotal) / 1e9) }},
	gauge("backpressure_longest_seconds", "seconds", "The longest pause of reading.", fromCore, "As long as the database needed for the whole memory of versions.",
		func(s *replicator.Status) float64 { return float64(s.Stats.PausedLongest) / 1e9 }),
	counter("payloads_let_go", "candidates", "Payloads of undecided candidates that were dropped to bound the memory.", "The certifier is far behind; each is read again from the log.",
		func(s *replicator.Stats) uint64 { return s.LetGo }),
	counter("payloads_refetched", "candidates", "Payloads that were read again.", "Also those of held versions that are tried again.", func(s *replicator.Stats) uint64 { return s.Refetched }),
	counter("backlog_skips", "times", "Times that reading left undecided candidates out for want of memory, to read them later.", "The certifier is very far behind, or raise `limits.memory`.",
		func(s *replicator.Stats) uint64 { return s.Skips }),
}

// byClass emits a count for each class of failure.
func byClass(put emit, counts *[replicator.Classes]uint64) {
	for class, n := range counts {
		put(float64(n), replicator.Class(class).String())
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
