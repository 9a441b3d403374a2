package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// stopWithin is how long the host may take to drain.
const stopWithin = 15 * time.Second

// host is a process of the host on a topic and a database of its own.
type host struct {
	address string
	dsn     string
	log     string
	process *child
	ended   bool // by itself, and an error has said so
}

// startHost makes the host's tables and starts it.
func (s *stage) startHost(ctx context.Context, topic, database string, o options) (*host, error) {
	h := &host{dsn: s.postgres.DSN(database), log: s.path(database + ".log")}
	var err error
	if h.address, err = freeAddress(); err != nil {
		return nil, err
	}
	file := s.path(database + ".yaml")
	text := fmt.Sprintf(`source: {brokers: [%q], topic: %q, group: %q}
database: {url: %q}
guests: {directory: %q, cache_directory: %q, routes: [{cohort: "*", guest: %q}]}
installer: {lanes: %d, group_max: %d}
http: {listen: %q}
`, s.broker.Addr("plain"), topic, database, s.postgres.URL(database), s.path("guests"), s.path("cache"), guestName, o.Lanes, o.Group, h.address)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the host's settings: %w", err)
	}
	initialise := exec.CommandContext(ctx, s.ichor, "db", "init", "-c", file)
	initialise.Env = hostEnvironment(os.Environ())
	if said, err := initialise.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ichor db init: %w: %s", err, bytes.TrimSpace(said))
	}
	h.process, err = startChild(h.log, s.ichor, "run", "-c", file)
	return h, err
}

// check returns an error when the host has ended by itself.
func (h *host) check() error {
	if h.process.running() {
		return nil
	}
	h.ended = true
	how := "exit status 0"
	if h.process.err != nil {
		how = h.process.err.Error()
	}
	return fmt.Errorf("the host ended by itself: %s; its log ends:\n%s", how, h.tail())
}

// tail returns the last lines that the host wrote.
func (h *host) tail() string {
	const lines = 20
	text, err := os.ReadFile(h.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// stop drains the host; it returns an error unless that ends well and in time.
func (h *host) stop() error {
	if h.ended {
		return nil
	}
	if err := h.process.stop(stopWithin); err != nil {
		return fmt.Errorf("the host did not end well: %w; its log ends:\n%s", err, h.tail())
	}
	return nil
}

// groups asks the host how many transactions it has made.
func (h *host) groups(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.address+"/v1/status", nil)
	if err != nil {
		return 0, err
	}
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask the host for its status: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Counts struct{ Groups, Installed int }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("ask the host for its status: %s: %w", response.Status, err)
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
	folder := fmt.Sprintf("/proc/%d/", h.process.command.Process.Pid)
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
