package replicator

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Trace writes what a core took and what it answered in the language of the scripts (testdata/*.txt),
// so that what happened in production becomes a test by being pasted. It has no statemap and no row in
// it: of a candidate it keeps the position, the number of bytes and the hashes of its keys. Whoever
// owns the core calls it.
type Trace struct {
	now   int64 // of the step before; 0 before the first
	start string
	tasks map[uint64]*Convert // that are not answered
}

// NewTrace returns a trace of the core that New makes of the same options and start.
func NewTrace(opts Options, start Start) *Trace {
	opts.Fill()
	var b strings.Builder
	fmt.Fprintf(&b, "core cold lanes=%d groupmax=%d groupbytes=%d conversions=%d convertmax=%d memory=%d breaker=%d lockwait=%s beat=%s seed=%d snapshot=%d resume=%d",
		opts.Lanes, opts.GroupMax, opts.GroupBytesMax, opts.Conversions, opts.ConvertMax, opts.Memory, opts.PoisonBreaker,
		durationText(opts.LockWait), durationText(opts.Beat), opts.Seed, start.Snapshot, start.Resume)
	fmt.Fprintf(&b, " order=%s aheadafter=%s", opts.Order, durationText(opts.AheadAfter))
	if p := &opts.Probation; p.Versions > 0 {
		fmt.Fprintf(&b, " probation=%d rejects=%d fuelfactor=%g timefactor=%g", p.Versions, p.Rejects, p.Fuel, p.Time)
	}
	if opts.overhead != suffixOverhead {
		fmt.Fprintf(&b, " overhead=%d", opts.overhead)
	}
	b.WriteString(versionsText(" ledger=", start.Ledger) + versionsText(" held=", start.Held) + versionsText(" abandoned=", start.Abandoned))
	if len(start.Requests) > 0 {
		b.WriteString(" asked=" + requestsText(start.Requests, ","))
	}
	for i, cuts := range start.Guests {
		b.WriteString([...]string{" cuts=", "|"}[min(i, 1)])
		for j, c := range cuts {
			b.WriteString([...]string{"", ","}[min(j, 1)] + fmt.Sprintf("%d:%d", c.From, c.Generation))
			if c.Recorded {
				b.WriteByte('*')
			}
		}
	}
	for i, t := range start.Trials {
		b.WriteString([...]string{" trials=", ","}[min(i, 1)] + fmt.Sprintf("%d:%d", t.Guest, t.Before))
	}
	return &Trace{start: b.String() + "\n", tasks: map[uint64]*Convert{}}
}

// Step returns the lines for an event that the core took at an instant, and its answer. It must be
// called before the actions are carried out, since what they point to changes then.
func (t *Trace) Step(now int64, ev Event, actions []Action) string {
	var b strings.Builder
	if t.now == 0 {
		b.WriteString(t.start)
	} else if now > t.now {
		b.WriteString("pass " + durationText(now-t.now) + "\n")
	}
	t.now = max(t.now, now)
	b.WriteString(t.eventText(ev, actions) + "\n")
	shown := "----\n"
	for _, a := range actions {
		if c, ok := a.(*Convert); ok {
			t.tasks[c.Task] = c
		}
		if line := ActionText(a); line != "" {
			b.WriteString(shown + line + "\n")
			shown = ""
		}
	}
	if shown == "" {
		b.WriteByte('\n')
	}
	return b.String()
}

// ageText writes how old an answer of the log is.
func (t *Trace) ageText(asked int64) string {
	if asked >= t.now {
		return ""
	}
	return " age=" + durationText(t.now-asked)
}

// eventText writes an event as a command.
func (t *Trace) eventText(ev Event, actions []Action) string {
	switch ev := ev.(type) {
	case *Candidate:
		return candidateText(ev)
	case *Decision:
		return decisionText(ev)
	case *Refused:
		return fmt.Sprintf("refused %d", ev.Version)
	case *Hole:
		return fmt.Sprintf("hole %d %d", ev.From, ev.To)
	case *BatchRead:
		s := fmt.Sprintf("read next=%d", ev.Next) + t.ageText(ev.Asked)
		if ev.Hidden {
			s += " hidden"
		}
		if ev.Start > 0 {
			s += fmt.Sprintf(" start=%d", ev.Start)
		}
		return s
	case *SeekDone:
		return "seek-done"
	case *Refetched:
		return refetchedText(ev, actions)
	case *Converted:
		return t.convertedText(ev)
	case *LaneUp:
		return fmt.Sprintf("up %d snapshot=%d ledgered=%d", ev.Lane, ev.Snapshot, ev.Ledgered)
	case *LaneDown:
		s := fmt.Sprintf("down %d class=%s", ev.Lane, ev.Failure.Class)
		if ev.InDoubt {
			s += " doubt"
		}
		return s + codeText(ev.Failure)
	case *Installed:
		return fmt.Sprintf("installed %d took=%s", ev.Lane, durationText(ev.Complete-ev.Begin))
	case *Failed:
		s := fmt.Sprintf("failed %d %s code=%s", ev.Lane, ev.Failure.Class, ev.Failure.Code)
		if ev.Culprit != 0 {
			s += fmt.Sprintf(" culprit=%d", ev.Culprit)
		}
		return s
	case *Alive:
		return fmt.Sprintf("alive %d", ev.Lane)
	case *GuestArmed:
		s := fmt.Sprintf("armed %d %d", ev.Guest, ev.Generation)
		if ev.Request != 0 {
			s += fmt.Sprintf(" request=%d", ev.Request)
		}
		if ev.Believed {
			s += " believed"
		}
		return s
	case *GuestRefused:
		return fmt.Sprintf("guest-refused %d", ev.Request)
	case *Asked:
		return "asked " + requestsText(ev.Requests, " ")
	case *Tick:
		return "tick"
	case *Halt:
		return "halt " + ev.Failure.Kind
	case *Drain:
		return "drain"
	}
	return fmt.Sprintf("# %T", ev)
}

func candidateText(ev *Candidate) string {
	s := fmt.Sprintf("candidate %d", ev.Version)
	var reads, writes []string
	for _, k := range ev.Keys {
		name := strconv.FormatUint(k.Hash(), 16)
		if k.Writes() {
			writes = append(writes, name)
		} else {
			reads = append(reads, name)
		}
	}
	if len(writes) > 0 {
		s += " w:" + strings.Join(writes, ",")
	}
	if len(reads) > 0 {
		s += " r:" + strings.Join(reads, ",")
	}
	s += [...]string{suffix.Installable: "", suffix.Empty: " empty", suffix.Unreadable: " unreadable", suffix.Unrouted: " unrouted"}[ev.Kind]
	if ev.Guest != 0 {
		s += fmt.Sprintf(" guest=%d", ev.Guest)
	}
	if ev.Payload != nil {
		s += fmt.Sprintf(" size=%d", ev.Payload.Bytes()-(&talos.Candidate{}).Bytes())
	}
	return s
}

func decisionText(ev *Decision) string {
	s := fmt.Sprintf("decision %d %s safepoint=%d at=%d", ev.Version, ev.Outcome, ev.Safepoint, ev.Position)
	if ev.Duplicate {
		s += " duplicate"
	}
	if ev.Contradictory {
		s += " contradictory"
	}
	return s
}

// refetchedText says of a payload that is another than before, which a core alone can tell, that it is.
func refetchedText(ev *Refetched, actions []Action) string {
	s := fmt.Sprintf("refetched %d", ev.Version)
	if ev.Payload == nil {
		return s + " lost"
	}
	for _, a := range actions {
		if stop, ok := a.(*Stop); ok && stop.Failure.Kind == KindDiverged {
			return s + " other"
		}
	}
	return s
}

// convertedText gives each version of a task the same number of bytes, about as many as they had.
func (t *Trace) convertedText(ev *Converted) string {
	s := fmt.Sprintf("converted task=%d", ev.Task)
	if ev.Fuel != 0 {
		s += fmt.Sprintf(" fuel=%d", ev.Fuel)
	}
	if ev.Took != 0 {
		s += " took=" + durationText(ev.Took)
	}
	if ev.Fresh != 0 {
		s += fmt.Sprintf(" fresh=%d", ev.Fresh)
	}
	if ev.BeforeFuel != 0 || ev.BeforeTook != 0 {
		s += fmt.Sprintf(" beforefuel=%d beforetook=%s", ev.BeforeFuel, durationText(ev.BeforeTook))
	}
	bytes, converted, words := 0, 0, ""
	task := t.tasks[ev.Task]
	delete(t.tasks, ev.Task)
	for i := range ev.Results {
		r := &ev.Results[i]
		word := ""
		switch {
		case r.Verdict == Skipped:
			word = "skip"
		case r.Verdict == Rejected && r.Failure.Kind == KindGuestReject:
			word = "reject"
		case r.Verdict == Rejected:
			word = "fault"
		case r.Conversion != nil:
			bytes += r.Conversion.Bytes()
			converted++
		}
		if r.Alike {
			word += "-alike"
		}
		if word != "" && task != nil && i < len(task.Works) {
			words += fmt.Sprintf(" %d=%s", task.Works[i].Version, word)
		}
	}
	if task != nil && len(ev.Results) < len(task.Works) {
		s += fmt.Sprintf(" first=%d", len(ev.Results))
	}
	if converted > 0 {
		s += fmt.Sprintf(" bytes=%d", bytes/converted)
	}
	return s + words
}

// requestsText writes requests as number:verb:version, without who asked and why.
func requestsText(requests []Request, between string) string {
	all := make([]string, len(requests))
	for i, r := range requests {
		all[i] = fmt.Sprintf("%d:%s:%d", r.ID, r.Verb, r.Version)
	}
	return strings.Join(all, between)
}

func codeText(f Failure) string {
	if f.Code == "" {
		return ""
	}
	return " code=" + f.Code
}

func versionsText(name string, versions []talos.Version) string {
	if len(versions) == 0 {
		return ""
	}
	all := make([]string, len(versions))
	for i, v := range versions {
		all[i] = v.String()
	}
	return name + strings.Join(all, ",")
}

// durationText writes ns as a script's duration, in the largest unit that keeps all of it.
func durationText(ns int64) string {
	switch {
	case ns%1e9 == 0:
		return fmt.Sprintf("%ds", ns/1e9)
	case ns%1e6 == 0:
		return fmt.Sprintf("%dms", ns/1e6)
	case ns%1e3 == 0:
		return fmt.Sprintf("%dus", ns/1e3)
	}
	return fmt.Sprintf("%dns", ns)
}
