package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/spans/spanstest"
)

// asked is what Prometheus and an open page ask a host, each second.
var asked = []string{"/metrics", "/v1/status", "/v1/samples", "/v1/journeys?limit=100"}

// watched lets the host install a backlog while all that can be seen of it is looked at: its spans go to a receiver, and
// Prometheus and a page ask.
func (m *benchmark) watched(ctx context.Context, b *backlog) (backlogRun, error) {
	to, err := spanstest.Start()
	if err != nil {
		return backlogRun{}, err
	}
	defer to.Close()
	run, err := m.install(ctx, b, func(bank *stage.Bank, s *stage.Settings) {
		m.adjust(bank, s)
		s.Trace.Endpoint = to.Endpoint()
	}, look)
	if err == nil && len(to.Spans()) == 0 {
		err = errors.New("the receiver got no spans")
	}
	return run, err
}

// look asks until ctx ends. A host that starts may not answer yet.
func look(ctx context.Context, h *stage.Host) error {
	answers := false
	for {
		for _, path := range asked {
			err := readAll(ctx, h, path)
			if err != nil && answers && ctx.Err() == nil {
				return fmt.Errorf("the host that is watched: %w", err)
			}
			answers = answers || err == nil
		}
		pause := time.Second
		if !answers {
			pause = 50 * time.Millisecond
		}
		if hosttest.Sleep(ctx, pause) != nil {
			return nil //nolint:nilerr // that it ends is what was wanted
		}
	}
}

func readAll(ctx context.Context, h *stage.Host, path string) error {
	answer, err := h.Get(ctx, path)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}
