package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/status"
)

// report is what was met.
type report struct {
	seed      uint64
	begun     time.Time
	order     []string
	byFault   map[string]*tally
	positions int64          // of the log
	hits      map[string]int // by crash point
	notes     []string
	seen      string // how much was looked at
	kept      string // the directory that was left behind
}

// tally is what was met of one fault.
type tally struct {
	count, violations int
	recoveries        []time.Duration
	firsts            []time.Duration       // of the encounters with a reason
	reasons           map[status.Reason]int // how often the hosts said each
}

func newReport(seed uint64) *report {
	return &report{seed: seed, begun: time.Now(), byFault: map[string]*tally{}}
}

func (r *report) add(name string, e encounter, err error) {
	t := r.byFault[name]
	if t == nil {
		t = &tally{reasons: map[status.Reason]int{}}
		r.byFault[name] = t
		r.order = append(r.order, name)
	}
	t.count++
	for _, reason := range e.reasons {
		t.reasons[reason]++
	}
	if len(e.reasons) > 0 {
		t.firsts = append(t.firsts, e.first)
	}
	if err != nil {
		t.violations++
		return
	}
	t.recoveries = append(t.recoveries, e.recovery)
}

// verdict returns an error when a promise was broken, or when every kind was met and no host came to one of
// the crash points that are among them.
func (r *report) verdict(kinds []fault) error {
	broken := 0
	for _, t := range r.byFault {
		broken += t.violations
	}
	if broken > 0 {
		return fmt.Errorf("%d faults broke a promise", broken)
	}
	for _, f := range kinds {
		if r.byFault[f.name] == nil {
			return nil // a short run
		}
	}
	for _, f := range kinds {
		if point, ok := strings.CutPrefix(f.name, crashPrefix); ok && r.hits[point] == 0 {
			return fmt.Errorf("no host ever came to the crash point %s", point)
		}
	}
	return nil
}

// words says what the host said.
func (e *encounter) words() string {
	if len(e.reasons) == 0 {
		return ""
	}
	said := make([]string, len(e.reasons))
	for i, reason := range e.reasons {
		said[i] = string(reason)
	}
	return fmt.Sprintf(", after %v it said %s", e.first.Round(time.Millisecond), strings.Join(said, ", "))
}

func (r *report) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "fault\tcount\tviolations\trecovery p50\tp99\treason p50\tp99\treasons")
	total, violations := 0, 0
	for _, f := range faults {
		t := r.byFault[f.name]
		if t == nil {
			continue
		}
		total += t.count
		violations += t.violations
		fmt.Fprintf(table, "%s\t%d\t%d\t%v\t%v\t%v\t%v\t%s\n", f.name, t.count, t.violations, quantile(t.recoveries, 0.5), quantile(t.recoveries, 0.99),
			quantile(t.firsts, 0.5), quantile(t.firsts, 0.99), t.said())
	}
	_ = table.Flush() // to where the next line goes too
	for _, note := range r.notes {
		fmt.Fprintln(out, note)
	}
	if r.seen != "" {
		fmt.Fprintln(out, r.seen)
	}
	r.printHits(out)
	fmt.Fprintf(out, "%d faults, %d violations, %d positions of the log, in %v, seed %d\n", total, violations, r.positions, time.Since(r.begun).Round(time.Second), r.seed)
	if r.kept != "" {
		fmt.Fprintln(out, "left behind in", r.kept)
	}
}

// printHits says how often hosts ended themselves at each crash point, if at any.
func (r *report) printHits(out io.Writer) {
	if len(r.hits) == 0 {
		return
	}
	var all []string
	for _, point := range crash.Points {
		all = append(all, fmt.Sprintf("%s %d", point, r.hits[point]))
	}
	fmt.Fprintln(out, "crash points:", strings.Join(all, ", "))
}

// said is the reasons with how often they were said.
func (t *tally) said() string {
	var all []string
	for reason, n := range t.reasons {
		all = append(all, fmt.Sprintf("%s %d", reason, n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// quantile returns the value that a share of the others do not exceed; 0 of none.
func quantile(all []time.Duration, share float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}
