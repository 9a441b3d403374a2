package host

import (
	"errors"
	"testing"

	"github.com/ichor-replicator/ichor/host/replicator"
)

// What the end of a session means for the host.
func TestVerdictOfAStop(t *testing.T) {
	cause := errors.New("the cause")
	for _, reason := range []replicator.StopReason{
		replicator.StopDrained, replicator.StopFenced, replicator.StopDatabaseRegressed,
		replicator.StopBrokenPromise, replicator.StopHalted, replicator.StopDrainOverdue,
	} {
		err := verdict(replicator.Stop{Reason: reason, Failure: replicator.Failure{Kind: "k", Cause: cause}})
		var stop *StopError
		stopped := errors.As(err, &stop)
		ends := reason == replicator.StopDrained || reason == replicator.StopDrainOverdue
		again := reason == replicator.StopDatabaseRegressed
		if (err == nil) != ends || errors.Is(err, errDatabaseRegressed) != again || stopped != (!ends && !again) {
			t.Errorf("%v: %v", reason, err)
		}
		if errors.Is(err, ErrFenced) != (reason == replicator.StopFenced) || stopped && !errors.Is(err, cause) {
			t.Errorf("%v: the chain of %v", reason, err)
		}
	}
}
