package stage

import (
	"context"
	"fmt"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Journey is what the host says about the way of one version. These are the host's own instants:
// nobody else knows them.
type Journey struct {
	Version talos.Version
	Guest   string // the digest of the guest that converted it, or its beginning
	Events  map[string]int64
}

// The events that are compared here, in nanoseconds since the Unix epoch.
const (
	CandidateReceived = "ReplicatorCandidateReceived"
	DecisionReceived  = "ReplicatorDecisionReceived"
	ConversionBegin   = "GuestConversionBegin"
	ConversionEnd     = "GuestConversionComplete"
	Installed         = "InstallerStatemapInstallationComplete"
	SnapshotPersisted = "SnapshotPersisted"
)

// Journeys asks the host for its most recent journeys, limit at most. While the host is down there
// is no answer, which is an error.
func (h *Host) Journeys(ctx context.Context, limit int) ([]Journey, error) {
	var answer struct {
		Recent []struct {
			Version talos.Version
			Guest   string
			Events  []struct {
				Event string
				At    int64 `json:"at_ns"`
			}
		}
	}
	if err := h.Ask(ctx, fmt.Sprintf("/v1/journeys?limit=%d", limit), &answer); err != nil {
		return nil, err
	}
	journeys := make([]Journey, len(answer.Recent))
	for i, r := range answer.Recent {
		journeys[i] = Journey{Version: r.Version, Guest: r.Guest, Events: map[string]int64{}}
		for _, e := range r.Events {
			journeys[i].Events[e.Event] = e.At
		}
	}
	return journeys, nil
}
