package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/initiator"
)

// The aims stand next to what was measured; nothing fails by them.
const (
	aimFifty   = 4.0 // times the rung of 50 connections
	aimBest    = 0.6 // of the best rung of one connection
	aimPeakMiB = 140.0
	aimP99     = 20.0 // ms, from candidate to installed
	aimAge     = 50.0 // ms
	aimSwap    = 1.5  // times the p99 without one
	aimWatched = 0.97 // of the rate while nobody looks
	aimSwaps   = 1.2  // times the p99 without any

	aimDecidedMiB  = 200.0
	aimLate        = 0.8 // of the rate of a decided backlog
	aimLateMiB     = 400.0
	aimLateHeapMiB = 256.0
)

// report is what was measured.
type report struct {
	Candidates int `json:"candidates"`
	Versions   int `json:"versions"` // of them committed and installed
	Rounds     int `json:"rounds"`

	Rate       float64   `json:"versions_per_s"`
	Rates      []float64 `json:"versions_per_s_each"`
	RatioFifty float64   `json:"ratio_50_connections"`
	RatioBare  float64   `json:"ratio_50_connections_bare_statements"`
	RatioBest  float64   `json:"ratio_best_rung"`
	Watched    float64   `json:"ratio_watched"`     // of the rate while nobody looks
	WatchedCPU float64   `json:"ratio_watched_cpu"` // of the processor time a version; 0 where that is too little to be known
	PeakMiB    float64   `json:"peak_mib"`
	CPU        float64   `json:"host_cpus_busy"`
	Group      float64   `json:"versions_a_transaction"`
	StartMs    float64   `json:"start_ms"`
	LoadMs     float64   `json:"first_load_ms"`
	LoadMiB    float64   `json:"first_load_peak_mib"`
	Rungs      []rung    `json:"rungs"`

	LaneCounts []int       `json:"lane_counts"`
	Lanes      []laneRates `json:"lanes"`

	Memory *memory `json:"memory,omitempty"`

	LoadRate       float64 `json:"load_candidates_per_s"`
	LoadCPU        float64 `json:"load_host_cpus_busy"`
	Journeys       int     `json:"journeys"`
	P50            float64 `json:"p50_ms"`
	P99            float64 `json:"p99_ms"`
	DecisionP50    float64 `json:"decision_to_installed_p50_ms"`
	DecisionP99    float64 `json:"decision_to_installed_p99_ms"`
	SwapMs         float64 `json:"swap_ms"` // to a guest never seen
	SwapJourneys   int     `json:"swap_journeys"`
	SwapP99        float64 `json:"swap_p99_ms"`
	SwapRatio      float64 `json:"swap_ratio_p99"`
	NoSwapsP99     float64 `json:"no_swaps_p99_ms"` // between what follows
	Back           often   `json:"swaps_back"`      // one every 200 ms, there and back
	Turn           often   `json:"swaps_in_turn"`   // the same, by several modules in turn
	LongestStop    float64 `json:"gc_longest_stop_ms"`
	AgeSamples     int     `json:"snapshot_age_samples"`
	SnapshotAgeP50 float64 `json:"snapshot_age_p50_ms"`
	SnapshotAgeP99 float64 `json:"snapshot_age_p99_ms"`

	InitiatedP99    float64         `json:"beside_initiator_p99_ms"`
	InitiatedAgeP99 float64         `json:"beside_initiator_snapshot_age_p99_ms"`
	Initiator       initiator.Stats `json:"initiator"`

	Machine machine `json:"machine"`

	leftOut time.Duration
}

// throughput fills in the medians of the rounds and the highest peak. A ratio is taken within each
// round, since the machine may be slower in another, and the median of these is shown.
func (r *report) throughput(runs []backlogRun, rates [][]float64) {
	var cpu, start, group, fifty, bare, single []float64
	for _, w := range runs {
		r.Rates, cpu, start = append(r.Rates, w.rate), append(cpu, w.cpu), append(start, stage.Milliseconds(w.start))
		group = append(group, w.group)
		r.PeakMiB = max(r.PeakMiB, w.peakMiB)
	}
	r.Rate, r.CPU, r.StartMs, r.Group = median(r.Rates), median(cpu), median(start), median(group)
	r.Rungs = slices.Clone(rungs)
	for i := range r.Rungs {
		r.Rungs[i].Rate = median(rates[i])
	}
	for round, w := range runs {
		best := 0.0
		for i, one := range rungs {
			if one.Connections == 1 {
				best = max(best, rates[i][round])
			}
		}
		fifty, single = append(fifty, w.rate/rates[fiftyConnections][round]), append(single, w.rate/best)
		bare = append(bare, w.rate/rates[fiftyStatements][round])
	}
	r.RatioFifty, r.RatioBare, r.RatioBest = median(fifty), median(bare), median(single)
}

// besideWatchers fills in what it costs to be looked at. A run is compared with the one before it.
func (r *report) besideWatchers(runs, watched []backlogRun) {
	var rate, cpu []float64
	for i, w := range watched {
		rate = append(rate, w.rate/runs[i].rate)
		if runs[i].cpu > 0 { // the kernel counts in hundredths of a second, and a quick run may have none
			cpu = append(cpu, w.cpu/w.rate/(runs[i].cpu/runs[i].rate))
		}
	}
	r.Watched = median(rate)
	if len(cpu) > 0 {
		r.WatchedCPU = median(cpu)
	}
}

// underLoad fills in what was measured under the steady load.
func (r *report) underLoad(o options, s steady) {
	r.leftOut = o.leaveOut()
	r.LoadRate, r.LoadCPU = float64(s.candidates)/s.took.Seconds(), s.cpu
	j := s.journeys
	r.Journeys, r.P50, r.P99 = j.journeys, stage.Milliseconds(j.candidate50), stage.Milliseconds(j.candidate99)
	r.DecisionP50, r.DecisionP99 = stage.Milliseconds(j.decision50), stage.Milliseconds(j.decision99)
	r.SwapMs, r.SwapJourneys, r.SwapP99 = stage.Milliseconds(s.busy.windows[0].ended.Sub(s.busy.windows[0].begun)), s.busy.journeys.journeys, stage.Milliseconds(s.busy.journeys.candidate99)
	r.SwapRatio, r.LongestStop = r.SwapP99/max(r.P99, 0.001), stage.Milliseconds(s.stop)
	r.AgeSamples, r.SnapshotAgeP50, r.SnapshotAgeP99 = len(s.ages), stage.Milliseconds(stage.Percentile(s.ages, 50)), stage.Milliseconds(stage.Percentile(s.ages, 99))
}

// often is what was measured while the guest was swapped again and again.
type often struct {
	Swaps    int     `json:"swaps"`
	Journeys int     `json:"journeys"`
	P99      float64 `json:"p99_ms"`
	Ratio    float64 `json:"ratio_p99"` // to between the swaps
}

func (s swapped) often(without float64) often {
	p99 := stage.Milliseconds(s.journeys.candidate99)
	return often{Swaps: s.swaps, Journeys: s.journeys.journeys, P99: p99, Ratio: p99 / max(without, 0.001)}
}

// besideSwaps fills in what was measured under the steady load while the guest was swapped again and again.
func (r *report) besideSwaps(s steady) {
	r.NoSwapsP99 = stage.Milliseconds(s.journeys.candidate99)
	r.Back, r.Turn = s.back.often(r.NoSwapsP99), s.busy.often(r.NoSwapsP99)
}

// besideInitiator fills in what was measured under the steady load while the cohort's initiator
// installed too.
func (r *report) besideInitiator(s steady) {
	r.InitiatedP99, r.InitiatedAgeP99, r.Initiator = stage.Milliseconds(s.journeys.candidate99), stage.Milliseconds(stage.Percentile(s.ages, 99)), s.initiator
}

// print writes the report for a person.
func (r *report) print(out io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-44s %s\n", name, fmt.Sprintf(format, args...))
	}
	m := r.Machine
	fmt.Fprintf(out, "\n%d processors, %s, %s, PostgreSQL %s, fsync %s, synchronous_commit %s\n", m.CPUs, m.OS, m.Go, m.PostgreSQL, m.Fsync, m.SyncCommit)
	fmt.Fprintf(out, "A backlog of %d candidates, %d versions to install; median of %d:\n", r.Candidates, r.Versions, r.Rounds)
	for _, one := range r.Rungs {
		line(one.Name, "%8.0f versions/s", one.Rate)
	}
	line("the host, topic to snapshot", "%8.0f versions/s", r.Rate)
	line("  to 50 connections", "%8.2f ×    aim: at least %.0f ×", r.RatioFifty, aimFifty)
	line("  to 50 connections with bare statements", "%8.2f ×", r.RatioBare)
	line("  to the best rung of one connection", "%8.0f %%    aim: at least %.0f %%", 100*r.RatioBest, 100*aimBest)
	line("  with spans, a page and Prometheus", "%8.0f %%    aim: at least %.0f %%; %.2f × the processor time a version", 100*r.Watched, 100*aimWatched, r.WatchedCPU)
	line("  peak memory", "%8.0f MiB  aim: at most %.0f MiB", r.PeakMiB, aimPeakMiB)
	line("  versions a transaction", "%8.0f", r.Group)
	line("  processors busy with the host", "%8.2f", r.CPU)
	line("  start of the process to the first install", "%8.0f ms", r.StartMs)
	line("  a guest's first load, in a child", "%8.0f ms, %.0f MiB at its peak", r.LoadMs, r.LoadMiB)
	fmt.Fprintf(out, "By lanes, versions/s with %v of them; a round trip to the database as it was measured:\n", r.LaneCounts)
	for _, l := range r.Lanes {
		line(fmt.Sprintf("%s, %.1f ms added: %.1f ms", l.Backlog, l.AddedMs, l.TripMs), "%8.0f", l.Rates)
	}
	if l := r.Memory; l != nil {
		fmt.Fprintf(out, "A backlog of %d candidates:\n", l.Candidates)
		line("decided", "%8.0f versions/s, peak %.0f MiB   aim: below %.0f MiB", l.Rate, l.PeakMiB, aimDecidedMiB)
		line("undecided until the last is there", "%8.0f versions/s, %.2f ×        aim: at least %.1f ×", l.LateRate, l.LateRate/l.Rate, aimLate)
		line("  its memory", "%8.0f MiB, live heap %.0f MiB     aim: below %.0f and %.0f MiB", l.LatePeakMiB, l.LateHeapMiB, aimLateMiB, aimLateHeapMiB)
	}
	fmt.Fprintln(out, "  What the host installed equals a serial replay of the log, each time.")
	if r.AgeSamples == 0 {
		return
	}
	fmt.Fprintf(out, "Under %.0f candidates/s, without its first %v:\n", r.LoadRate, r.leftOut)
	line("candidate to installed, p50", "%8.1f ms", r.P50)
	line("candidate to installed, p99", "%8.1f ms   aim: below %.0f ms", r.P99, aimP99)
	line("  while a guest never seen is loaded, p99", "%8.1f ms, %.2f ×   aim: at most %.1f ×", r.SwapP99, r.SwapRatio, aimSwap)
	line("  that swap, from file to conversion", "%8.0f ms", r.SwapMs)
	line("  swapped there and back every 200 ms, p99", "%8.1f ms, %.2f × of %.1f ms in between, %d swaps   aim: at most %.1f ×", r.Back.P99, r.Back.Ratio, r.NoSwapsP99, r.Back.Swaps, aimSwaps)
	line(fmt.Sprintf("  the same, %d modules in turn, p99", swapTurns), "%8.1f ms, %.2f ×, %d swaps", r.Turn.P99, r.Turn.Ratio, r.Turn.Swaps)
	line("the garbage collector's longest stop", "%8.1f ms", r.LongestStop)
	line("decision to installed, p50, p99", "%8.1f ms, %.1f ms", r.DecisionP50, r.DecisionP99)
	line("snapshot age, p50", "%8.1f ms", r.SnapshotAgeP50)
	line("snapshot age, p99", "%8.1f ms   aim: below %.0f ms", r.SnapshotAgeP99, aimAge)
	line("processors busy with the host", "%8.2f", r.LoadCPU)
	i := r.Initiator
	line("beside an initiator: to installed, p99", "%8.1f ms, snapshot age p99 %.1f ms", r.InitiatedP99, r.InitiatedAgeP99)
	line("  the initiator", "first %d times, second %d; %d waits, %d serialization failures, %d deadlocks, p99 %.0f ms",
		i.Installed, i.Already, i.Waits, i.Serialized, i.Deadlocks, i.P99)
	fmt.Fprintf(out, `  The latencies are the host's own of %d versions and %d in the swap, from reading to commit. The snapshot's age is
  sampled by a reader of the database, %d times, every %v: now less the instant at which
  the oldest version above cohort_snapshot could have been covered, because it and all candidates
  before it were decided in the log; 0 when there is none.
`, r.Journeys, r.SwapJourneys, r.AgeSamples, sampleEvery)
}
