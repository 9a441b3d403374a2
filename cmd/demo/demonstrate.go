package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

const (
	topic    = "cohort.certification"
	database = "cohort"
)

// demonstrate does everything and leaves nothing behind, unless it was told to. The verdict is
// told as soon as it is known; a host that is to be kept runs on until the context ends.
func demonstrate(ctx context.Context, o options, s *screen, tell func(*report) error) (r *report, err error) {
	defer s.end()
	var on *stage.Stage
	err = s.during("starting a broker and a database; where no PostgreSQL is installed, one is downloaded", func() (err error) {
		on, err = openStage(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	d := show{traffic: traffic{options: o, stage: on, screen: s, example: newExample(o)}}
	err = s.during("compiling the guest and the host; the first time this takes some minutes", func() error { return d.prepare(ctx) })
	if err != nil {
		return nil, err
	}
	if err := d.host.Start(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.host.Stop()) }() // where the show ended before its end
	start := func() error { return d.host.Ready(ctx, o.Settle) }
	if err := s.during("starting the host, which compiles and checks the guest", start); err != nil {
		return nil, err
	}
	d.watch = &snapshotWatch{journeys: newJourneys(d.host)}
	if r, err = d.run(ctx); err != nil {
		return nil, err
	}
	if o.Leave {
		r.Kept = on.Dir
	}
	if err := tell(r); err != nil || !o.Keep {
		return r, err
	}
	return r, d.linger(ctx, start)
}

// openStage starts the broker, with an empty topic, and the database.
func openStage(ctx context.Context, o options) (*stage.Stage, error) {
	on, err := stage.Open(ctx, stage.Options{Name: "demo", Example: o.Example, Ichor: o.Ichor, Guest: o.Guest, Keep: o.Leave})
	if err != nil {
		return nil, err
	}
	if err := on.Broker.CreateTopic(ctx, topic, 1, map[string]string{"message.timestamp.type": "LogAppendTime"}); err != nil {
		return nil, errors.Join(err, on.Close())
	}
	return on, nil
}

// prepare builds what has to be built, and opens the cohort for a host that does not run yet.
func (d *show) prepare(ctx context.Context) (err error) {
	if err = d.stage.Build(ctx); err != nil {
		return err
	}
	if d.cohort, err = d.example.open(ctx, d.stage); err != nil {
		return err
	}
	d.host, err = d.stage.NewHost(ctx, topic, d.cohort, nil)
	return err
}

// show is the part in which the host runs.
type show struct{ traffic }

// run makes the traffic, waits until the host is done with it, stops it and judges.
func (d *show) run(ctx context.Context) (*report, error) {
	following, stop := context.WithCancel(ctx)
	defer stop()
	followed := make(chan error, 1)
	go func() { followed <- d.watch.follow(following, d.cohort.URL) }()
	d.screen.say("sending %s", d.plan())
	ended := d.example.beside(ctx, d.stage.Brokers())
	r := &report{}
	if err := d.traffic.run(ctx); err != nil {
		stop()
		return nil, errors.Join(err, <-followed, ended(r))
	}
	d.screen.say("all is sent; waiting for the host")
	log, err := d.example.read(ctx, d.stage.Brokers())
	if err != nil {
		return nil, err
	}
	want := log.Snapshot()
	if err := d.settle(ctx, want); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		r.Problems = append(r.Problems, err.Error())
	}
	took := time.Since(d.begun)
	if len(r.Problems) == 0 {
		if err := d.count(ctx, r, log); err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
	}
	if err := ended(r); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	if err := d.watch.journeys.ask(ctx); err != nil && d.host.Check() == nil { // the last of them
		r.Problems = append(r.Problems, fmt.Sprintf("the host does not tell its journeys: %v", err))
	}
	stop()
	if err := errors.Join(<-followed, d.host.Stop()); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	d.screen.say("judging")
	return r, d.judge(ctx, r, log, took)
}

// plan says what the workload will be.
func (d *show) plan() string {
	text := fmt.Sprintf("%d %s", d.options.Transfers, d.example.counted())
	if d.options.For > 0 {
		text = fmt.Sprintf("%s for %v", d.example.counted(), d.options.For)
	}
	if d.options.Rate > 0 {
		text += fmt.Sprintf(" at %.0f/s", d.options.Rate)
	}
	return text
}

// settle waits until the host has installed everything that can be.
func (d *show) settle(ctx context.Context, want talos.Version) error {
	err := d.watch.wait(ctx, d.options.Settle, func(now talos.Version) bool { return now >= want || d.host.Check() != nil })
	if ended := d.host.Check(); ended != nil {
		return ended
	}
	if errors.Is(err, errStuck) {
		return fmt.Errorf("%w; the host's log ends:\n%s", err, d.host.Tail())
	}
	return err
}

// count holds what the host counted against the log, once it has read the last decisions. One that was restarted
// has counted some of the log again.
func (d *show) count(ctx context.Context, r *report, log *transcript.Log) (err error) {
	if d.host.Restarts() > 0 {
		return nil
	}
	for begun := time.Now(); ; {
		if r.Counts, err = d.host.Counts(ctx); err != nil {
			return err
		}
		wrong := r.Counts.Against(log, 0)
		switch {
		case wrong == nil:
			return nil
		case time.Since(begun) > d.options.Settle:
			r.Miscounted = wrong.Error()
			return nil
		}
		if err := hosttest.Sleep(ctx, watchEvery); err != nil {
			return err
		}
	}
}

// judge fills in the report.
func (d *show) judge(ctx context.Context, r *report, log *transcript.Log, took time.Duration) error {
	if err := d.example.judge(ctx, log, r); err != nil {
		return err
	}
	books, evidence, err := d.stage.Books(ctx, topic, d.cohort, true)
	if err != nil {
		return err
	}
	r.Books = books
	var installed []talos.Version
	for _, v := range log.Versions() {
		if log.Class(v) == transcript.Installable {
			installed = append(installed, v)
		}
	}
	seen := d.watch.journeys.all()
	r.Conversions = prove(evidence.History, d.stage.Guests.Placed(), installed, seen)
	r.Kills = d.host.Restarts()
	r.conclude(took, summarise(seen))
	return nil
}
