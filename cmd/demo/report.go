package main

import (
	"fmt"
	"io"
	"time"

	"github.com/ichor-replicator/ichor/cmd/internal/stage"
	"github.com/ichor-replicator/ichor/examples/banking/initiator"
	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// report is the verdict of a demonstration.
type report struct {
	Verdict   string `json:"verdict"` // equal or differs
	Committed int    `json:"committed"`
	Aborted   int    `json:"aborted"`

	Seconds float64 `json:"seconds"` // from the first message to the last installation
	Rate    float64 `json:"rate"`    // versions installed a second, in that time

	// Measured by the host, from the journeys that it showed.
	P50         float64 `json:"p50_ms"` // from candidate to installation
	P99         float64 `json:"p99_ms"`
	SnapshotAge float64 `json:"snapshot_age_p99_ms"` // from candidate to the snapshot that passed it
	Journeys    int     `json:"journeys"`
	// Around the call of the guest: from the candidate to it, in it, and from it to the
	// installation.
	Before milliseconds `json:"before_guest_call_ms"`
	Call   milliseconds `json:"guest_call_ms"`
	After  milliseconds `json:"after_guest_call_ms"`

	Initiator *initiator.Stats `json:"initiator,omitempty"` // the cohort's other writer, if it has one

	Kills int `json:"kills"`
	Swaps int `json:"swaps"`

	Conversions conversions         `json:"conversions"`
	Books       *books.Report       `json:"books"`            // of the host, against the log
	Counts      stage.Counts        `json:"counts,omitempty"` // of positions, by a host that was not restarted
	Check       *transcript.Verdict `json:"check"`
	Money       *verdict.Money      `json:"money,omitempty"` // in a bank
	Miscounted  string              `json:"miscounted,omitempty"`
	Problems    []string            `json:"problems,omitempty"`
	Kept        string              `json:"kept,omitempty"` // the directory that was left behind
}

// milliseconds is a median and the 99th percentile.
type milliseconds struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

func (s spread) milliseconds() milliseconds {
	return milliseconds{stage.Milliseconds(s.p50), stage.Milliseconds(s.p99)}
}

// OK reports whether everything is as it should be.
func (r *report) OK() bool {
	return r.Check.Equal && (r.Money == nil || r.Money.Conserved) && r.Books.OK() && len(r.Conversions.Problems) == 0 && r.Miscounted == "" && len(r.Problems) == 0
}

// conclude fills in what follows from the rest.
func (r *report) conclude(took time.Duration, l latencies) {
	classes := r.Check.Classes
	r.Committed = classes[transcript.Installable] + classes[transcript.Empty]
	r.Aborted = classes[transcript.Aborted]
	r.Seconds = took.Seconds()
	r.Rate = float64(classes[transcript.Installable]) / took.Seconds()
	r.P50, r.P99, r.SnapshotAge, r.Journeys = stage.Milliseconds(l.install50), stage.Milliseconds(l.install99), stage.Milliseconds(l.snap99), l.journeys
	r.Before, r.Call, r.After = l.before.milliseconds(), l.call.milliseconds(), l.after.milliseconds()
	r.Swaps = max(0, len(r.Conversions.Guests)-1)
	r.Verdict = "differs"
	if r.OK() {
		r.Verdict = "equal"
	}
}

// print writes the report for a person.
func (r *report) print(out io.Writer) {
	c := r.Check
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-24s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(out, "\nFrom the log and the database:")
	line("records", "%d, of which %d repeated decisions and %d others", c.Records, c.Repeated, c.Other)
	for _, class := range []transcript.Class{transcript.Installable, transcript.Empty, transcript.Aborted, transcript.Duplicate, transcript.Refused, transcript.Undecided, transcript.Unreadable} {
		line("versions "+string(class), "%d", c.Classes[class])
	}
	line("snapshot", "%v, to be reached was %v", c.Snapshot, c.WantSnapshot)
	line("serial replay", "%s", word(c.Equal, fmt.Sprintf("equal in all %d rows", c.Rows), fmt.Sprintf("DIFFERS in %d of %d rows", c.Different, c.Rows)))
	for _, d := range c.Differences {
		fmt.Fprintf(out, "    %s: %s, should be %s\n", d.Row, d.Got, d.Want)
	}
	line("the host's books", "%s", word(r.Books.OK(), "agree with the log", "DO NOT AGREE with the log"))
	for _, f := range r.Books.Findings {
		fmt.Fprintf(out, "    %s, %d times: %s\n", f.Kind, f.Count, f.What)
	}
	if r.Counts != nil {
		line("the host's counts", "%s", word(r.Miscounted == "", "have each position of the log once", "ARE WRONG: "+r.Miscounted))
	}
	if m := r.Money; m != nil {
		line("money", "%s", word(m.Conserved, m.Total+", all there", m.Total+", SHOULD BE "+m.WantTotal))
	}
	line("rate", "%.0f versions/s over %.1f s", r.Rate, r.Seconds)
	if i := r.Initiator; i != nil {
		line("initiator", "first with %d transfers, second with %d; %d waits for a safepoint, %d serialization failures, %d deadlocks, gave up %d times; p99 %.0f ms",
			i.Installed, i.Already, i.Waits, i.Serialized, i.Deadlocks, i.GaveUp, i.P99)
	}
	line("kills", "%d", r.Kills)
	line("guest swaps", "%d", r.Swaps)
	if r.Swaps > 0 {
		for _, g := range r.Conversions.Guests {
			fmt.Fprintf(out, "    %.12s converted %d versions from %v on\n", g.Digest, g.Versions, g.From)
		}
	}
	fmt.Fprintf(out, "From the host's own %d journeys:\n", r.Journeys)
	line("candidate to installed", "p50 %.1f ms, p99 %.1f ms", r.P50, r.P99)
	line("  before the guest call", "p50 %.2f ms, p99 %.2f ms", r.Before.P50, r.Before.P99)
	line("  in the guest call", "p50 %.2f ms, p99 %.2f ms, shared by all versions of the call", r.Call.P50, r.Call.P99)
	line("  after the guest call", "p50 %.2f ms, p99 %.2f ms", r.After.P50, r.After.P99)
	line("candidate to snapshot", "p99 %.1f ms", r.SnapshotAge)
	for _, p := range append(r.Conversions.Problems, r.Problems...) {
		fmt.Fprintln(out, "  PROBLEM:", p)
	}
	if r.Kept != "" {
		fmt.Fprintln(out, "Left behind in", r.Kept)
	}
	fmt.Fprintln(out, "Verdict:", r.Verdict)
}

func word(holds bool, yes, no string) string {
	if holds {
		return yes
	}
	return no
}
