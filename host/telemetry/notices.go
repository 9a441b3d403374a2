package telemetry

import (
	"log/slog"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// Notices logs what an operator should read, each kind at a bounded rate. A failure is said by its words: the rest of it
// may hold a user's row.
type Notices struct {
	Log       *slog.Logger
	Limit     *Limiter
	Incidents *Incidents // that may be a part of an outage
}

// Write logs a notice that the core gave at an instant.
func (s *Notices) Write(at int64, n *replicator.Notice) {
	switch n.Kind {
	case replicator.OffsetZero:
		s.Log.Info("the record at position 0 is a candidate; it is never a version")
	case replicator.HeldVersion:
		if s.Limit.Allow("held") {
			s.Log.Error("a version cannot be installed: it is in ichor.quarantine and holds the snapshot", "version", n.Version, "because", n.Failure.String())
		}
	case replicator.LateCommit:
		if s.Limit.Allow("late commit") {
			s.Log.Error("a record was committed that the certifier's parser refuses: it has no effects; see ichor quarantine show", "version", n.Version)
		}
	case replicator.CandidateMissing:
		if s.Limit.Allow("missing") {
			s.Log.Error("a candidate was committed that the log does not have: it is in ichor.quarantine", "version", n.Version, "because", n.Failure.String())
		}
	case replicator.BacklogTooLong:
		s.Log.Warn("too many undecided candidates for limits.memory: those from here on are read again later", "version", n.Version)
	case replicator.RequestAnswered:
		s.Log.Info("an operator's request", "request", n.Answer.Request, "is", n.Answer.Reply, "because", n.Answer.Words)
	case replicator.ConflictOutcome:
		if n.First == replicator.AtOperator {
			if s.Limit.Allow("abandoned") {
				s.Log.Warn("a version that an operator abandoned is decided after all: it stays aborted", "version", n.Version, "at", n.Later)
			}
			return
		}
		if s.Limit.Allow("conflict") {
			s.Log.Warn("two decisions contradict each other: the first binds", "version", n.Version, "first", n.First, "later", n.Later)
		}
	case replicator.GroupRetried:
		s.Incidents.Say(at, slog.LevelWarn, "a group was rolled back and is tried again", "version", n.Version, "because", n.Failure.String())
	case replicator.LaneDisconnected:
		s.Incidents.Say(at, slog.LevelWarn, "a connection to the database was lost: connecting again", "because", n.Failure.String())
	}
}
