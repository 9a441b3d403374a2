package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Host is one replicator of one cohort. New makes one, Run runs it once.
type Host struct {
	opts      Options
	log       *slog.Logger
	detail    *detail
	installer *installer.Installer
	source    *kafka.Log
	guests    *guests
	metrics   *metrics
	book      *timing.Book
	health    health
	admin     *admin.Server
}

// The journeys that the host keeps for people to look at.
const (
	recentJourneys  = 4096
	slowestJourneys = 64
)

// New checks the options and prepares a host. It listens, so that health can be asked from
// the beginning, but connects to nothing.
func New(opts Options, log *slog.Logger, reg *prometheus.Registry) (*Host, error) {
	opts.Fill()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	h := &Host{opts: opts, log: log, detail: newDetail(log), book: timing.NewBook(recentJourneys, slowestJourneys)}
	h.health.log, h.health.overdue = log, opts.Source.DecisionOverdue
	h.health.phase(PhaseStarting, "")
	var err error
	if h.installer, err = installer.New(opts.Database.Options, log.With("component", "installer")); err != nil {
		return nil, err
	}
	if h.source, err = kafka.New(opts.Source.Options, log, reg); err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	h.metrics = newMetrics(reg, h.health.status)
	h.guests = newGuests(opts.Guests, h.installer, guest.NewMetrics(reg), log)
	if opts.HTTP.Listen != "" {
		h.admin, err = admin.Listen(opts.HTTP.Listen, opts.HTTP.Hosts, reg, (*view)(h), log.With("component", "http"))
		if err != nil {
			h.source.Close()
			return nil, fmt.Errorf("http.listen: %w", err)
		}
	}
	return h, nil
}

// Address returns where the host listens, or "" when it does not.
func (h *Host) Address() string {
	if h.admin == nil {
		return ""
	}
	return h.admin.Address()
}

// ErrFenced is returned by Run when another host took the cohort over.
var ErrFenced = errors.New("another host owns the cohort now")

// errAgain makes Run load everything again.
var errAgain = errors.New("the database lost commits")

// StopError is why a host ended although nobody told it to.
type StopError struct {
	Reason  replicator.StopReason
	Failure replicator.Failure
}

// Error implements error.
func (e *StopError) Error() string {
	if e.Reason == replicator.StopFenced {
		return fmt.Sprintf("%v: %v", ErrFenced, e.Failure)
	}
	return fmt.Sprintf("%v: %v", e.Reason, e.Failure)
}

// Unwrap returns ErrFenced for a host whose cohort another one took, and what the log or the
// database said.
func (e *StopError) Unwrap() []error {
	var chain []error
	if e.Reason == replicator.StopFenced {
		chain = append(chain, ErrFenced)
	}
	if e.Failure.Cause != nil {
		chain = append(chain, e.Failure.Cause)
	}
	return chain
}

// Run replicates until ctx ends, then drains: it finishes what is in flight, makes the
// snapshot durable, publishes the offset and returns nil, also when ctx ends before the host has
// begun, and when draining takes longer than it may. Every other return is an error: a *StopError
// (ErrFenced is in its chain when another host took over), or what a start was refused for. What
// may mend itself is waited for. Run may be called once.
func (h *Host) Run(ctx context.Context) error {
	defer h.source.Close()
	defer h.guests.close()
	if h.admin != nil {
		defer h.admin.Close()
		h.admin.Serve()
	}
	for {
		err := h.session(ctx)
		if !errors.Is(err, errAgain) {
			h.health.phase(PhaseStopped, errorText(err))
			return err
		}
		h.health.phase(PhaseReloading, err.Error())
		h.log.Warn("everything is loaded again", "because", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// session starts, replicates and ends once.
func (h *Host) session(ctx context.Context) error {
	start, err := h.start(ctx)
	if err != nil {
		if ctx.Err() != nil {
			h.log.Info("told to stop before it began", "while", err)
			return nil //nolint:nilerr // what it was told to do is not an error, whatever it waited for
		}
		return err
	}
	opts := h.opts.Core
	opts.Seed = rand.Uint64()
	s := newSession(h, replicator.New(opts, start), start.Resume, start.Anchor)
	h.health.phase(PhaseRunning, "")
	stop := s.run(ctx)
	switch stop.Reason {
	case replicator.StopDrained:
		return nil
	case replicator.StopDrainOverdue:
		h.log.Warn("not everything that was in flight was answered in time: the next start finds out", "timeout", h.opts.ShutdownTimeout)
		return nil
	case replicator.StopDatabaseRegressed:
		return fmt.Errorf("%w: %v", errAgain, stop.Failure)
	default:
		return &StopError{stop.Reason, stop.Failure}
	}
}

// now is the host's clock.
func now() int64 { return time.Now().UnixNano() }

// version is stamped by the linker.
var version = "dev"

// Version returns the version of the binary.
func Version() string { return version }
