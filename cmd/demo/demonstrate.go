package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/host/guest/guesttest"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// demonstrate does everything and leaves nothing behind, unless it was told to. The verdict is
// told as soon as it is known; a host that is to be kept runs on until the context ends.
func demonstrate(ctx context.Context, o options, s *screen, tell func(*report) error) (r *report, err error) {
	defer s.end()
	root, err := hosttest.Repository(ctx)
	if err != nil {
		return nil, err
	}
	var stage *stage
	err = s.during("starting a broker and a database; where no PostgreSQL is installed, one is downloaded", func() (err error) {
		stage, err = openStage(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	var (
		h      *host
		guests *guestFiles
	)
	err = s.during("compiling the guest and the host; the first time this takes some minutes", func() (err error) {
		h, guests, err = prepare(ctx, o, root, stage)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := h.start(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.stop()) }() // where the show ended before its end
	start := func() error { return h.ready(ctx, stage.listen, o.Settle) }
	if err := s.during("starting the host, which compiles and checks the guest", start); err != nil {
		return nil, err
	}
	d := show{traffic: traffic{
		options: o, stage: stage, host: h, guests: guests, screen: s, gauge: &gauge{journeys: newJourneys(stage.listen)},
	}}
	if r, err = d.run(ctx); err != nil {
		return nil, err
	}
	if o.Leave {
		r.Kept = stage.dir
	}
	if err := tell(r); err != nil || !o.Keep {
		return r, err
	}
	return r, d.linger(ctx, start)
}

// prepare builds what has to be built, furnishes the database, and places the first guest.
func prepare(ctx context.Context, o options, root string, s *stage) (*host, *guestFiles, error) {
	module := o.Guest
	if module == "" {
		module = s.path("guest.wasm")
		if err := guesttest.BuildBanking(ctx, root, module); err != nil {
			return nil, nil, err
		}
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		return nil, nil, err
	}
	guests := &guestFiles{dir: s.guests(), module: wasm}
	if _, err := guests.place(); err != nil {
		return nil, nil, err
	}
	h := &host{binary: o.Ichor, settings: s.path("ichor.yaml"), log: s.path("ichor.log")}
	if h.binary == "" {
		h.binary = s.path("ichor")
		if err := hosttest.Build(ctx, root, h.binary); err != nil {
			return nil, nil, err
		}
	}
	if err := writeSettings(h.settings, s); err != nil {
		return nil, nil, err
	}
	if err := s.furnish(ctx, filepath.Join(root, "examples/banking/schema.sql")); err != nil {
		return nil, nil, err
	}
	return h, guests, h.prepare(ctx)
}

// show is the part in which the host runs.
type show struct{ traffic }

// run makes the traffic, waits until the host is done with it, stops it and judges.
func (d *show) run(ctx context.Context) (*report, error) {
	following, stop := context.WithCancel(ctx)
	defer stop()
	followed := make(chan error, 1)
	go func() { followed <- d.gauge.follow(following, d.stage.dsn) }()
	d.screen.say("sending %s", d.plan())
	initiated := d.stage.beside(ctx)
	if err := d.traffic.run(ctx); err != nil {
		stop()
		_, failed := initiated()
		return nil, errors.Join(err, <-followed, failed)
	}
	d.screen.say("all is sent; waiting for the host")
	log, err := verdict.Read(ctx, []string{d.stage.brokers()}, topic)
	if err != nil {
		return nil, err
	}
	r := &report{}
	want := log.Snapshot()
	if err := d.settle(ctx, want); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		r.Problems = append(r.Problems, err.Error())
	}
	took := time.Since(d.begun)
	if r.Initiator, err = initiated(); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	_ = d.gauge.journeys.ask(ctx) // the last of them; where the host is gone the verdict says so
	stop()
	if err := errors.Join(<-followed, d.host.stop()); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	d.screen.say("judging")
	return r, d.judge(ctx, r, log, took)
}

// plan says what the workload will be.
func (d *show) plan() string {
	text := fmt.Sprintf("%d transfers", d.options.Transfers)
	if d.options.For > 0 {
		text = fmt.Sprintf("transfers for %v", d.options.For)
	}
	if d.options.Rate > 0 {
		text += fmt.Sprintf(" at %.0f/s", d.options.Rate)
	}
	return text
}

// settle waits until the host has installed everything that can be.
func (d *show) settle(ctx context.Context, want talos.Version) error {
	err := d.gauge.wait(ctx, d.options.Settle, func(now talos.Version) bool { return now >= want || d.host.check() != nil })
	if ended := d.host.check(); ended != nil {
		return ended
	}
	if errors.Is(err, errStuck) {
		return fmt.Errorf("%w; the host's log ends:\n%s", err, d.host.tail())
	}
	return err
}

// judge fills in the report.
func (d *show) judge(ctx context.Context, r *report, log *verdict.Log, took time.Duration) error {
	var err error
	if r.Check, err = verdict.Check(ctx, log, d.stage.opening, d.stage.dsn); err != nil {
		return err
	}
	uses, err := readHistory(ctx, d.stage.dsn)
	if err != nil {
		return err
	}
	var installed []talos.Version
	for _, v := range log.Versions() {
		if log.Class(v) == verdict.Installable {
			installed = append(installed, v)
		}
	}
	seen := d.gauge.journeys.all()
	r.Conversions = prove(uses, d.guests.made, installed, seen)
	r.Kills = d.host.restarts()
	r.conclude(took, summarise(seen))
	return nil
}
