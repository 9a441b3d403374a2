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
		replicator.StopBrokenPromise, replicator.StopHalted, replicator.StopDrainOverdue, replicator.StopHandedOver,
	} {
		err := verdict(replicator.Stop{Reason: reason, Failure: replicator.Failure{Kind: "k", Cause: cause}})
		var stop *StopError
		stopped := errors.As(err, &stop)
		ends := reason == replicator.StopDrained || reason == replicator.StopDrainOverdue
		again := map[replicator.StopReason]error{
			replicator.StopDatabaseRegressed: errDatabaseRegressed, replicator.StopFenced: errSuperseded, replicator.StopHandedOver: errHandedOver,
		}[reason]
		if (err == nil) != ends || again != nil && !errors.Is(err, again) || stopped != (!ends && again == nil) || stopped && !errors.Is(err, cause) {
			t.Errorf("%v: %v", reason, err)
		}
	}
}
