package host

import (
	"errors"
	"fmt"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// What makes Run begin again: it loads everything again, or stands by.
var (
	errDatabaseRegressed = errors.New("the database lost commits")
	errSuperseded        = errors.New("another host owns the cohort now")
	errHandedOver        = errors.New("handed over")
)

// StopError is why a host ended although nobody told it to.
type StopError struct {
	Reason  replicator.StopReason
	Failure replicator.Failure
}

// Error implements error.
func (e *StopError) Error() string {
	return fmt.Sprintf("%v: %v", e.Reason, e.Failure)
}

// Unwrap returns what the log or the database said.
func (e *StopError) Unwrap() error { return e.Failure.Cause }

// verdict says what a session's end means for the host: nil when it was told to end, also when that
// took longer than it may; errDatabaseRegressed when everything must be loaded again; errSuperseded and
// errHandedOver when the cohort is another host's; a *StopError otherwise.
func verdict(stop replicator.Stop) error {
	switch stop.Reason {
	case replicator.StopDrained, replicator.StopDrainOverdue:
		return nil
	case replicator.StopDatabaseRegressed:
		return fmt.Errorf("%w: %v", errDatabaseRegressed, stop.Failure)
	case replicator.StopFenced:
		return fmt.Errorf("%w: %v", errSuperseded, stop.Failure)
	case replicator.StopHandedOver:
		return errHandedOver
	default:
		return &StopError{stop.Reason, stop.Failure}
	}
}
