package kafka

import (
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/talos"
)

// TruncatedError says that the asked position is gone: the log now starts above it
// (retention, or records were deleted). Nothing between the two numbers was read.
type TruncatedError struct {
	Asked, Start talos.Position
}

// Error implements error.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("log truncated: it is to be read from position %d, and starts at %d: what stood between is gone; "+
		"restore the database to a point that the log still reaches, or accept the gap with ichor db adopt --resume %d --reason ...", e.Asked, e.Start, e.Start)
}

// DivergedError says that this is not the log that was read before: it ends below the
// asked position, or another record stands where one was read.
type DivergedError struct {
	Asked, End talos.Position
	Reason     string // why, when it is not that Asked is above End
}

// Error implements error.
func (e *DivergedError) Error() string {
	what := fmt.Sprintf("it is to be read from position %d, and ends at %d", e.Asked, e.End)
	if e.Reason != "" {
		what = fmt.Sprintf("at position %d (the log ends at %d) %s", e.Asked, e.End, e.Reason)
	}
	return "log diverged: " + what + ": the topic was made again, lost records, or is another one; " +
		"point source at the log that this database was left with, or begin on this one with ichor db adopt --resume N --snapshot N-1 --reason ..."
}

// PartitionsError says that the topic has not exactly one partition, so that its
// offsets do not order the versions.
type PartitionsError struct {
	Topic      string
	Partitions int
}

// Error implements error.
func (e *PartitionsError) Error() string {
	return fmt.Sprintf("topic %q has %d partitions, it must have exactly one", e.Topic, e.Partitions)
}

// CompactedError says that the brokers take records out of the topic that a newer one of the same
// key follows: a decision has its candidate's key, so every decided candidate is taken.
type CompactedError struct {
	Topic, Policy string
}

// Error implements error.
func (e *CompactedError) Error() string {
	return fmt.Sprintf("topic %q has cleanup.policy=%s: compaction takes every candidate that is decided; set cleanup.policy=delete", e.Topic, e.Policy)
}

// MissingTopicError says that the brokers do not know the topic.
type MissingTopicError struct {
	Topic string
}

// Error implements error.
func (e *MissingTopicError) Error() string { return fmt.Sprintf("topic %q does not exist", e.Topic) }

// RefusedError says that the broker does not let us in: SASL, TLS or authorisation.
type RefusedError struct {
	What  string // what to look at
	Cause error
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("refused, check %s: %v", e.What, e.Cause) }

// Unwrap returns what the broker or the connection said.
func (e *RefusedError) Unwrap() error { return e.Cause }

// CorruptError says that the bytes at Position are not what the broker stored: a bad
// checksum, or a batch that cannot be decoded. Nothing at or above Position was read.
type CorruptError struct {
	Position talos.Position
	What     string
	Cause    error // nil where What says it all
}

// Error implements error.
func (e *CorruptError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("corrupt batch at position %d: %s: %v", e.Position, e.What, e.Cause)
	}
	return fmt.Sprintf("corrupt batch at position %d: %s", e.Position, e.What)
}

// Unwrap returns the decoder's error, if there is one.
func (e *CorruptError) Unwrap() error { return e.Cause }

// TransientError is everything else: the network, a broker that restarts, a leader
// that moved. Trying again is the answer.
type TransientError struct {
	Cause error
}

// Error implements error.
func (e *TransientError) Error() string { return fmt.Sprintf("brokers not reachable: %v", e.Cause) }

// Unwrap returns the cause.
func (e *TransientError) Unwrap() error { return e.Cause }

// Class is the kind of an error of this package, a stable word for metrics and reasons.
type Class string

// The classes of errors.
const (
	ClassNone         Class = ""
	ClassTruncated    Class = "log_truncated"
	ClassDiverged     Class = "log_diverged"
	ClassPartitions   Class = "partitions"
	ClassCompacted    Class = "log_compacted"
	ClassMissingTopic Class = "missing_topic"
	ClassRefused      Class = "refused"
	ClassCorrupt      Class = "corrupt"
	ClassTransient    Class = "transient"
)

// ClassOf returns the class of an error that a Log returned, ClassNone for nil and for
// errors that are not this package's (a cancelled context, the error of a callback).
func ClassOf(err error) Class {
	var (
		truncated  *TruncatedError
		diverged   *DivergedError
		partitions *PartitionsError
		compacted  *CompactedError
		missing    *MissingTopicError
		refused    *RefusedError
		corrupt    *CorruptError
		transient  *TransientError
	)
	switch {
	case errors.As(err, &truncated):
		return ClassTruncated
	case errors.As(err, &diverged):
		return ClassDiverged
	case errors.As(err, &partitions):
		return ClassPartitions
	case errors.As(err, &compacted):
		return ClassCompacted
	case errors.As(err, &missing):
		return ClassMissingTopic
	case errors.As(err, &refused):
		return ClassRefused
	case errors.As(err, &corrupt):
		return ClassCorrupt
	case errors.As(err, &transient):
		return ClassTransient
	default:
		return ClassNone
	}
}

// Retryable reports whether trying again may help without an operator's decision about
// the log. Missing topics, refusals and corrupt answers are retryable: people mend them.
func (c Class) Retryable() bool {
	switch c {
	case ClassMissingTopic, ClassRefused, ClassCorrupt, ClassTransient:
		return true
	default:
		return false
	}
}
