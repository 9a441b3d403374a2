package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/ichor-replicator/ichor/host/hosttest"
)

// askWithin is how long the host may take to answer a question.
const askWithin = 5 * time.Second

// Host is the process of a host: one at a time, and another after a kill. Its methods may be called
// from any goroutine.
type Host struct {
	Binary   string
	Settings string // the file
	Log      string // the file
	Address  string // where it listens
	Token    string // that it is asked with, see Stage.WriteToken; empty is none

	mu      sync.Mutex
	process *hosttest.Process // nil before the start and after the stop
	kills   int
}

// NewHost writes the settings of a host that reads the topic into the cohort, and makes the host's own
// tables there. change, unless it is nil, may change the settings before they are written.
func (s *Stage) NewHost(ctx context.Context, topic string, c Cohort, change func(*Settings)) (*Host, error) {
	listen, err := hosttest.FreeAddress()
	if err != nil {
		return nil, err
	}
	settings := s.Settings(topic, c.URL, "cache", listen)
	if change != nil {
		change(&settings)
	}
	h := &Host{Binary: s.ichor, Log: s.Path(c.Name + ".log"), Address: listen}
	if h.Settings, err = s.WriteSettings(c.Name, &settings); err != nil {
		return nil, err
	}
	_, err = s.Ichor(ctx, "db", "init", "-c", h.Settings)
	return h, err
}

// Ichor runs one of the host's verbs to its end. It returns an error with what the verb said unless
// the exit code is 0.
func (s *Stage) Ichor(ctx context.Context, args ...string) (*os.ProcessState, error) {
	state, _, err := hosttest.Run(ctx, s.ichor, args...)
	return state, err
}

// Start starts the host, which must not run, with variables in its environment, as in "NAME=text".
func (h *Host) Start(variables ...string) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.process, err = hosttest.Start(h.Binary, h.Settings, h.Log, variables...)
	return err
}

// running returns the process, or an error if there is none.
func (h *Host) running() (*hosttest.Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process == nil {
		return nil, errors.New("the host does not run")
	}
	return h.process, nil
}

// Ready waits until the host says that it is ready. It returns an error when the host ends before,
// or is not ready within patience.
func (h *Host) Ready(ctx context.Context, patience time.Duration) error {
	p, err := h.running()
	if err != nil {
		return err
	}
	return p.Ready(ctx, h.Address, patience)
}

// KillAndStart kills the host at whatever it does, and starts it again.
func (h *Host) KillAndStart() error {
	if err := h.Check(); err != nil {
		return err
	}
	h.mu.Lock()
	h.process.Kill()
	h.kills++
	h.mu.Unlock()
	return h.Start()
}

// Kill kills the host at whatever it does.
func (h *Host) Kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.process != nil {
		h.process.Kill()
		h.process = nil
	}
}

// Restarts returns how often the host was killed and started again.
func (h *Host) Restarts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kills
}

// ID returns the number that the kernel gave the process, 0 when there is none.
func (h *Host) ID() int {
	p, err := h.running()
	if err != nil {
		return 0
	}
	return p.ID()
}

// Signal sends the process a signal.
func (h *Host) Signal(signal syscall.Signal) error {
	p, err := h.running()
	if err == nil {
		p.Signal(signal)
	}
	return err
}

// Killed reports whether the process was ended by SIGKILL.
func (h *Host) Killed() bool {
	p, err := h.running()
	return err == nil && p.Killed()
}

// Check returns an error when the host has ended by itself.
func (h *Host) Check() error {
	p, err := h.running()
	if err != nil {
		return err
	}
	return p.Check()
}

// Ended waits until the host has ended, and returns how; see hosttest.Process.Ended.
func (h *Host) Ended(ctx context.Context, within time.Duration) (syscall.WaitStatus, error) {
	p, err := h.running()
	if err != nil {
		return 0, err
	}
	return p.Ended(ctx, within)
}

// Tail returns the last lines that the host wrote.
func (h *Host) Tail() string {
	p, err := h.running()
	if err != nil {
		return err.Error()
	}
	return p.Tail()
}

// Stop drains the host; it returns an error unless that ends well and in time.
func (h *Host) Stop() error {
	h.mu.Lock()
	process := h.process
	h.process = nil
	h.mu.Unlock()
	if process == nil {
		return nil
	}
	return process.Stop()
}

// Get asks the host for a path. The caller closes the answer, whose status is 200.
func (h *Host) Get(ctx context.Context, path string) (*http.Response, error) {
	request, err := h.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: askWithin}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the host for %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("ask the host for %s: %s", path, response.Status), response.Body.Close())
	}
	return response, nil
}

// Post has the host change something, for which it must know the token, and returns an error with what it says unless
// that is done or stands. It takes as long as the host does.
func (h *Host) Post(ctx context.Context, path, kind string, body []byte) error {
	request, err := h.request(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the host by %s: %w", path, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusAccepted {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 4096)) // the status tells enough
		return fmt.Errorf("ask the host by %s: %s: %s", path, response.Status, bytes.TrimSpace(said))
	}
	return nil
}

func (h *Host) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+h.Address+path, body)
	if err == nil && h.Token != "" {
		request.Header.Set("Authorization", "Bearer "+h.Token)
	}
	return request, err
}

// Ask asks the host for a path that is answered with JSON, and decodes that into answer.
func (h *Host) Ask(ctx context.Context, path string, answer any) error {
	response, err := h.Get(ctx, path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("ask the host for %s: %w", path, err)
	}
	return nil
}
