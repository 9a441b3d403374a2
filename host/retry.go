package host

import (
	"context"
	"log/slog"
	"time"
)

// The pauses between two tries double from the first to the longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// waiting is something that is tried until it succeeds.
type waiting struct {
	log  *slog.Logger
	what string      // is waited for
	show func(error) // is told why, after each try
}

// retryWhile retries until it succeeds, ctx ends, or the error cannot pass by itself. One line is logged
// when the waiting begins, and one when it ends.
func (w waiting) retryWhile(ctx context.Context, mayPass func(error) bool, try func() error) error {
	pause, begun := firstPause, time.Time{}
	for {
		err := try()
		switch {
		case err == nil && !begun.IsZero():
			w.log.Info("no longer waiting", "for", w.what, "after", time.Since(begun).Round(time.Millisecond))
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !mayPass(err):
			return err
		}
		w.show(err)
		if begun.IsZero() {
			begun = time.Now()
			w.log.Warn("waiting", "for", w.what, "because", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}
