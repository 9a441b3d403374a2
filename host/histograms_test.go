package host_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/kafka/kafkatest"
	"github.com/ichor-replicator/ichor/host/metric"
	"github.com/ichor-replicator/ichor/host/timing"
)

// observed is what a histogram holds, of all its labels.
type observed struct {
	count  uint64
	sum    float64
	native bool // buckets by a schema, beside the classic ones
}

// histograms returns what a host has observed, by the names of the metrics.
func (r *running) histograms() map[string]observed {
	r.b.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.b.t.Fatal(err)
	}
	all := map[string]observed{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				o := all[f.GetName()]
				o.count, o.sum = o.count+h.GetSampleCount(), o.sum+h.GetSampleSum()
				o.native = h.Schema != nil && len(h.GetBucket()) > 0
				all[f.GetName()] = o
			}
		}
	}
	return all
}

// walked returns how many of some journeys passed both events that a metric is between, as its definition says, and the
// seconds that they took together; false of a metric that is not of journeys.
func walked(t *testing.T, d *metric.Definition, journeys []*timing.Journey) (count uint64, seconds float64, is bool) {
	t.Helper()
	way, is := strings.CutPrefix(d.From, "journeys, ")
	if !is {
		return 0, 0, false
	}
	first, last, _ := strings.Cut(way, " to ")
	from, known := timing.ParseEvent(first)
	to, also := timing.ParseEvent(last)
	if !known || !also {
		t.Fatalf("%s is from %q", d.Name, d.From)
	}
	for _, j := range journeys {
		if took, both := j.Between(from, to); both {
			count++
			seconds += time.Duration(took).Seconds()
		}
	}
	return count, seconds, true
}

// Each histogram has native buckets and the classic ones, and what it holds is what happened, in its unit: of the journeys
// just what they say, of the rest no more than there was.
func TestHistogramsHoldWhatHappened(t *testing.T) {
	const versions = 20
	b := newBank(t, 3)
	begun := time.Now()
	r := b.start()
	var candidates, commits []kafkatest.Message
	last := b.send(message("Other", "the first position is no version"))
	for i := range versions {
		candidates = append(candidates, candidate(i, "0001", deposit("0001", 1)))
		commits = append(commits, commit(last+1, last*min(i, 1)))
		last++
	}
	// Each stretch takes its time: the decisions come after the candidates, and the first of them last.
	b.send(candidates...)
	r.shows("/metrics", fmt.Sprintf("\nichor_candidates_total %d\n", versions))
	b.send(commits[1:]...)
	r.shows("/metrics", fmt.Sprintf("\nichor_decisions_total{outcome=\"committed\"} %d\n", versions-1))
	b.send(commits[0])
	b.reaches(last)
	r.shows("/metrics", fmt.Sprintf("\nichor_candidate_to_snapshot_seconds_count %d\n", versions))
	all, elapsed := r.histograms(), time.Since(begun).Seconds()
	var answer admin.Journeys
	if err := json.Unmarshal([]byte(r.get("/v1/journeys?limit=1000")), &answer); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections() {
		for i := range s.Of {
			d := &s.Of[i]
			if d.Kind != metric.Histogram {
				continue
			}
			got := all[d.Name]
			if !got.native {
				t.Errorf("%s has no native buckets, or no classic ones: %+v", d.Name, got)
			}
			count, seconds, is := walked(t, d, answer.Recent)
			atOnce := d.Name == "ichor_queue_wait_seconds" || d.Name == "ichor_lane_wait_seconds" // where a lane is free
			if is && (got.count != versions || count != versions || math.Abs(got.sum-seconds) > 1e-9*versions || seconds <= 0 && !atOnce) {
				t.Errorf("%s: %d took %v s, and by their journeys %d took %v s", d.Name, got.count, got.sum, count, seconds)
			}
		}
	}
	if groups := all["ichor_group_versions"]; groups.count < 1 || groups.count > versions || groups.sum != versions {
		t.Errorf("%d groups had %v versions, want %d", groups.count, groups.sum, versions)
	}
	// The calls are in what their versions took, which a version shares with those of its call.
	if calls := all["ichor_guest_call_seconds"]; calls.count < 1 || calls.count > versions || calls.sum <= 0 || calls.sum > min(elapsed, all["ichor_conversion_seconds"].sum) {
		t.Errorf("%d calls took %v s, their versions %v s together, and all of it %v s", calls.count, calls.sum, all["ichor_conversion_seconds"].sum, elapsed)
	}
}
