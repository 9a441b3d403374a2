package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
)

// firstLoad is what it takes to load a guest that was not seen before.
type firstLoad struct {
	took    time.Duration
	peakMiB float64
}

// firstLoad has the host's binary load the guest, which compiles it and checks its SQL in a
// process of its own. Nothing of it is left for the hosts: the first finds a guest that was never
// seen, the others what the one before compiled.
//
// This comes before a topic is filled: Linux counts as the child's what the process that began it held in memory.
func (m *benchmark) firstLoad(ctx context.Context) (firstLoad, error) {
	settings := m.Settings("certification", m.Postgres.URL("postgres"), "cache-of-first-load", "127.0.0.1:0")
	file, err := m.WriteSettings("first-load", &settings)
	if err != nil {
		return firstLoad{}, err
	}
	begun := time.Now()
	state, err := m.Ichor(ctx, "guest", "inspect", "-c", file, m.Guests.File())
	if err != nil {
		return firstLoad{}, err
	}
	return firstLoad{time.Since(begun), hosttest.PeakMiB(state)}, nil
}

// groups asks the host how many transactions it has made.
func groups(ctx context.Context, h *stage.Host) (int, error) {
	var answer struct {
		Counts struct{ Groups, Installed int }
	}
	if err := h.Ask(ctx, "/v1/status", &answer); err != nil {
		return 0, err
	}
	if answer.Counts.Groups == 0 {
		return 0, errors.New("the host's status counts no transactions")
	}
	return answer.Counts.Groups, nil
}

// usage is what the host's process has used so far.
type usage struct {
	peakMiB float64       // the most memory that it ever had, VmHWM
	cpu     time.Duration // user and system
}

// usageOf reads what the kernel has counted of the host's process, which only Linux tells.
func usageOf(h *stage.Host) (u usage, err error) {
	process := fmt.Sprintf("/proc/%d/", h.ID())
	status, err := os.ReadFile(process + "status")
	if err != nil {
		return u, fmt.Errorf("peak memory of the host: %w", err)
	}
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	words := strings.Fields(rest)
	if !found || len(words) < 2 || words[1] != "kB" {
		return u, fmt.Errorf("peak memory of the host: %sstatus has no VmHWM in kB", process)
	}
	kib, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return u, fmt.Errorf("peak memory of the host: %w", err)
	}
	u.peakMiB = kib / 1024
	u.cpu, err = cpuTime(process + "stat")
	return u, err
}

// cpuTime reads how long a process has run. The kernel counts in hundredths of a second.
func cpuTime(file string) (time.Duration, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s has %d fields", file, len(fields))
	}
	var ticks int
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
