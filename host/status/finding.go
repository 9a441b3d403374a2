package status

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Finding is one thing that a check of a deployment looked at: Err is nil when it is well.
type Finding struct {
	What string // settings, topic, database, guest NAME, adoption or http
	Note string // what was found, for people
	Warn bool   // a host runs without it, and somebody should look
	Err  error
	Took time.Duration
}

// Timed looks at one thing, which gets so much time. What was not finished by then says so before
// anything else that went wrong because of that.
func Timed(ctx context.Context, timeout time.Duration, look func(context.Context) Finding) Finding {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	begun := time.Now()
	f := look(bounded)
	f.Took = time.Since(begun)
	if f.Err != nil && errors.Is(bounded.Err(), context.DeadlineExceeded) {
		f.Err = fmt.Errorf("not finished in %g s: --timeout: %w", timeout.Seconds(), f.Err)
	}
	return f
}
