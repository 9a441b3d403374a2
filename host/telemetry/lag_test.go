package telemetry

import (
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// The lag in seconds is the age of the oldest record that is not settled, by its time in the log.
func TestLagIsTheAgeOfTheOldestUnsettledRecord(t *testing.T) {
	ago := func(d time.Duration) int64 { return status.Now() - int64(d) }
	read := func(r *reads) {
		r.add(10, 20, ago(time.Hour), false)
		r.add(20, 30, ago(time.Minute), false)
		r.add(30, 40, ago(10*time.Second), true)
	}
	for name, c := range map[string]struct {
		read   func(*reads)
		core   replicator.Status
		end    talos.Position
		phase  status.Phase
		tail   talos.Position
		lowest time.Duration
		most   time.Duration
	}{
		"nothing was read":              {read: func(*reads) {}, end: 5},
		"all is settled":                {read: read, core: replicator.Status{Next: 40}, end: 40},
		"the oldest is held":            {read: read, core: replicator.Status{Next: 40, QueueHead: 15, SuffixHead: 33}, end: 40, lowest: time.Hour, most: time.Hour},
		"one is undecided":              {read: read, core: replicator.Status{Next: 40, SuffixHead: 25}, end: 40, lowest: time.Minute, most: time.Minute},
		"read and not taken":            {read: read, core: replicator.Status{Next: 32}, end: 40, lowest: 10 * time.Second, most: 10 * time.Second},
		"a record came after an hour":   {read: func(r *reads) { r.add(10, 11, ago(time.Hour), true) }, core: replicator.Status{Next: 11}, end: 12},
		"reading stands":                {read: func(r *reads) { r.add(10, 11, ago(time.Hour), false) }, core: replicator.Status{Next: 11}, end: 12, lowest: time.Hour, most: time.Hour},
		"a clock ahead of ours":         {read: func(r *reads) { r.add(10, 11, ago(-time.Hour), false) }, core: replicator.Status{Next: 11, QueueHead: 10}, end: 11},
		"records without a time":        {read: func(r *reads) { r.add(10, 11, -1, false) }, core: replicator.Status{Next: 11, QueueHead: 10}, end: 11},
		"read again after a seek":       {read: func(r *reads) { read(r); r.add(20, 22, ago(time.Second), false) }, core: replicator.Status{Next: 22, QueueHead: 21}, end: 40, lowest: time.Second, most: time.Second},
		"a host that stands by reads":   {read: read, phase: status.PhaseStandby, tail: 25, end: 40, lowest: time.Minute, most: time.Minute},
		"a host that stands by is idle": {read: read, phase: status.PhaseStandby, tail: 40, end: 40},
	} {
		t.Run(name, func(t *testing.T) {
			var r reads
			c.read(&r)
			condition := status.Condition{Core: c.core, Phase: c.phase, Tail: status.Tail{Next: c.tail}, Log: status.Log{HighWatermark: c.end}}
			at := instant{condition: condition, core: &condition.Core, reads: &r}
			const slack = 30 // seconds that the test may take
			if got := at.lag(); got < c.lowest.Seconds() || got > c.most.Seconds()+slack {
				t.Errorf("%v s, want %v", got, c.most)
			}
		})
	}
}

// What is remembered of reading is bounded, and what is forgotten makes the lag no less than it is.
func TestWhatIsRememberedOfReadingIsBounded(t *testing.T) {
	var r reads
	begun := status.Now() - int64(time.Hour)
	const slices = 10 * readsMost
	for i := range int64(slices) {
		r.add(talos.Position(i), talos.Position(i+1), begun+i, false)
		if len(r.slices) > readsMost {
			t.Fatalf("%d slices are remembered", len(r.slices))
		}
	}
	for _, p := range []talos.Position{0, 1, 7, slices / 2, slices - 1} {
		if at := r.since(p); at < begun || at > begun+int64(p) {
			t.Errorf("position %d was written %d ns after the beginning", p, at-begun)
		}
	}
	if r.since(slices - 1); len(r.slices) != 1 {
		t.Errorf("%d slices are remembered of what is settled", len(r.slices)-1)
	}
}
