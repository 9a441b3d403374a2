package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/session"
	"github.com/ichor-replicator/ichor/host/spans"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/telemetry"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Host is one replicator of one cohort. New makes one, Run runs it once.
type Host struct {
	opts     Options
	log      *slog.Logger
	health   *status.Health
	guests   *rollout.Guests
	source   *kafka.Log
	takeover takeover
	parts    session.Parts
	samples  *telemetry.Samples
	spans    *spans.Sender // nil for none
	admin    *admin.Server
	running  *atomic.Pointer[session.Session] // nil while none runs
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
	opts.Spans.Version, opts.Spans.Topic, opts.Spans.Instance = version, opts.Source.Topic, opts.Database.Owner
	routes, err := opts.Guests.RoutesText()
	if err != nil {
		return nil, err
	}
	opts.Database.Routes = routes
	store, err := installer.New(opts.Database.Options, log.With("component", "installer"))
	if err != nil {
		return nil, err
	}
	sender, err := spans.New(opts.Spans, log.With("component", "spans"), reg)
	if err != nil {
		return nil, err
	}
	source, err := kafka.New(opts.Source.Options, log, reg)
	if err != nil {
		return nil, err
	}
	health := status.NewHealth(opts.Source.DecisionOverdue, log)
	samples := telemetry.NewSamples(health.Readiness)
	guests := rollout.New(opts.Guests, store, guest.NewMetrics(reg), log)
	journal := timing.NewJournal(recentJourneys, slowestJourneys)
	xids, running := new(session.XIDs), new(atomic.Pointer[session.Session])
	shown := &view{health: health, guests: guests, journal: journal, samples: samples, topic: opts.Source.Topic, version: version, memory: opts.Core.Memory, source: source, running: running, xids: xids, store: store}
	metrics := telemetry.NewMetrics(reg, telemetry.Facts{Version: version, Memory: opts.Core.Memory, Health: shown.readiness})
	h := &Host{
		opts: opts, log: log, health: health, guests: guests, source: source, samples: samples, spans: sender, running: running,
		takeover: takeover{opts: &opts, log: log, health: health, source: source, store: store, guests: guests, lease: lease{span: opts.Database.Lease}},
		parts: session.Parts{
			Source: source, Installer: store, Guests: guests, Health: health, Metrics: metrics, Log: log, Trace: opts.Trace, XIDs: xids, Spans: sender,
			Observers: []timing.Observer{journal, metrics, samples}, Early: []timing.Observer{journal, metrics, samples}, Unrouted: opts.Guests.Unrouted,
			Lanes: opts.Core.Lanes, Conversions: opts.Core.Conversions, ShutdownTimeout: opts.ShutdownTimeout, PolicyEvery: opts.Source.PolicyEvery,
		},
	}
	h.takeover.parts = &h.parts
	if sender != nil {
		h.parts.Observers = append(h.parts.Observers, sender)
	}
	if opts.Observer != nil {
		h.parts.Observers = append(h.parts.Observers, opts.Observer)
	}
	if opts.HTTP.Listen != "" {
		if h.admin, err = listen(opts.HTTP, reg, shown, log.With("component", "http")); err != nil {
			source.Close()
			return nil, err
		}
	}
	return h, nil
}

// listen takes the address of http.listen, and the tokens.
func listen(o HTTPOptions, reg *prometheus.Registry, shown *view, log *slog.Logger) (*admin.Server, error) {
	opts := admin.Options{Address: o.Listen, Hosts: o.Hosts, ModuleMost: abi.MaxModule}
	if o.Tokens != "" {
		var err error
		if opts.Tokens, err = admin.ReadTokens(o.Tokens, log); err != nil {
			return nil, err
		}
	}
	server, err := admin.Listen(opts, reg, shown, log)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w", err)
	}
	return server, nil
}

// Address returns where the host listens, or "" when it does not.
func (h *Host) Address() string {
	if h.admin == nil {
		return ""
	}
	return h.admin.Address()
}

// Run replicates until ctx ends, then drains: it finishes what is in flight, makes the
// snapshot durable, publishes the offset and returns nil, also when ctx ends before the host has
// begun, and when draining takes longer than it may. While another host owns the cohort, from the start or
// later, it stands by. Every other return is an error: a *StopError, or what a start was refused for. What
// may mend itself is waited for. Run may be called once.
func (h *Host) Run(ctx context.Context) error {
	defer h.source.Close()
	defer h.guests.Close()
	var beside sync.WaitGroup
	watched, end := context.WithCancel(context.WithoutCancel(ctx))
	defer beside.Wait()
	if h.admin != nil {
		h.admin.Serve()
		defer context.AfterFunc(ctx, h.admin.Drain)()
		defer h.admin.Close() // while the last spans are sent
	}
	defer end()
	beside.Go(func() { h.samples.Run(watched) })
	beside.Go(func() { h.spans.Run(watched) })
	beside.Go(func() { h.guests.Carry(watched) })
	for {
		err := h.session(ctx)
		switch {
		case errors.Is(err, errDatabaseRegressed):
			h.health.Enter(status.PhaseReloading, err.Error())
			h.log.Warn("everything is loaded again", "because", err)
		case errors.Is(err, errSuperseded):
			h.log.Warn("superseded: standing by", "because", err)
		case errors.Is(err, errHandedOver):
			h.log.Info("the cohort is given away: standing by")
		default:
			h.health.Enter(status.PhaseStopped, errorText(err))
			if err == nil {
				h.log.Info("ended")
			}
			return err
		}
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
	start, held, err := h.takeover.run(ctx)
	defer h.takeover.endBeat()
	if err != nil {
		if ctx.Err() != nil {
			h.log.Info("told to stop while it did not own the cohort", "while", err)
			return nil // what it was told to do is not an error, whatever it waited for
		}
		return err
	}
	opts := h.opts.Core
	opts.Seed = rand.Uint64()
	h.parts.Metrics.Began(h.takeover.store.Own().Epoch)
	s := session.New(h.parts, opts, start, held)
	h.health.Enter(status.PhaseRunning, "")
	h.running.Store(s)
	stop := s.Run(ctx)
	h.running.Store(nil)
	h.takeover.endBeat()
	h.parts.Metrics.Ended(stop.Reason)
	if stop.Reason == replicator.StopDrained || stop.Reason == replicator.StopHandedOver {
		h.takeover.release(stop.Reason == replicator.StopHandedOver)
	}
	if stop.Reason == replicator.StopDrainOverdue {
		h.log.Warn("not everything that was in flight was answered in time: the next start finds out", "timeout", h.opts.ShutdownTimeout)
	}
	return verdict(stop)
}

// version is stamped by the linker.
var version = "dev"

// Version returns the version of the binary.
func Version() string { return version }
