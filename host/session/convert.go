package session

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/timing"
)

// conversion is the statements of one version as the installer takes them.
type conversion struct {
	statements []installer.Statement
	bytes      int
}

// Bytes implements queue.Conversion.
func (c *conversion) Bytes() int { return c.bytes + 32*len(c.statements) }

// answerBytes is how large the statements of a task become before they are handed over, so that the core
// can count them.
const answerBytes = 4 << 20

// convert is a goroutine that takes conversion tasks to the guests.
func (s *Session) convert() {
	var records []guest.Record
	var out guest.Conversions
	for {
		select {
		case <-s.life.Done():
			return
		case task := <-s.converts:
			records = recordsOf(records[:0], task.Works)
			l := s.Guests.Get(task.Generation)
			if err := l.Convert(s.life, records, &out, answerBytes); err != nil {
				s.halt(err)
				return
			}
			if s.detail.Wanted() {
				s.sayConverted(l, records[:len(out.Results)], &out)
			}
			s.Guests.Beside(l, records, out.Results)
			answer := &replicator.Converted{Task: task.Task, Results: resultsOf(l, records, &out), Fuel: out.Fuel - out.First, Took: took(out.Results[fresh(&out):]), Fresh: fresh(&out)}
			if task.Before != cohort.NoGeneration {
				if err := s.compare(l, s.Guests.Get(task.Before), records, out.Results, answer); err != nil {
					s.halt(err)
					return
				}
			}
			s.answer(answer)
		}
	}
}

// halt stops the session because a guest cannot be asked, unless it ends already.
func (s *Session) halt(err error) {
	if s.life.Err() == nil {
		s.answer(&replicator.Halt{Failure: replicator.Failure{Class: replicator.Broken, Kind: "guest", Message: err.Error()}})
	}
}

// compare looks whether an earlier guest makes the same of versions, and what it takes for them.
func (s *Session) compare(l, before *rollout.Loaded, records []guest.Record, conversions []guest.Conversion, answer *replicator.Converted) error {
	var out guest.Conversions
	if err := before.Convert(s.life, records[:len(answer.Results)], &out, answerBytes); err != nil {
		return err
	}
	for i := range out.Results { // they are fewer where they are large: the others count as others
		answer.Results[i].Alike = l.MadeAs(before, &conversions[i], &out.Results[i])
	}
	measured := out.Results[fresh(&out):]
	if n := int64(len(measured)); n > 0 { // and as long as these
		all := int64(len(answer.Results))
		answer.BeforeFuel, answer.BeforeTook = (out.Fuel-out.First)*all/n, took(measured)*all/n
	}
	return nil
}

// fresh is how many of the results are of a new instance's first call.
func fresh(out *guest.Conversions) int {
	if out.First > 0 {
		return 1
	}
	return 0
}

// sayConverted tells of a task's conversion at debug: its versions, and what they became.
func (s *Session) sayConverted(l *rollout.Loaded, records []guest.Record, out *guest.Conversions) {
	if len(records) == 0 {
		return
	}
	statements, rejected, begin, end := 0, 0, int64(0), int64(0)
	for i := range out.Results {
		r := &out.Results[i]
		statements += len(r.Statements)
		if r.Status == guest.Rejected {
			rejected++
		}
		if r.Begin != 0 && (begin == 0 || r.Begin < begin) {
			begin = r.Begin
		}
		end = max(end, r.End)
	}
	s.detail.Say("converted", "guest", l.Name, "digest", l.Short(), "from", records[0].Version, "to", records[len(records)-1].Version,
		"versions", len(records), "statements", statements, "rejected", rejected, "faults", out.Faults, "fuel", out.Fuel, "took", time.Duration(end-begin))
}

// took is how long the guest had for a task, in ns.
func took(results []guest.Conversion) int64 {
	if len(results) == 0 {
		return 0
	}
	return max(results[len(results)-1].End-results[0].Begin, 0)
}

func recordsOf(into []guest.Record, works []replicator.Work) []guest.Record {
	for i := range works {
		into = append(into, guest.RecordOf(works[i].Version, works[i].Safepoint, works[i].Candidate))
	}
	return into
}

// resultsOf says what a guest made of a task in the core's words.
func resultsOf(l *rollout.Loaded, records []guest.Record, out *guest.Conversions) []replicator.Result {
	conversions := out.Results
	results := make([]replicator.Result, len(conversions))
	for i := range conversions {
		c := &conversions[i]
		r := &results[i]
		r.Begin, r.End, r.Guest = c.Begin, c.End, l.Digest
		r.Details = &timing.Details{ // of texts of its own: the record's are parts of its payload, which would stay with them
			XID: strings.Clone(records[i].XID), Cohort: unique.Make(records[i].Cohort).Value(),
			Fuel: out.Fuel / int64(len(conversions)), Statements: len(c.Statements), Templates: namesOf(l, c),
		}
		switch c.Status {
		case guest.Skipped:
			r.Verdict = replicator.Skipped
		case guest.Rejected:
			r.Verdict, r.Failure = replicator.Rejected, rejection(c.Reject)
		default:
			// Of its own, for one that waits would keep all those that it shares an array with.
			statements := make([]installer.Statement, len(c.Statements))
			for j, st := range c.Statements {
				statements[j] = installer.Statement{Template: l.Templates[st.Template], Args: st.Args}
			}
			r.Conversion = &conversion{statements: statements, bytes: c.Bytes()}
		}
	}
	return results
}

// namesOf returns the names of the templates of a version's statements. Most versions have statements of one.
func namesOf(l *rollout.Loaded, c *guest.Conversion) []string {
	var names []string
	for i, st := range c.Statements {
		name := l.Templates[st.Template].Name
		switch {
		case i == 0:
			names = l.NameOf[st.Template]
		case !slices.Contains(names, name):
			names = append(slices.Clip(names), name)
		}
	}
	return names
}

func rejection(r *guest.Reject) replicator.Failure {
	f := replicator.Failure{Class: replicator.Poison, Kind: string(r.Class), Detail: r.Message}
	if r.Code != 0 {
		f.Code = strconv.FormatUint(uint64(r.Code), 10)
	}
	return f
}
