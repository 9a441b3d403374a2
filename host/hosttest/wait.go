package hosttest

import (
	"context"
	"testing"
	"time"
)

const (
	// patience is how long a test waits for what must come. Nothing is measured against it: a machine
	// that is busy may take long.
	patience = 3 * time.Minute

	lookEvery = 2 * time.Millisecond
)

// Until looks again and again until holds does. After a while, patience, it fails the test with what otherwise
// says.
func Until(tb testing.TB, holds func() bool, otherwise func() string) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(lookEvery) {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", patience, otherwise())
		}
	}
}

// Sleep returns after a time, or with the cause of the context's end.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
