package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/session"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// takeover takes the cohort over, once nobody else owns it. Everything that can refuse is asked BEFORE the
// epoch is taken: a host with a wrong topic, a bad guest or a missing right must not end the one that works,
// nor wait for its turn.
type takeover struct {
	opts   *Options
	log    *slog.Logger
	health *status.Health
	source *kafka.Log
	store  *installer.Installer
	guests *rollout.Guests
	lease  lease
	parts  *session.Parts
	tail   *session.Tail // of the log, while another host owns the cohort
	taken  bool          // everything was found good once: what is changed since is waited for
	begun  time.Time     // when what retry waits for failed first; zero when it answers
	still  func()        // ends the beat of an owner; nil for none
}

// beat tells the hosts that wait that this one lives, from the take-over on: what is loaded then may take longer than the lease.
func (t *takeover) beat() {
	ctx, stop := context.WithCancel(context.Background())
	var beating sync.WaitGroup
	beating.Go(func() { t.store.Beat(ctx, t.lease.span/beatShare) })
	t.still = func() {
		stop()
		beating.Wait()
		t.still = nil
	}
}

// endBeat ends what beat began, when the session has ended.
func (t *takeover) endBeat() {
	if t.still != nil {
		t.still()
	}
}

// run returns what a core begins with and what is held of the log from there on, once the cohort is this host's.
func (t *takeover) run(ctx context.Context) (start replicator.Start, held session.Held, err error) {
	defer t.dropTail()
	state, err := t.own(ctx)
	if err != nil {
		return start, held, err
	}
	t.beat()
	t.log.Info("took the cohort over", "epoch", state.Epoch, "snapshot", state.Snapshot, "owner", t.opts.Database.Owner)
	resume, _, err := t.checkLog(ctx, &state) // the owner before may have gone on meanwhile
	if err != nil {
		return start, held, fmt.Errorf("source: %w", err)
	}
	var cuts [][]replicator.Cut
	var trials []replicator.Trial
	err = t.retry(ctx, status.PhaseGuests, installer.IsTransient, func() (err error) {
		cuts, trials, err = t.guests.Start(ctx, state)
		return err
	})
	if err != nil {
		return start, held, fmt.Errorf("guests: %w", err)
	}
	if t.tail != nil {
		held = t.tail.Take(resume)
		t.log.Info("the log was read while standing by", "from", resume, "held", held.Bytes())
	}
	return replicator.Start{
		Snapshot: state.Snapshot, Resume: resume, Anchor: state.Anchor, Ledger: state.Ledger, Held: state.Held, Guests: cuts, Trials: trials,
		Requests: session.RequestsOf(state.Requests), Abandoned: state.Abandoned,
	}, held, nil
}

// dropTail ends the reading of a host that does not stand by any more.
func (t *takeover) dropTail() {
	if t.tail != nil {
		t.tail.Close()
	}
	t.tail = nil
}

// own makes this host the owner, after whoever owns the cohort.
func (t *takeover) own(ctx context.Context) (state installer.State, err error) {
	for again := false; ; again = true { // of a host that was overtaken everything is ready still
		found, err := t.prepare(ctx, again)
		if err != nil {
			return state, err
		}
		from, waited, err := t.standBy(ctx, &t.lease, &found)
		if err != nil {
			return state, fmt.Errorf("database: %w", err)
		}
		if waited { // what was found good may be so no more
			if found, err = t.prepare(ctx, true); err != nil {
				return state, err
			}
		}
		err = t.retry(ctx, status.PhaseDatabase, installer.IsTransient, func() (err error) {
			state, err = t.store.Take(ctx, from, found.cluster, t.opts.Source.Topic)
			return err
		})
		switch {
		case errors.Is(err, installer.ErrOvertaken):
			continue
		case err != nil:
			return state, fmt.Errorf("database: %w", err)
		}
		crash.At("taken")
		t.lease = lease{span: t.lease.span, own: t.store.Own()}
		return state, nil
	}
}

// releaseTime bounds the giving away: a host that waits goes after the lease all the same.
const releaseTime = 2 * time.Second

// release gives the cohort away, after everything of this host is durable.
func (t *takeover) release(handedOver bool) {
	crash.At("before-release")
	if t.lease.gave = handedOver; handedOver {
		t.health.Enter(status.PhaseUnowned, "this host gave the cohort away")
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	if err := t.store.Release(ctx); err != nil {
		t.log.Warn("another host takes the cohort over only after the lease", "lease", t.lease.span, "because", err)
	}
}

// tailShare is the part of limits.memory that a host which stands by holds of the log.
const tailShare = 4

// standBy waits until the cohort may be taken over, and returns from whom; it reads the log meanwhile, from
// where prepare found that the owner is. waited says that another host owned it.
func (t *takeover) standBy(ctx context.Context, l *lease, found *prepared) (from installer.Owner, waited bool, err error) {
	err = t.retry(ctx, status.PhaseDatabase, installer.IsTransient, func() (err error) {
		// While the database could not be asked the owner could not beat either.
		l.since, l.gone = time.Time{}, time.Time{}
		from, err = t.store.WatchOwner(ctx, installer.StandbySession, min(l.span/lookShare, longestLook), func(o installer.Owner) bool {
			if l.free(o, time.Now()) {
				return true
			}
			t.answered(status.PhaseDatabase)
			if !waited {
				t.log.Info("standing by", "owner", o.Name, "epoch", o.Epoch, "lease", l.span)
			}
			waited = true
			if t.tail == nil {
				t.tail = session.NewTail(*t.parts, t.opts.Core.Memory/tailShare, found.resume, found.anchor)
			}
			t.tail.Passed(o.Resume)
			if o.Released {
				t.health.Enter(status.PhaseUnowned, fmt.Sprintf("%s gave the cohort away", o.Name))
			} else {
				t.health.Enter(status.PhaseStandby, fmt.Sprintf("%s owns the cohort, with epoch %d", o.Name, o.Epoch))
			}
			return false
		})
		return err
	})
	return from, waited, err
}

// prepared is what prepare found.
type prepared struct {
	cluster string // of the log
	resume  talos.Position
	anchor  talos.Anchor
}

// prepare waits for the log and the database, and makes sure that the log is the one that the
// database was left with, that the role may do what a host does, and that the database takes the
// guests' SQL. again says that it was done before, and that nobody owned the cohort a moment ago.
func (t *takeover) prepare(ctx context.Context, again bool) (found prepared, err error) {
	if t.opts.Database.Init {
		if err := t.retry(ctx, status.PhaseDatabase, installer.IsTransient, func() error { return t.store.Init(ctx) }); err != nil {
			return found, fmt.Errorf("database: %w", err)
		}
	}
	var state installer.State
	err = t.retry(ctx, status.PhaseDatabase, installer.IsTransient, func() (err error) {
		state, err = t.store.Read(ctx)
		return err
	})
	if err != nil {
		return found, fmt.Errorf("database: %w", err)
	}
	resume, facts, err := t.checkLog(ctx, &state)
	if err != nil {
		return found, fmt.Errorf("source: %w", err)
	}
	if err := t.retry(ctx, status.PhaseGuests, rollout.MayPass, func() error { return t.guests.Prepare(ctx, state, again) }); err != nil {
		return found, fmt.Errorf("guests: %w", err)
	}
	t.taken = true
	return prepared{cluster: facts.ClusterID, resume: resume, anchor: state.Anchor}, nil
}

// The pauses between two tries double from the first to the longest.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// retry retries until it succeeds, ctx ends, or the error cannot pass by itself, nor by somebody who puts back what was there
// before; /readyz shows the phase and the error meanwhile. One line is logged when the waiting begins, and one when it ends.
func (t *takeover) retry(ctx context.Context, phase status.Phase, mayPass func(error) bool, try func() error) error {
	pause := firstPause
	t.begun = time.Time{}
	t.health.Enter(phase, "")
	for {
		err := try()
		switch {
		case err == nil:
			t.answered(phase)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !mayPass(err) && !(t.taken && rollout.IsChanged(err)):
			return err
		}
		t.health.Enter(phase, err.Error())
		if t.begun.IsZero() {
			t.begun = time.Now()
			t.log.Warn("waiting", "for", phase, "because", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// answered says that what was waited for in a phase answered.
func (t *takeover) answered(phase status.Phase) {
	if !t.begun.IsZero() {
		t.log.Info("no longer waiting", "for", phase, "after", time.Since(t.begun).Round(time.Millisecond))
		t.begun = time.Time{}
	}
}

// checkLog returns where to read from, after making sure that it is on the log that was left.
func (t *takeover) checkLog(ctx context.Context, state *installer.State) (resume talos.Position, facts kafka.Facts, err error) {
	err = t.retry(ctx, status.PhaseSource, func(err error) bool { return kafka.ClassOf(err).Retryable() }, func() (err error) {
		resume, facts, err = checkLog(ctx, t.source, state, t.opts.Source.Start)
		return err
	})
	if err == nil && !state.HasResume && state.Snapshot > 0 {
		t.log.Info("the database was served by another replicator: reading on after its snapshot", "snapshot", state.Snapshot)
	}
	return resume, facts, err
}
