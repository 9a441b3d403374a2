package telemetry

import (
	"sync"
	"time"

	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// readsMost bounds how many slices are remembered; of more, every second is forgotten.
const readsMost = 4096

// reads remembers when the records of the log were written, one instant for each slice that was read. It is
// safe for use by several goroutines; it is told of slices, never of single records.
type reads struct {
	mu     sync.Mutex
	slices []readSlice // ascending
	end    talos.Position
	// caughtUp is when the end of the log was last reached, ns: what is not read yet is younger.
	caughtUp int64
}

// readSlice is some records that follow one another.
type readSlice struct {
	first talos.Position
	at    int64 // ns, the time of the first record in the log
}

// add notes that the log was read up to end, from a record that was written at the instant; no record is
// a slice with first = end. atEnd says that this is all there is.
func (r *reads) add(first, end talos.Position, at int64, atEnd bool) {
	now := status.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := len(r.slices); n > 0 && r.slices[n-1].first >= first; n-- { // read again after a seek
		r.slices = r.slices[:n-1]
	}
	if first < end {
		if at <= 0 || at > now { // no time, or a clock that is ahead of ours
			at = now
		}
		r.slices = append(r.slices, readSlice{first, at})
	}
	r.end = end
	if atEnd {
		r.caughtUp = now
	}
	if len(r.slices) > readsMost {
		r.thin()
	}
}

// thin forgets every second slice but the newest: what is asked for is then a little older.
func (r *reads) thin() {
	kept := r.slices[:0]
	for i, s := range r.slices {
		if i%2 == 0 || i == len(r.slices)-1 {
			kept = append(kept, s)
		}
	}
	r.slices = kept
}

// since returns when the record at a position was written, ns; 0 when nothing is known of it. Of one that
// is not read yet it is the earliest that is possible.
func (r *reads) since(p talos.Position) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.slices) == 0 {
		return r.caughtUp
	}
	if p >= r.end {
		return max(r.slices[len(r.slices)-1].at, r.caughtUp)
	}
	at := r.slices[0].at
	passed := 0
	for i := len(r.slices) - 1; i > 0; i-- {
		if r.slices[i].first <= p {
			at, passed = r.slices[i].at, i
			break
		}
	}
	r.slices = append(r.slices[:0], r.slices[passed:]...) // nobody asks for what is settled
	return at
}

// lag returns how many seconds ago the oldest record was written that is not settled or not read.
func (at *instant) lag() float64 {
	p := talos.Position(at.next())
	core := at.core
	for _, v := range [2]talos.Version{core.SuffixHead, core.QueueHead} {
		if v != 0 && at.condition.Phase != status.PhaseStandby {
			p = min(p, talos.Position(v))
		}
	}
	if p >= at.condition.Log.HighWatermark {
		return 0
	}
	now := max(at.condition.Now, status.Now())
	if since := at.reads.since(p); since != 0 {
		return max(time.Duration(now-since).Seconds(), 0)
	}
	return 0
}
