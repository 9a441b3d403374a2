package host

import "github.com/ichor-replicator/ichor/host/replicator"

// notice logs what an operator should read, each kind at a bounded rate.
func (s *session) notice(n *replicator.Notice) {
	switch n.Kind {
	case replicator.OffsetZero:
		s.log.Info("the record at position 0 is a candidate; it is never a version")
	case replicator.HeldVersion:
		s.log.Error("a version can not be installed: it is in the quarantine and holds the snapshot", "version", n.Version, "because", n.Failure)
	case replicator.LateCommit:
		s.log.Error("a record was committed that the certifier's parser refuses: it is in the quarantine", "version", n.Version)
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
			s.log.Warn("the database is away: connecting again", "because", n.Failure)
		}
	}
}
