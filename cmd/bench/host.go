package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

// host is a process of the host on a topic and a database of its own.
type host struct {
	*hosttest.Process
	address string
	dsn     string
}

// startHost makes the host's tables and starts it.
func (s *stage) startHost(ctx context.Context, topic, database string, o options) (*host, error) {
	h := &host{dsn: s.postgres.DSN(database)}
	var err error
	if h.address, err = hosttest.FreeAddress(); err != nil {
		return nil, err
	}
	file := s.path(database + ".yaml")
	if err := s.writeSettings(file, topic, database, h.address, "cache", o); err != nil {
		return nil, err
	}
	if _, _, err := hosttest.Run(ctx, s.ichor, "db", "init", "-c", file); err != nil {
		return nil, err
	}
	h.Process, err = hosttest.Start(s.ichor, file, s.path(database+".log"))
	return h, err
}

// writeSettings writes the host's settings.
func (s *stage) writeSettings(file, topic, database, address, cache string, o options) error {
	text := fmt.Sprintf(`source: {brokers: [%q], topic: %q, group: %q}
database: {url: %q}
guests: {directory: %q, cache_directory: %q, routes: [{cohort: "*", guest: %q}]}
installer: {lanes: %d, group_max: %d}
http: {listen: %q}
`, s.broker.Addr("plain"), topic, database, s.postgres.URL(database), s.path("guests"), s.path(cache), guestName, o.Lanes, o.Group, address)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the host's settings: %w", err)
	}
	return nil
}

// firstLook is what it takes to look at a guest that was not seen before.
type firstLook struct {
	took    time.Duration
	peakMiB float64
}

// look has the host's binary look at the guest, which compiles it and checks its SQL in a
// process of its own. Nothing of it is left for the hosts: the first finds a guest that was never
// seen, the others what the one before compiled.
func (s *stage) look(ctx context.Context, o options) (firstLook, error) {
	file, begun := s.path("look.yaml"), time.Now()
	if err := s.writeSettings(file, backlogTopic, "postgres", "127.0.0.1:0", "cache-of-look", o); err != nil {
		return firstLook{}, err
	}
	state, _, err := hosttest.Run(ctx, s.ichor, "guest", "inspect", "-c", file, s.path("guests/"+guestName+".wasm"))
	if err != nil {
		return firstLook{}, err
	}
	return firstLook{time.Since(begun), hosttest.PeakMiB(state)}, nil
}

// groups asks the host how many transactions it has made.
func (h *host) groups(ctx context.Context) (int, error) {
	response, err := h.get(ctx, "/v1/status")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Counts struct{ Groups, Installed int }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("ask the host for its status: %w", err)
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

// usage reads the kernel's figures of the process, which only Linux has.
func (h *host) usage() (u usage, err error) {
	folder := fmt.Sprintf("/proc/%d/", h.ID())
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return u, fmt.Errorf("peak memory of the host: %w", err)
	}
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	words := strings.Fields(rest)
	if !found || len(words) < 2 || words[1] != "kB" {
		return u, fmt.Errorf("peak memory of the host: %sstatus has no VmHWM in kB", folder)
	}
	kib, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return u, fmt.Errorf("peak memory of the host: %w", err)
	}
	u.peakMiB = kib / 1024
	u.cpu, err = cpuTime(folder + "stat")
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
