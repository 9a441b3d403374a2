package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/timing"
)

const (
	samplesKept  = 900 // a quarter of an hour
	sampledEvery = time.Second
	timesKept    = 1024 // of one second; of more versions the latest
)

// Samples keeps what the host measured of itself, once a second. NewSamples makes them; they are safe for use by
// several goroutines.
type Samples struct {
	health func() (status.Readiness, status.Condition)

	mu        sync.Mutex
	kept      []status.Sample // a ring
	next      int
	times     [timesKept]int64 // of versions in this second, ns
	timed     int
	installed uint64 // by the core, at the sample before
}

// NewSamples returns none; health is asked for each.
func NewSamples(health func() (status.Readiness, status.Condition)) *Samples {
	return &Samples{health: health, kept: make([]status.Sample, 0, samplesKept)}
}

// Run is the goroutine that takes samples until ctx ends.
func (s *Samples) Run(ctx context.Context) {
	every := time.NewTicker(sampledEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			s.take()
		}
	}
}

// Observe implements timing.Observer. Who was installed above the snapshot counts then, and not again when it is passed.
func (s *Samples) Observe(j *timing.Journey) {
	if _, passed := j.Get(timing.SnapshotPersisted); passed && j.Ahead {
		return
	}
	took, ok := j.Between(timing.ReplicatorCandidateReceived, timing.InstallerStatemapInstallationComplete)
	if !ok {
		return
	}
	s.mu.Lock()
	s.times[s.timed%timesKept] = took
	s.timed++
	s.mu.Unlock()
}

func (s *Samples) take() {
	readiness, condition := s.health()
	core := &condition.Core
	one := status.Sample{
		At: condition.Now, Ready: readiness.Ready, Snapshot: core.Snapshot, Next: core.Next, LogEnd: core.End,
		Suffix: core.SuffixLen, Queue: core.QueueLen, InFlight: core.InFlight, Held: core.Held, Bytes: core.Bytes,
	}
	if core.Since != 0 {
		one.Waited = max(float64(condition.Now-core.Since)/1e9, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one.Installed = core.Stats.Installed
	if s.installed <= core.Stats.Installed { // it is less in a session that began since
		one.Installed -= s.installed
	}
	s.installed = core.Stats.Installed
	if times := s.times[:min(s.timed, timesKept)]; len(times) > 0 {
		slices.Sort(times)
		one.P50, one.P99 = float64(times[len(times)/2])/1e9, float64(times[(len(times)*99)/100])/1e9
	}
	s.timed = 0
	if len(s.kept) < samplesKept {
		s.kept = append(s.kept, one)
		return
	}
	s.kept[s.next] = one
	s.next = (s.next + 1) % samplesKept
}

// Latest returns what is kept, oldest first.
func (s *Samples) Latest() []status.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.kept[s.next:], s.kept[:s.next])
}
