package stage

import (
	"context"
	"fmt"

	"github.com/ichor-replicator/ichor/host/timing"
)

// Journeys asks the host for its most recent journeys, limit at most: its own instants, that nobody
// else knows. While the host is down there is no answer, which is an error.
func (h *Host) Journeys(ctx context.Context, limit int) ([]*timing.Journey, error) {
	var answer struct{ Recent []*timing.Journey }
	err := h.Ask(ctx, fmt.Sprintf("/v1/journeys?limit=%d", limit), &answer)
	return answer.Recent, err
}
