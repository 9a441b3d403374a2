package host

import (
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// ErrFenced is in the chain of Run's error when another host took the cohort over.
var ErrFenced = errors.New("another host owns the cohort now")

// errDatabaseRegressed makes Run load everything again.
var errDatabaseRegressed = errors.New("the database lost commits")

// StopError is why a host ended although nobody told it to.
type StopError struct {
	Reason  replicator.StopReason
	Failure replicator.Failure
}

// Error implements error.
func (e *StopError) Error() string {
	if e.Reason == replicator.StopFenced {
		return fmt.Sprintf("%v: %v", ErrFenced, e.Failure)
	}
	return fmt.Sprintf("%v: %v", e.Reason, e.Failure)
}

// Unwrap returns ErrFenced for a host whose cohort another one took, and what the log or the
// database said.
func (e *StopError) Unwrap() []error {
	var chain []error
	if e.Reason == replicator.StopFenced {
		chain = append(chain, ErrFenced)
	}
	if e.Failure.Cause != nil {
		chain = append(chain, e.Failure.Cause)
	}
	return chain
}

// verdict says what a session's end means for the host: nil when it was told to end, also when that
// took longer than it may; errDatabaseRegressed when everything must be loaded again; a *StopError
// otherwise.
func verdict(stop replicator.Stop) error {
	switch stop.Reason {
	case replicator.StopDrained, replicator.StopDrainOverdue:
		return nil
	case replicator.StopDatabaseRegressed:
		return fmt.Errorf("%w: %v", errDatabaseRegressed, stop.Failure)
	default:
		return &StopError{stop.Reason, stop.Failure}
	}
}
