package host

import "github.com/ichor-replicator/ichor/host/replicator"

// notice logs what an operator should read, each kind at a bounded rate.
func (s *session) notice(n *replicator.Notice) {
	switch n.Kind {
	case replicator.OffsetZero:
		s.log.Info("the record at position 0 is a candidate; it is never a version")
	case replicator.HeldVersion:
		if s.metrics.allow("held") {
			s.log.Error("a version can not be installed: it is in ichor.quarantine and holds the snapshot", "version", n.Version, "because", n.Failure)
		}
	case replicator.LateCommit:
		if s.metrics.allow("late commit") {
			s.log.Error("a record was committed that the certifier's parser refuses: it is in ichor.quarantine", "version", n.Version)
		}
	case replicator.CandidateMissing:
		if s.metrics.allow("missing") {
			s.log.Error("a candidate was committed that the log does not have: it is in ichor.quarantine", "version", n.Version, "because", n.Failure)
		}
	case replicator.BacklogTooLong:
		s.log.Warn("too many undecided candidates for limits.memory: those from here on are read again later", "version", n.Version)
	case replicator.ConflictOutcome:
		if s.metrics.allow("conflict") {
			s.log.Warn("two decisions contradict each other: the first binds", "version", n.Version, "first", n.First, "later", n.Later)
		}
	case replicator.GroupRetried:
		if s.metrics.allow("retried") {
			s.log.Warn("a group was rolled back and is tried again", "version", n.Version, "because", n.Failure)
		}
	case replicator.LaneDisconnected:
		if s.metrics.allow("lane") {
			s.log.Warn("a connection to the database was lost: connecting again", "because", n.Failure)
		}
	}
}
