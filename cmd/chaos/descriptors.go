package main

import (
	"context"
	"errors"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/status"
)

// noDescriptors lets the host open nothing for as long as it must explain, no connection and no file, and ends the sessions that it has
// with the database. Whoever asks whether it is ready has a connection already. It must not end, and goes on when it may open something.
func noDescriptors(ctx context.Context, w *world) error {
	process := w.host.ID()
	before, err := limitDescriptors(process, 0)
	if errors.Is(err, errors.ErrUnsupported) {
		w.note("no descriptors left: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	err = errors.Join(endBackends(ctx, w), hosttest.Sleep(ctx, long))
	_, raised := limitDescriptors(process, before)
	w.over = time.Now()
	return errors.Join(err, raised, w.hasSaid(status.DatabaseUnavailable))
}
