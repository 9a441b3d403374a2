package main

import (
	"context"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

const (
	askEvery      = 500 * time.Millisecond
	journeysAsked = 250 // a sample: asking for all of them would be a load of its own
)

// journeys are the host's own latencies of a sample of the versions. One goroutine uses them
// at a time.
type journeys struct {
	host     *stage.Host
	leaveOut time.Duration
	begun    time.Time
	seen     map[talos.Version]journey
}

// journey is how long one version took.
type journey struct {
	begun                       time.Time
	fromCandidate, fromDecision time.Duration
}

func newJourneys(h *stage.Host, leaveOut time.Duration) *journeys {
	return &journeys{host: h, leaveOut: leaveOut, seen: map[talos.Version]journey{}}
}

// sample asks until the context ends.
func (j *journeys) sample(ctx context.Context) error {
	j.begun = time.Now()
	for {
		if err := hosttest.Sleep(ctx, askEvery); err != nil {
			return err
		}
		if err := j.ask(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
}

// ask asks the host for its newest journeys.
func (j *journeys) ask(ctx context.Context) error {
	recent, err := j.host.Journeys(ctx, journeysAsked)
	if err != nil {
		return err
	}
	for _, r := range recent {
		candidate, _ := r.Get(timing.ReplicatorCandidateReceived)
		decision, _ := r.Get(timing.ReplicatorDecisionReceived)
		installed, _ := r.Get(timing.InstallerStatemapInstallationComplete)
		if candidate == 0 || installed == 0 || time.Unix(0, candidate).Sub(j.begun) < j.leaveOut {
			continue
		}
		j.seen[r.Version] = journey{time.Unix(0, candidate), time.Duration(installed - candidate), time.Duration(installed - decision)}
	}
	return nil
}

// latencies are percentiles of journeys: from the candidate and from the decision to the
// installation.
type latencies struct {
	journeys                                         int
	candidate50, candidate99, decision50, decision99 time.Duration
}

// summary returns the percentiles of the journeys that began at a wanted instant.
func (j *journeys) summary(wanted func(time.Time) bool) latencies {
	var fromCandidate, fromDecision []time.Duration
	for _, one := range j.seen {
		if !wanted(one.begun) {
			continue
		}
		fromCandidate, fromDecision = append(fromCandidate, one.fromCandidate), append(fromDecision, one.fromDecision)
	}
	return latencies{
		len(fromCandidate), stage.Percentile(fromCandidate, 50), stage.Percentile(fromCandidate, 99), stage.Percentile(fromDecision, 50), stage.Percentile(fromDecision, 99),
	}
}
