package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/installer/pgtest"
	"github.com/ichor-replicator/ichor/host/status"
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
		var both sync.WaitGroup
		both.Go(func() { w.ready.follow(watching, w.traffic) })
		both.Go(func() { w.offsets.follow(watching, w) })
		both.Wait()
	}()
	defer func() {
		stop()
		<-watched
	}()
	alone := w.beside(ctx)
	defer alone()
	kinds := w.kinds()
	for i, f := range deck(kinds, o.Kills, w.random) {
		met, err := w.meet(ctx, &f)
		r.add(f.name, met, err)
		r.positions, r.hits, r.notes, r.seen = w.traffic.last.Load(), w.hits, w.notes, w.seen()
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
	err = w.ends(ctx)
	r.seen = w.seen()
	if err == nil && !o.Leave { // what is left behind is to be looked at
		alone()
		err = w.lastly(ctx)
		r.notes = w.notes
	}
	return r, errors.Join(err, r.verdict(kinds))
}

// begin starts the host, has what it commits noted from then on, and lets it install something.
func (w *world) begin(ctx context.Context) error {
	if err := w.traffic.begin(ctx); err != nil {
		return err
	}
	if err := w.host.Start(); err != nil {
		return err
	}
	if err := w.host.Ready(ctx, 2*w.options.Patience); err != nil {
		return err
	}
	if err := w.exec(ctx, sqlWatch); err != nil {
		return err
	}
	if err := w.traffic.batch(ctx, chunk, 0); err != nil { // that the triggers see
		return err
	}
	return errors.Join(w.settles(ctx), w.once(ctx))
}

// kinds are the faults that can be met here.
func (w *world) kinds() []fault {
	kinds := faults
	if w.options.Only != "" {
		kinds = named(w.options.Only)
	}
	if err := pgtest.FindPooler(); err != nil {
		w.note("without a pooler: %v", err)
		kinds = slices.DeleteFunc(slices.Clone(kinds), func(f fault) bool { return f.pooled })
	}
	return kinds
}

// deck is so many faults in the order in which they come: each as often as it weighs, shuffled, those behind
// a pooler at the end, and then again.
func deck(kinds []fault, many int, random *rand.Rand) (all []fault) {
	var round []fault
	for len(kinds) > 0 && len(all) < many {
		if len(round) == 0 {
			for _, f := range kinds {
				for range f.weight {
					round = append(round, f)
				}
			}
			random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
			slices.SortStableFunc(round, func(a, b fault) int { return cmp.Compare(behindOne(a), behindOne(b)) })
		}
		all, round = append(all, round[0]), round[1:]
	}
	return all
}

func behindOne(f fault) int {
	if f.pooled {
		return 1
	}
	return 0
}

// encounter is what became of one fault.
type encounter struct {
	recovery time.Duration   // from its end to the next installation
	reasons  []status.Reason // that the hosts said from its beginning until all was installed
	first    time.Duration   // how long nothing had been installed when the first was said
}

// meet lets a fault happen under traffic and checks what the host makes of it.
func (w *world) meet(ctx context.Context, f *fault) (e encounter, err error) {
	if err := w.behind(ctx, f.pooled); err != nil {
		return e, err
	}
	w.ready.begin(f, time.Now())
	sent := make(chan error, 1)
	go func() { sent <- w.traffic.batch(ctx, w.options.Batch, 600*time.Millisecond) }()
	if err = errors.Join(w.some(ctx, 400*time.Millisecond), f.do(ctx, w)); err == nil {
		if e.recovery, err = w.recovers(ctx); err == nil {
			err = w.books(ctx, false)
		}
	}
	if err = errors.Join(err, <-sent); err == nil { // what comes after is installed too
		err = w.traffic.batch(ctx, chunk, 0)
	}
	if err == nil {
		err = w.settles(ctx)
	}
	if err == nil {
		w.offsets.settled()
	}
	var unsaid error
	if e.reasons, e.first, unsaid = w.ready.end(); err == nil {
		err = unsaid
	}
	if err == nil {
		err = w.offsets.end()
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
