package host

import (
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// view is what the HTTP listener may ask of a host.
type view struct {
	health  *status.Health
	guests  *rollout.Guests
	journal *timing.Journal
	topic   string
	version string // of the program
}

// Status implements admin.Host.
func (v *view) Status() status.Status {
	verdict, condition := v.health.Readiness()
	verdict.Degraded = v.guests.Degraded()
	s := status.Of(condition, verdict, v.topic)
	s.Version, s.Guests = v.version, v.guests.Status()
	return s
}

// Readiness implements admin.Host.
func (v *view) Readiness() status.Readiness {
	verdict, _ := v.health.Readiness()
	verdict.Degraded = v.guests.Degraded()
	return verdict
}

// Journeys implements admin.Host.
func (v *view) Journeys() (recent, slowest []*timing.Journey) {
	return v.journal.Recent(), v.journal.Slowest()
}

// Journey implements admin.Host.
func (v *view) Journey(version talos.Version) *timing.Journey { return v.journal.Find(version) }
