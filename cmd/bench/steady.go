package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/examples/banking/workload"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/talos"
)

const (
	sampleEvery = 5 * time.Millisecond // of the snapshot's age
	paceEvery   = time.Millisecond     // messages that are due together go together
)

// steady is what a steady load showed.
type steady struct {
	candidates int
	took       time.Duration // in which they were sent
	quiet      []window      // without swaps; none is all of it
	journeys   latencies     // that began in a quiet window
	busy       swapped       // for a guest never seen, or for several in turn
	back       swapped       // there and back
	stop       time.Duration // the longest of the garbage collector
	ages       []time.Duration
	cpu        float64 // processors that the host kept busy
	initiator  initiator.Stats
}

// disturbance is what happens before a steady load begins and while it lasts. It ends when it is done, or with
// its context when the load is over.
type disturbance struct {
	before func(ctx context.Context, h *stage.Host) error // nil for nothing
	during func(ctx context.Context, h *stage.Host, bank *stage.Bank, out *steady) error
	wait   bool // the load is over only when it has ended by itself
}

// initiating runs a cohort's initiator beside the host, which installs all transfers too.
func (m *benchmark) initiating(topic string) disturbance {
	return disturbance{during: func(ctx context.Context, _ *stage.Host, bank *stage.Bank, out *steady) error {
		i := initiator.New(initiator.Options{Brokers: m.Brokers(), Topic: topic, Database: bank.URL})
		err := i.Run(ctx)
		out.initiator = i.Stats()
		return err
	}}
}

// load sends candidates at a steady rate, with a faithful certifier's decisions, to a fresh host and
// a fresh topic. What disturbs it is ended when all is sent, unless it is waited for.
func (m *benchmark) load(ctx context.Context, o options, topic string, disturb disturbance) (out steady, err error) {
	bank, err := m.bank(ctx, m.options.Accounts)
	if err != nil {
		return out, err
	}
	if err := m.Broker.CreateTopic(ctx, topic, 1, nil); err != nil {
		return out, err
	}
	h, err := m.host(ctx, topic, bank)
	if err != nil {
		return out, err
	}
	if err := h.Start(); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, h.Stop()) }()
	if err := h.Ready(ctx, o.Patience); err != nil {
		return out, err
	}
	if disturb.before != nil {
		if err := disturb.before(ctx, h); err != nil {
			return out, err
		}
	}
	conn, err := pgx.Connect(ctx, bank.URL)
	if err != nil {
		return out, err
	}
	defer conn.Close(context.Background())
	ages := &ages{leaveOut: o.leaveOut()}
	journeys := newJourneys(h, o.leaveOut())
	disturbed := make(chan error, 1)
	disturbing, leave := context.WithCancel(ctx)
	defer leave()
	go func() { disturbed <- disturb.during(disturbing, h, bank, &out) }()
	sampling, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var samplers sync.WaitGroup
	samplers.Go(func() { stop(ages.sample(sampling, conn)) })
	samplers.Go(func() { stop(journeys.sample(sampling)) })
	before, err := usageOf(h)
	if err == nil {
		out.candidates, out.took, err = m.send(sampling, o, topic, ages)
	}
	after, failed := usageOf(h)
	if err != nil || !disturb.wait {
		leave()
	}
	err = errors.Join(err, <-disturbed)
	stop(errSampled)
	samplers.Wait()
	if cause := context.Cause(sampling); !errors.Is(cause, errSampled) {
		err = errors.Join(err, cause)
	}
	if err = errors.Join(err, failed); err != nil {
		return out, err
	}
	out.ages = ages.taken
	for _, s := range []*swapped{&out.busy, &out.back} {
		s.journeys = journeys.summary(holdsAny(s.windows))
	}
	out.journeys = journeys.summary(func(t time.Time) bool { return len(out.quiet) == 0 || holdsAny(out.quiet)(t) })
	if out.stop, err = longestStop(ctx, h); err != nil {
		return out, err
	}
	out.cpu = (after.cpu - before.cpu).Seconds() / out.took.Seconds()
	_, _, err = m.await(ctx, h, conn, ages.last())
	return out, err
}

// errSampled ends the sampling when the load is over.
var errSampled = errors.New("the load is over")

// send sends what is due, and waits, until the time is over and every candidate is decided.
func (m *benchmark) send(ctx context.Context, o options, topic string, ages *ages) (candidates int, took time.Duration, err error) {
	generator, err := workload.New(workload.Options{
		Seed: o.Seed, Accounts: o.Accounts, Plain: true, MaxDelay: o.Delay, Now: time.Now,
	})
	if err != nil {
		return 0, 0, err
	}
	producer, err := m.Broker.NewProducer(topic, kafkatest.Uncompressed)
	if err != nil {
		return 0, 0, err
	}
	defer producer.Close()
	begun := time.Now()
	for ended := false; !ended; {
		passed := time.Since(begun)
		due := int(passed.Seconds() * o.Rate)
		if passed >= o.For {
			generator.Finish()
			due = generator.Counts().Candidates + 1 + o.Delay // the closing one and what is owed
		}
		var messages []kafkatest.Message
		var sent []certification.Message
		for generator.Counts().Candidates < due {
			m, more := generator.Next()
			if ended = !more; ended {
				break
			}
			sent, messages = append(sent, m), append(messages, messageOf(m))
		}
		if err := ages.send(time.Now(), sent); err != nil {
			return 0, 0, err
		}
		if _, err := producer.Produce(ctx, messages...); err != nil {
			return 0, 0, errors.Join(err, context.Cause(ctx))
		}
		if err := hosttest.Sleep(ctx, paceEvery); err != nil {
			return 0, 0, err
		}
	}
	return generator.Counts().Candidates, time.Since(begun), nil
}

// ages follows how long the snapshot lags behind what it could be. A version is ripe when it and
// every candidate before it is decided; the age of the snapshot is how long ago the oldest ripe
// version above it became ripe, and 0 when there is none. A version is taken to be ripe at the
// instant before its last decision was given to the broker, so that ages are never too low.
type ages struct {
	leaveOut time.Duration

	mu        sync.Mutex
	begun     time.Time
	undecided map[talos.Version]bool
	order     []talos.Version // candidates that are not ripe, ascending
	ripe      []ripening      // above the snapshot, ascending
	newest    talos.Version   // the newest that ever was ripe
	taken     []time.Duration
}

type ripening struct {
	version talos.Version
	at      time.Time
}

// send notes messages that are about to be sent.
func (a *ages) send(at time.Time, messages []certification.Message) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun.IsZero() {
		a.begun, a.undecided = at, map[talos.Version]bool{}
	}
	for _, m := range messages {
		switch kindOf(m) {
		case "Candidate":
			version := talos.Version(m.Position)
			if version == 0 {
				continue // a version of 0 is none: the certifier's first message is never installed
			}
			a.undecided[version] = true
			a.order = append(a.order, version)
		case "Decision":
			var d talos.Decision
			if err := talos.DecodeDecision(m.Value, &d); err != nil {
				return fmt.Errorf("the decision at %v: %w", m.Position, err)
			}
			delete(a.undecided, d.Version)
		}
	}
	for len(a.order) > 0 && !a.undecided[a.order[0]] {
		a.newest = a.order[0]
		a.ripe = append(a.ripe, ripening{a.newest, at})
		a.order = a.order[1:]
	}
	return nil
}

// last returns the newest version that ever was ripe.
func (a *ages) last() talos.Version {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newest
}

// see notes the snapshot as it was at an instant.
func (a *ages) see(snapshot talos.Version, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.ripe) > 0 && a.ripe[0].version <= snapshot {
		a.ripe = a.ripe[1:]
	}
	if a.begun.IsZero() || at.Sub(a.begun) < a.leaveOut {
		return
	}
	age := time.Duration(0)
	if len(a.ripe) > 0 {
		age = max(0, at.Sub(a.ripe[0].at))
	}
	a.taken = append(a.taken, age)
}

// sample reads the snapshot until the context ends. The instant is that before the reading, so
// what became ripe meanwhile is not held against the host.
func (a *ages) sample(ctx context.Context, conn *pgx.Conn) error {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		at := time.Now()
		snapshot, err := stage.Snapshot(context.WithoutCancel(ctx), conn)
		if err != nil {
			return err
		}
		a.see(snapshot, at)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
