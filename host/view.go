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
	Version   string    `json:"ichor"` // of the program; "dev" for a build without one
	Phase     Phase     `json:"phase"`
	Readiness Readiness `json:"readiness"`
	Topic     string    `json:"topic"` // the certification topic's name
	// Snapshot is the version up to which all is installed, 0 for nothing.
	Snapshot talos.Version `json:"snapshot"`
	// Resume is the position from which a host that starts now reads, Next the one that this
	// host reads next, LogEnd the one behind the newest record: positions of the topic.
	Resume talos.Position `json:"resume"`
	Next   talos.Position `json:"next"`
	LogEnd talos.Position `json:"log_end"`
	// Suffix are the versions that wait for a decision, their own or an earlier one's; Queue
	// those that are decided and not yet settled.
	Suffix   Depth `json:"suffix"`
	Queue    Depth `json:"queue"`
	InFlight int   `json:"in_flight"` // versions in transactions that are not confirmed yet
	Held     int   `json:"held"`      // versions that cannot be installed and hold the snapshot
	Bytes    int   `json:"bytes"`     // of memory that counts against limits.memory
	Paused   bool  `json:"paused"`    // reading waits because the memory is full
	// Waiting is why the snapshot does not move, a word of replicator.Reason; empty while it
	// does or has nothing to do. Blocker is the version that it is about, 0 for none.
	Waiting replicator.Reason `json:"waiting_for,omitempty"`
	Blocker talos.Version     `json:"blocker,omitempty"`
	Guests  []GuestStatus     `json:"guests"` // the generations in use, oldest first
	Counts  replicator.Stats  `json:"counts"`
}

// Depth is how many versions wait somewhere, and the lowest of them, 0 when there is none.
type Depth struct {
	Length int           `json:"length"`
	Head   talos.Version `json:"head,omitempty"`
}

// Status implements admin.Host.
func (v *view) Status() any {
	h := (*Host)(v)
	ready, all := h.readiness()
	c := &all.core
	return Status{
		Version: version, Phase: all.phase, Readiness: ready,
		Topic: h.opts.Source.Topic, Snapshot: c.Snapshot, Resume: c.Resume, Next: c.Next, LogEnd: c.End,
		Suffix: Depth{c.SuffixLen, c.SuffixHead}, Queue: Depth{c.QueueLen, c.QueueHead},
		InFlight: c.InFlight, Held: c.Held, Bytes: c.Bytes, Paused: c.Paused,
		Waiting: c.Reason, Blocker: c.Blocker, Guests: h.guests.status(), Counts: c.Stats,
	}
}

// Ready implements admin.Host.
func (v *view) Ready() (bool, any) {
	h := (*Host)(v)
	r, _ := h.readiness()
	return r.Ready, r
}

// readiness returns the verdict, and the condition that it is about.
func (h *Host) readiness() (Readiness, condition) {
	r, c := h.health.readiness()
	r.Degraded = h.guests.degraded()
	return r, c
}

// Journeys implements admin.Host.
func (v *view) Journeys() (recent, slowest []*timing.Journey) {
	h := (*Host)(v)
	return h.book.Recent(), h.book.Slowest()
}

// Journey implements admin.Host.
func (v *view) Journey(version talos.Version) *timing.Journey { return (*Host)(v).book.Find(version) }
