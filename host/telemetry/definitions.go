package telemetry

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/metric"
	"github.com/ichor-replicator/ichor/host/timing"
)

// The metrics that are counted where something happens.
var (
	buildInfo = metric.Definition{Name: "ichor_build_info", Kind: metric.Gauge, Unit: "1", Labels: []string{"version", "go_version"},
		Help: "1 for the version of the program.", From: "the binary", Advice: "Hosts of one cohort should have one version, but for the time of an upgrade."}
	epochTaken = metric.Definition{Name: "ichor_epoch", Kind: metric.Gauge, Unit: "epoch",
		Help: "The epoch with which this host owns the cohort; 0 while it does not.", From: "the taking over",
		Advice: "It grows with each take-over: often, and hosts take the cohort from one another; look at `database.lease`."}
	sessionsEnded = metric.Definition{Name: "ichor_sessions_ended_total", Kind: metric.Counter, Unit: "times", Labels: []string{"reason"},
		Help: "Times that this host's owning of the cohort ended, by why.", From: "the core's end",
		Advice: "fenced: another host took the cohort. database_regressed: the database lost commits, as a failover to a copy may; all is read from it again."}
	recordsRead = metric.Definition{Name: "ichor_records_total", Kind: metric.Counter, Unit: "records", Labels: []string{"kind", "reason"},
		Help: "Records of the log, by what they are; each is counted once.", From: "the decoding",
		Advice: "malformed and refused are what no replicator can read; the reason is the parser's word, and the log of the host has positions."}
	decisionsOfOthers = metric.Definition{Name: "ichor_decisions_other_xid_total", Kind: metric.Counter, Unit: "decisions",
		Help: "Decisions whose xid is another than that of the candidate that they are about. The version alone binds.", From: "the decoding",
		Advice: "No certifier makes one: look who else writes to the topic. The log of the host has positions."}
	positionsPassed = metric.Definition{Name: "ichor_positions_passed_total", Kind: metric.Counter, Unit: "positions", Labels: []string{"kind"},
		Help: "Positions of the log without a record for us, by why.", From: "the decoding", Advice: "Usual where producers write in transactions."}
	lastReceived = metric.Definition{Name: "ichor_installer_last_received", Kind: metric.Gauge, Unit: "version",
		Help: "The highest version that a lane took; 0 for none yet.", From: "the lanes", Advice: "Compare it with `ichor_last_sent`."}
	lanesWaiting = metric.Definition{Name: "ichor_installer_waiting", Kind: metric.Gauge, Unit: "versions",
		Help: "Versions that were handed to a lane and that it has not taken yet.", From: "the lanes", Advice: "It is 0 nearly always: a lane is given work when it has none. The host has no processor time."}
	groupVersions = metric.Definition{Name: "ichor_group_versions", Kind: metric.Histogram, Unit: "versions",
		Help: "Versions of a committed transaction; those that only move the snapshot are not counted.", From: "the lanes", Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		Advice: "Large ones are a backlog that is worked off; `installer.group_max` bounds them."}
	versionsUnchanged = metric.Definition{Name: "ichor_versions_unchanged_total", Kind: metric.Counter, Unit: "versions",
		Help: "Installed versions whose statements changed no row: an initiator had installed them before.", From: "the lanes",
		Advice: "Usual where initiators install by themselves; elsewhere a guest's statements match no row."}
	memoryLimit = metric.Definition{Name: "ichor_memory_limit_bytes", Kind: metric.Gauge, Unit: "bytes",
		Help: "What `limits.memory` allows.", From: "the settings", Advice: "Raise it for a certifier that is behind for long."}
)

// beside are those of them that a person reads beside the ones of the host's condition, by section.
var beside = map[string][]metric.Definition{
	"The host":                {epochTaken, sessionsEnded, buildInfo},
	"The log":                 {recordsRead, decisionsOfOthers, positionsPassed},
	"Installing":              {lastReceived, lanesWaiting, groupVersions, versionsUnchanged},
	"Memory and backpressure": {memoryLimit},
}

// stretch is a part of a version's way.
type stretch struct {
	name, help string
	from, to   timing.Event
	advice     string
}

// stretches are the parts that mean something by themselves.
var stretches = [...]stretch{
	{"certifier_wait", "from candidate to decision", timing.ReplicatorCandidateReceived, timing.ReplicatorDecisionReceived,
		"The certifier is slow, or the topic is."},
	{"head_of_line_wait", "from a version's decision to the decisions of all before it", timing.ReplicatorDecisionReceived, timing.ReplicatorStatemapPicked,
		"The certifier decides some late; after `installer.ahead_after` others pass them. Or the memory is full of what is decided."},
	{"conversion", "in the guest", timing.GuestConversionBegin, timing.GuestConversionComplete,
		"The guest is slow: `ichor guest bench` measures it alone."},
	{"queue_wait", "from its statements to a lane", timing.QueueStatemapReceived, timing.QueueStatemapSent,
		"It waits for a free lane, or for versions with keys of its own: more lanes help against the first alone."},
	{"lane_wait", "from a lane to its connection", timing.QueueStatemapSent, timing.InstallerStatemapInstallationBegin,
		"The group before it on the same connection takes its time."},
	{"database", "in the transaction", timing.InstallerStatemapInstallationBegin, timing.InstallerStatemapInstallationComplete,
		"Look at the database: load, locks, disk, the network to it."},
	{"decision_to_install", "from decision to commit", timing.ReplicatorDecisionReceived, timing.InstallerStatemapInstallationComplete,
		"This is the host's own share: look which of the stretches above is long."},
	{"candidate_to_install", "from candidate to commit", timing.ReplicatorCandidateReceived, timing.InstallerStatemapInstallationComplete,
		"This is how late the cohort's rows are; the certifier's share is in it."},
	{"candidate_to_snapshot", "from candidate to the snapshot that passed it", timing.ReplicatorCandidateReceived, timing.SnapshotPersisted,
		"This is how late other cohorts may trust the snapshot."},
}

func (s *stretch) definition() metric.Definition {
	return metric.Definition{
		Name: "ichor_" + s.name + "_seconds", Kind: metric.Histogram, Unit: "seconds", Help: "Time of a version " + s.help + ".",
		From: fmt.Sprintf("journeys, %v to %v", s.from, s.to), Advice: s.advice, Buckets: prometheus.ExponentialBuckets(100e-6, 2, 20),
	}
}
