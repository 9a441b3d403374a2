package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/talos"
)

// traffic is the workload while it runs, with the disturbances beside it.
type traffic struct {
	options options
	stage   *stage.Stage
	example example
	cohort  stage.Cohort
	host    *stage.Host
	watch   *snapshotWatch
	screen  *screen
	begun   time.Time

	generator *certification.Generator // of the messages, also of those after the end

	mu     sync.Mutex
	counts certification.Counts
	busy   int // disturbances that are not over
}

// run makes the traffic and the disturbances. It returns when all messages are in the log and
// all disturbances are over, or with the first error of any of them.
func (t *traffic) run(ctx context.Context) error {
	var err error
	t.generator, err = t.example.generator()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.begun = time.Now()
	disturbances := []func(context.Context) error{t.kill, t.swap}
	t.busy = len(disturbances)
	var group sync.WaitGroup
	for _, disturb := range disturbances {
		group.Go(func() {
			if err := disturb(ctx); err != nil {
				cancel(err)
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.busy--
		})
	}
	err = certification.Produce(ctx, t.generator, certification.Target{
		Brokers: t.stage.Brokers(), Topic: topic, Rate: t.options.Rate, Until: t.enough, Progress: t.show,
	})
	if err != nil {
		cancel(err)
	}
	group.Wait()
	t.screen.end()
	return context.Cause(ctx)
}

// enough reports whether the workload is as long as was asked and no disturbance is left: a host
// must be killed, and a guest swapped, under load.
func (t *traffic) enough(counts certification.Counts) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts = counts
	return t.busy == 0 && t.shareLocked() >= 1
}

// share returns how much of the workload is done, at least 1 when all of it is.
func (t *traffic) share() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shareLocked()
}

func (t *traffic) shareLocked() float64 {
	share := 1.0
	if t.options.Transfers > 0 {
		share = min(share, float64(t.counts.Done)/float64(t.options.Transfers))
	}
	if t.options.For > 0 {
		share = min(share, float64(time.Since(t.begun))/float64(t.options.For))
	}
	return share
}

func (t *traffic) show(counts certification.Counts) {
	snapshot, _ := t.watch.read()
	text := fmt.Sprintf("%d %s committed, snapshot %v", counts.Done, t.example.counted(), snapshot)
	if t.options.Kill > 0 {
		text += fmt.Sprintf(", killed %d times", t.host.Restarts())
	}
	if t.share() >= 1 {
		text += ", goes on until the host has been through all that was asked"
	}
	t.screen.progress(t.share(), text)
}

// turn waits until the n-th of m disturbances is due: they are spread over the workload.
func (t *traffic) turn(ctx context.Context, n, m int) error {
	for t.share() < float64(n)/float64(m+1) {
		if err := t.host.Check(); err != nil {
			return err
		}
		if err := hosttest.Sleep(ctx, watchEvery); err != nil {
			return err
		}
	}
	return nil
}

// kill kills the host as often as was asked, each time after it has installed something.
func (t *traffic) kill(ctx context.Context) error {
	for n := range t.options.Kill {
		if err := t.turn(ctx, n+1, t.options.Kill); err != nil {
			return err
		}
		before, _ := t.watch.read()
		if err := t.progress(ctx, before); err != nil {
			return err
		}
		if err := t.host.KillAndStart(); err != nil {
			return err
		}
		before, _ = t.watch.read()
		if err := t.progress(ctx, before); err != nil {
			return err
		}
		t.screen.say("killed the host at snapshot %v; it installs again", before)
	}
	return nil
}

// progress waits until the snapshot is beyond a version.
func (t *traffic) progress(ctx context.Context, version talos.Version) error {
	err := t.watch.wait(ctx, t.options.Settle, func(now talos.Version) bool { return now > version || t.host.Check() != nil })
	if ended := t.host.Check(); ended != nil {
		return ended
	}
	if err != nil {
		return fmt.Errorf("%w; the host's log ends:\n%s", err, t.host.Tail())
	}
	return nil
}

// swap replaces the guest as often as was asked, each time after the one before is in use.
func (t *traffic) swap(ctx context.Context) error {
	for n := range t.options.Swap {
		if err := t.turn(ctx, n+1, t.options.Swap); err != nil {
			return err
		}
		// A guest that is replaced before it converted anything is not in the history.
		placed := t.stage.Guests.Placed()
		if _, err := t.inUse(ctx, placed[len(placed)-1]); err != nil {
			return err
		}
		digest, err := t.stage.Guests.Place()
		if err != nil {
			return err
		}
		from, err := t.inUse(ctx, digest)
		if err != nil {
			return err
		}
		t.screen.say("swapped the guest: %.12s converts from version %v on", digest, from)
	}
	return nil
}

// inUse waits until the history names a guest, and returns the version it begins with.
func (t *traffic) inUse(ctx context.Context, digest string) (talos.Version, error) {
	for begun := time.Now(); ; {
		uses, err := t.cohort.History(ctx)
		if err != nil {
			return 0, err
		}
		for _, u := range uses {
			if u.Digest == digest && !u.Only {
				return u.From, nil
			}
		}
		if err := t.host.Check(); err != nil {
			return 0, err
		}
		if time.Since(begun) > t.options.Settle {
			return 0, fmt.Errorf("the host did not take guest %.12s within %v; its log ends:\n%s", digest, t.options.Settle, t.host.Tail())
		}
		if err := hosttest.Sleep(ctx, 2*watchEvery); err != nil {
			return 0, err
		}
	}
}
