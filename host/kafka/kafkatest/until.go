package kafkatest

import (
	"context"
	"time"
)

// pollInterval is how often a condition in another process is looked at.
const pollInterval = 20 * time.Millisecond

// until repeats check until it holds or fails, or the context ends.
func until(ctx context.Context, check func() (bool, error)) error {
	for {
		if ok, err := check(); ok || err != nil {
			return err
		}
		timer := time.NewTimer(pollInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
