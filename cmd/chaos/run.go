package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
)

// breakAll brings everything up, breaks it as often as was asked, and takes it down.
func breakAll(ctx context.Context, o *options, out io.Writer) (r *report, err error) {
	w, err := open(ctx, o, out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r = newReport(o.Seed)
	if o.Leave {
		r.kept = w.stage.Dir
	}
	if err := w.begin(ctx); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.ready.follow(watching)
	}()
	defer func() {
		stop()
		<-watched
	}()
	defer w.beside(ctx)()
	for i, f := range deck(o, w.random) {
		met, err := w.meet(ctx, &f)
		r.add(f.name, met, err)
		r.positions = w.traffic.last.Load()
		if err != nil {
			w.say(r.begun, "fault %d, %s: %v", i+1, f.name, err)
			var v *violation
			if !errors.As(err, &v) || !o.Forgiving {
				return r, err
			}
			continue
		}
		w.say(r.begun, "fault %d of %d, %s: installing again after %v%s", i+1, o.Kills, f.name, met.recovery.Round(time.Millisecond), met.words())
	}
	return r, r.verdict()
}

// begin starts the host and lets it install something.
func (w *world) begin(ctx context.Context) error {
	w.ready = &readiness{}
	w.use(w.host)
	if err := w.traffic.begin(ctx); err != nil {
		return err
	}
	if err := w.host.Start(); err != nil {
		return err
	}
	if err := w.host.Ready(ctx, 2*w.options.Patience); err != nil {
		return err
	}
	return errors.Join(w.settles(ctx), w.once(ctx))
}

// use makes a host the one that the cohort has.
func (w *world) use(h *stage.Host) {
	w.host = h
	w.ready.at(h.Address)
}

// deck is the faults in the order in which they come: each as often as it weighs, shuffled, and then again.
func deck(o *options, random *rand.Rand) (all []fault) {
	kinds := faults
	if o.Only != "" {
		kinds = named(o.Only)
	}
	var round []fault
	for len(all) < o.Kills {
		if len(round) == 0 {
			for _, f := range kinds {
				for range f.weight {
					round = append(round, f)
				}
			}
			random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		all, round = append(all, round[0]), round[1:]
	}
	return all
}

// encounter is what became of one fault.
type encounter struct {
	recovery time.Duration // from its end to the next installation
	reasons  []string      // that the host said from its beginning until all was installed
}

// silentMost is how long a host may install nothing without saying why: five seconds are promised.
const silentMost = 6 * time.Second

// meet lets a fault happen under traffic and checks what the host makes of it.
func (w *world) meet(ctx context.Context, f *fault) (e encounter, err error) {
	w.ready.forget()
	sent := make(chan error, 1)
	go func() { sent <- w.traffic.batch(ctx, w.options.Batch, 600*time.Millisecond) }()
	if err = errors.Join(w.some(ctx, 400*time.Millisecond), f.do(ctx, w)); err == nil {
		e.recovery, err = w.recovers(ctx)
	}
	if err = errors.Join(err, <-sent); err == nil { // what comes after is installed too
		err = w.traffic.batch(ctx, chunk, 0)
	}
	if err == nil {
		err = w.settles(ctx)
	}
	if e.reasons = w.ready.said(); err == nil && e.recovery > silentMost && len(e.reasons) == 0 {
		err = violated("it installed nothing for %v and said nothing about it", e.recovery)
	}
	if err == nil {
		err = w.once(ctx)
	}
	return e, err
}

// recovers waits until the host installs again, and returns how long that takes from now on, or from
// when the fault says that it was over.
func (w *world) recovers(ctx context.Context) (time.Duration, error) {
	over := w.over
	if over.IsZero() {
		over = time.Now()
	}
	w.over = time.Time{}
	before, err := w.state(ctx)
	if err == nil {
		err = w.reaches(ctx, func(s state) bool { return s.snapshot > before.snapshot || s.snapshot == w.traffic.last.Load() })
	}
	return time.Since(over), err
}
