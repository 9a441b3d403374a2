package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
)

// memory is what the host needs for a long backlog that is decided, and for one of which no candidate is
// decided before the last is there.
type memory struct {
	Candidates  int     `json:"candidates"`
	Rate        float64 `json:"decided_versions_per_s"`
	PeakMiB     float64 `json:"decided_peak_mib"`
	LateRate    float64 `json:"undecided_versions_per_s"` // from the first install to the last
	LatePeakMiB float64 `json:"undecided_peak_mib"`
	LateHeapMiB float64 `json:"undecided_live_heap_mib"` // the most that a collection left
}

// measureMemory installs both backlogs.
func (m *benchmark) measureMemory(ctx context.Context) (r memory, err error) {
	r.Candidates = m.options.Memory
	decided, err := m.fill(ctx, backlog{name: "decided", accounts: m.options.Accounts, codec: kafkatest.LZ4}, r.Candidates)
	if err != nil {
		return r, err
	}
	run, err := m.install(ctx, decided, m.adjust)
	if err != nil {
		return r, err
	}
	r.Rate, r.PeakMiB = run.rate, run.peakMiB
	undecided, err := m.fill(ctx, backlog{name: "undecided", accounts: m.options.Accounts, late: true, codec: kafkatest.LZ4}, r.Candidates)
	if err != nil {
		return r, err
	}
	run, err = m.install(ctx, undecided, m.adjust, func(ctx context.Context, h *stage.Host) error {
		r.LateHeapMiB = watchHeap(ctx, h)
		return nil
	})
	if err != nil {
		return r, err
	}
	r.LateRate, r.LatePeakMiB = run.rate, run.peakMiB
	return r, nil
}

// heapEvery is how often the heap is looked at.
const heapEvery = 200 * time.Millisecond

// watchHeap looks at what the host's collector has left, until the context ends, and returns the most.
func watchHeap(ctx context.Context, h *stage.Host) (most float64) {
	for {
		if live, err := liveHeap(ctx, h); err == nil { // there is no answer before it listens
			most = max(most, live)
		}
		if hosttest.Sleep(ctx, heapEvery) != nil {
			return most
		}
	}
}

// liveHeap returns how many MiB the latest collection left: the heap is collected again when it has
// grown by a share.
func liveHeap(ctx context.Context, h *stage.Host) (mib float64, err error) {
	answer, err := h.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	var next, growth float64
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "go_memstats_next_gc_bytes":
			next, err = strconv.ParseFloat(value, 64)
		case "go_gc_gogc_percent":
			growth, err = strconv.ParseFloat(value, 64)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	return next / (1 + growth/100) / (1 << 20), lines.Err()
}
