package host

import (
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// view is what the HTTP listener may ask of a host.
type view Host

// Status is the host at one instant, as /v1/status shows it.
type Status struct {
	Version   string            `json:"ichor"`
	Phase     Phase             `json:"phase"`
	Readiness Readiness         `json:"readiness"`
	Topic     string            `json:"topic"`
	Snapshot  talos.Version     `json:"snapshot"`
	Resume    talos.Position    `json:"resume"`
	Next      talos.Position    `json:"next"`
	LogEnd    talos.Position    `json:"log_end"`
	Suffix    Depth             `json:"suffix"`
	Queue     Depth             `json:"queue"`
	InFlight  int               `json:"in_flight"`
	Held      int               `json:"held"`
	Bytes     int               `json:"bytes"`
	Paused    bool              `json:"paused"`
	Waiting   replicator.Reason `json:"waiting_for,omitempty"`
	Blocker   talos.Version     `json:"blocker,omitempty"`
	Guests    []GuestStatus     `json:"guests"`
	Counts    replicator.Stats  `json:"counts"`
}

// Depth is how many versions wait somewhere, and the lowest.
type Depth struct {
	Length int           `json:"length"`
	Head   talos.Version `json:"head,omitempty"`
}

// Status implements admin.Host.
func (v *view) Status() any {
	h := (*Host)(v)
	all := h.health.condition()
	c := &all.core
	return Status{
		Version: version, Phase: all.phase, Readiness: h.readiness(&all),
		Topic: h.opts.Source.Topic, Snapshot: c.Snapshot, Resume: c.Resume, Next: c.Next, LogEnd: c.End,
		Suffix: Depth{c.SuffixLen, c.SuffixHead}, Queue: Depth{c.QueueLen, c.QueueHead},
		InFlight: c.InFlight, Held: c.Held, Bytes: c.Bytes, Paused: c.Paused,
		Waiting: c.Reason, Blocker: c.Blocker, Guests: h.guests.status(), Counts: c.Stats,
	}
}

// Ready implements admin.Host.
func (v *view) Ready() (bool, any) {
	h := (*Host)(v)
	c := h.health.condition()
	r := h.readiness(&c)
	return r.Ready, r
}

func (h *Host) readiness(c *condition) Readiness {
	r := c.judge(h.opts.Source.DecisionOverdue)
	r.Degraded = h.guests.degraded()
	return r
}

// Journeys implements admin.Host.
func (v *view) Journeys() (recent, slowest []*timing.Journey) {
	h := (*Host)(v)
	return h.book.Recent(), h.book.Slowest()
}

// Journey implements admin.Host.
func (v *view) Journey(version talos.Version) *timing.Journey { return (*Host)(v).book.Find(version) }
