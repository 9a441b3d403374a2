package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
)

// Finding is one thing that Check looked at: Err is nil when it is well.
type Finding struct {
	What string
	Note string
	Err  error
}

// Check looks at everything that a run needs, without taking the cohort over or changing
// anything. Each part is asked once; what is not reachable within the time-out is a finding.
func Check(ctx context.Context, opts Options, timeout time.Duration) []Finding {
	opts.Fill()
	if err := opts.Validate(); err != nil {
		return []Finding{{What: "settings", Err: err}}
	}
	findings := []Finding{{What: "settings"}}
	quiet := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	store, state, database := checkDatabase(ctx, opts, quiet)
	findings = append(findings, checkTopic(ctx, opts, quiet, state), database)
	metrics := guest.NewMetrics(prometheus.NewRegistry())
	g := newGuests(opts.Guests, store, metrics, quiet)
	if store != nil {
		g.opts.Limits.Passes = lookUp{store}
	}
	for _, name := range g.names {
		findings = append(findings, g.check(ctx, name))
	}
	return findings
}

// checkDatabase returns no store when the database cannot be asked.
func checkDatabase(ctx context.Context, opts Options, log *slog.Logger) (*installer.Installer, *installer.State, Finding) {
	f := Finding{What: "database"}
	in, err := installer.New(opts.Database.Options, log)
	if err != nil {
		f.Err = err
		return nil, nil, f
	}
	state, err := in.Read(ctx)
	if err != nil {
		f.Err = err
		return nil, nil, f
	}
	f.Note = fmt.Sprintf("snapshot %d", state.Snapshot)
	return in, &state, f
}

func checkTopic(ctx context.Context, opts Options, log *slog.Logger, state *installer.State) Finding {
	f := Finding{What: "topic"}
	source, err := kafka.New(opts.Source.Options, log, nil)
	if err != nil {
		f.Err = err
		return f
	}
	defer source.Close()
	if state == nil { // the database could not be asked, and nobody knows where a host would begin
		facts, err := source.Facts(ctx)
		f.Err, f.Note = err, fmt.Sprintf("one partition, positions %d to %d", facts.Start, facts.End)
		return f
	}
	resume, facts, err := checkLog(ctx, source, state, opts.Source.Start)
	f.Err, f.Note = err, fmt.Sprintf("one partition, positions %d to %d, resume point %d", facts.Start, facts.End, resume)
	if facts.Cleanup == "" {
		f.Note += "; whether it is compacted could not be asked: grant describe-configs on the topic"
	}
	return f
}

func (g *guests) check(ctx context.Context, name string) Finding {
	f := Finding{What: "guest " + name}
	wasm, err := g.read(name)
	if err != nil {
		f.Err = err
		return f
	}
	generation, err := guest.Load(ctx, name, wasm, g.opts.Limits, g.log, g.metrics)
	if err != nil {
		f.Err = err
		return f
	}
	defer g.free(generation)
	f.Note = fmt.Sprintf("version %s, digest %s", generation.Manifest().Version, generation.Digest().Short())
	if g.store != nil {
		var told []string
		told, f.Err = tryTemplates(ctx, g.store, generation)
		for _, what := range told {
			f.Note += "; " + what
		}
	}
	return f
}

// lookUp asks what passed and keeps nothing.
type lookUp struct{ *installer.Installer }

// KeepPassed implements guest.Passes.
func (lookUp) KeepPassed(context.Context, string, string, string) error { return nil }
