package main

import (
	"context"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// journeysAsked is how many of the recent journeys are asked for at once.
const journeysAsked = 1500

// journeys collects what the host says about the way of each version. The host measured it: nobody
// else can.
type journeys struct {
	host *stage.Host

	mu   sync.Mutex
	seen map[talos.Version]journey
}

// journey is the way of one version.
type journey struct {
	guest               string // the digest of the guest that converted it
	installed, snapshot time.Duration
	hasInstalled        bool
	// Around the guest call: from the candidate to it, in it, and from it to the
	// installation.
	before, call, after time.Duration
	hasCall             bool
}

func newJourneys(host *stage.Host) *journeys {
	return &journeys{host: host, seen: map[talos.Version]journey{}}
}

// ask asks the host once. While it is down there is no answer, which is an error.
func (j *journeys) ask(ctx context.Context) error {
	recent, err := j.host.Journeys(ctx, journeysAsked)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range recent {
		begun, _ := r.Get(timing.ReplicatorCandidateReceived)
		installed, hasInstalled := r.Get(timing.InstallerStatemapInstallationComplete)
		persisted, hasPersisted := r.Get(timing.SnapshotPersisted)
		if begun == 0 || !hasPersisted {
			continue
		}
		j.seen[r.Version] = journey{
			guest: r.Guest, installed: time.Duration(installed - begun), hasInstalled: hasInstalled,
			snapshot: time.Duration(persisted - begun),
		}.withCall(r)
	}
	return nil
}

// withCall adds the times around the guest call.
func (j journey) withCall(r *timing.Journey) journey {
	between := func(from, to timing.Event) (took time.Duration, known bool) {
		ns, known := r.Between(from, to)
		return time.Duration(ns), known
	}
	var called, answered bool
	j.before, called = between(timing.ReplicatorCandidateReceived, timing.GuestConversionBegin)
	j.call, answered = between(timing.GuestConversionBegin, timing.GuestConversionComplete)
	j.after, _ = between(timing.GuestConversionComplete, timing.InstallerStatemapInstallationComplete)
	j.hasCall = called && answered && j.hasInstalled
	return j
}

// all returns the journeys that were seen.
func (j *journeys) all() map[talos.Version]journey {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seen
}

// latencies summarises the journeys that were seen.
type latencies struct {
	journeys                     int
	install50, install99, snap99 time.Duration
	before, call, after          spread // around the guest call
}

// spread is a median and the 99th percentile.
type spread struct{ p50, p99 time.Duration }

func spreadOf(values []time.Duration) spread {
	return spread{stage.Percentile(values, 50), stage.Percentile(values, 99)}
}

// summarise takes the percentiles of all journeys that were seen.
func summarise(seen map[talos.Version]journey) latencies {
	var installed, snapshot, before, call, after []time.Duration
	for _, j := range seen {
		snapshot = append(snapshot, j.snapshot)
		if j.hasInstalled {
			installed = append(installed, j.installed)
		}
		if j.hasCall {
			before, call, after = append(before, j.before), append(call, j.call), append(after, j.after)
		}
	}
	return latencies{
		journeys: len(installed), install50: stage.Percentile(installed, 50), install99: stage.Percentile(installed, 99), snap99: stage.Percentile(snapshot, 99),
		before: spreadOf(before), call: spreadOf(call), after: spreadOf(after),
	}
}
