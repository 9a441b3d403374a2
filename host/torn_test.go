package host_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// untorn says what in an answer of /v1/status cannot be so at one instant; empty for nothing.
func untorn(s *status.Status) string {
	switch {
	case talos.Position(s.Snapshot) > s.Resume || s.Resume > s.Next || s.Next > s.LogEnd:
		return "snapshot ≤ resume ≤ next ≤ log_end does not hold"
	case s.Queue.Head != 0 && s.Queue.Head <= s.Snapshot:
		return "the snapshot has passed what waits in the queue"
	case s.Suffix.Length > 0 && (talos.Position(s.Suffix.Head) < s.Resume || talos.Position(s.Suffix.Head) >= s.Next):
		return "the suffix has what is passed, or was not read"
	case s.Suffix.Length > 0 && s.Queue.Head > s.Suffix.Head:
		return "the queue is above the suffix"
	case s.InFlight > s.Queue.Length:
		return "more is in flight than in the queue"
	case s.Counts.Installed > s.Counts.Converted:
		return "more was installed than converted"
	}
	return ""
}

// Each answer of /v1/status is of one instant, also while everything moves.
func TestTheStatusIsOfOneInstant(t *testing.T) {
	b := newBank(t, 50)
	b.options.Core.Lanes, b.options.Core.GroupMax = 4, 8
	r := b.start()
	r.becomes("")
	last := b.traffic(3000, 50)
	var ask sync.WaitGroup
	done := make(chan struct{})
	seen := make([]map[talos.Version]bool, 3)
	for i := range seen {
		seen[i] = map[talos.Version]bool{}
		ask.Go(func() {
			for {
				var s status.Status
				text := r.get("/v1/status")
				if err := json.Unmarshal([]byte(text), &s); err != nil {
					t.Errorf("%v: %s", err, text)
					return
				}
				if torn := untorn(&s); torn != "" {
					t.Errorf("%s: %s", torn, text)
					return
				}
				seen[i][s.Snapshot] = true
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	b.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	close(done)
	ask.Wait()
	if len(seen[0]) < 3 {
		t.Errorf("it was asked at %d snapshots, too few to show anything", len(seen[0]))
	}
}
