package replicator

import (
	"fmt"
	"strings"
	"time"
)

// measures prints what a status says for metrics alone.
func (p *player) measures() {
	s := p.core.Status()
	since := func(at int64) time.Duration {
		if at == 0 {
			return 0
		}
		return time.Duration(p.now - at)
	}
	p.printf("log: decision about %d at %d; oldest undecided %d for %v", s.Decided, s.Decision, s.OldestUndecided, since(s.OldestUndecidedSince))
	p.printf("queue: converting %d, received %d, sent %d, settled to %d; oldest in flight %d for %v; snapshot %d written %v ago",
		s.Converting, s.Received, s.Sent, s.Settled, s.OldestInFlight, since(s.OldestInFlightSince), s.Snapshot, since(s.SnapshotAt))
	p.printf("counts: failures%s, retries%s, of the snapshot %d; key waits %d; pauses %d of %v, the longest %v", byClass(s.Stats.Failures), byClass(s.Stats.Retries),
		s.Stats.SnapshotFailures, s.Stats.KeyWaits, s.Stats.Pauses, time.Duration(s.Stats.PausedTotal), time.Duration(s.Stats.PausedLongest))
}

// byClass returns the counts that are not 0.
func byClass(counts [Classes]uint64) string {
	var b strings.Builder
	for class, n := range counts {
		if n > 0 {
			fmt.Fprintf(&b, " %v %d", Class(class), n)
		}
	}
	if b.Len() == 0 {
		return " 0"
	}
	return b.String()
}
