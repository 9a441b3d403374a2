package stage

import (
	"context"
	"fmt"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Journey is what the host says about the way of one version. These are the host's own instants:
// nobody else knows them.
type Journey struct {
	Version talos.Version
	Guest   string                 // the digest of the guest that converted it, or its beginning
	Events  map[timing.Event]int64 // nanoseconds since the Unix epoch
}

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
		journeys[i] = Journey{Version: r.Version, Guest: r.Guest, Events: map[timing.Event]int64{}}
		for _, e := range r.Events {
			if event, known := timing.ParseEvent(e.Event); known {
				journeys[i].Events[event] = e.At
			}
		}
	}
	return journeys, nil
}
