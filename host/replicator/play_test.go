package replicator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// player drives a core by the commands of a script:
//
//	core [lanes=N] [snapshot=V] [resume=P] [ledger=V,V] [held=V,V] [cuts=V:gen,…|V:gen,…] [cold] [order=version] [OPTION=N ...]
//	                    cuts by guest; gen* is recorded already; cold has no lane connected; trials=GUEST:gen,… go on
//	candidate V [w:key,key] [r:key,key] [empty|unreadable|unrouted] [guest=N] [size=N]
//	refused V
//	decision V committed|aborted [safepoint=V] [duplicate] [contradictory] [at=P]
//	read [next=P]       the end of a batch of records
//	seek-done [P]       the records from the position of a seek follow, which is P
//	refetched V [lost|other]
//	converted [task=N] [fuel=N] [took=DURATION] [fresh=N] [beforefuel=N] [beforetook=DURATION] [bytes=N] [first=N] [V=reject|skip|fault ...]    answers the oldest task, or that one; in part
//	hole FROM TO        alive L
//	up L [snapshot=V] [ledgered=N]    down L [doubt] [class=CLASS] [code=SQLSTATE]
//	installed L [took=DURATION]       failed L CLASS [code=SQLSTATE] [culprit=V]
//	armed GUEST GEN [request=ID] [first]      guest-refused ID
//	drain     halt KIND     status     explain V     measures
//	asked ID:VERB:V …   operators' requests; core has asked=ID:VERB:V,… and abandoned=V,V too
//	wait DURATION       with a tick at each deadline on the way, and at the end
//	pass DURATION       without any; tick
//	settle              answers conversions and transactions until nothing is asked
//	quiet               does the same without printing it
//
// A trace of a host (Trace) is a script of these commands.
type player struct {
	t     *testing.T
	core  *Core
	now   int64
	pos   talos.Position
	out   strings.Builder
	tasks []*Convert
	busy  map[cohort.Lane][]Action
	snap  talos.Version
	mute  bool

	trace  *Trace
	traced strings.Builder
}

type size int

func (s size) Bytes() int { return int(s) }

const second = int64(time.Second)

func newPlayer(t *testing.T) *player { return &player{t: t, now: second} }

func (p *player) flush() string {
	s := p.out.String()
	p.out.Reset()
	return s
}

func (p *player) printf(format string, args ...any) {
	if !p.mute {
		fmt.Fprintf(&p.out, format+"\n", args...)
	}
}

func (p *player) num(s string) uint64 {
	p.t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.t.Fatalf("script: %v", err)
	}
	return n
}

// options splits name=value words from plain ones.
func options(words []string) (map[string]string, []string) {
	named, plain := map[string]string{}, []string{}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			named[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	return named, plain
}

func (p *player) command(words []string) {
	p.t.Helper()
	named, plain := options(words[1:])
	if words[0] == "core" {
		p.begin(named, plain)
		return
	}
	if p.core == nil {
		p.begin(nil, nil)
	}
	run := map[string]func(map[string]string, []string){
		"candidate": p.candidate, "decision": p.decision, "read": p.read, "converted": p.converted,
		"up": p.up, "down": p.down, "failed": p.failed, "settle": p.settle, "refetched": p.refetched,
		"alive":   func(_ map[string]string, w []string) { p.alive(cohort.Lane(p.num(w[0]))) },
		"hole":    func(_ map[string]string, w []string) { p.hole(w) },
		"refused": func(_ map[string]string, w []string) { p.refused(w) },
		"installed": func(named map[string]string, w []string) {
			p.installed(cohort.Lane(p.num(w[0])), p.duration(named["took"]))
		},
		"armed": func(named map[string]string, w []string) {
			ev := &GuestArmed{Guest: cohort.GuestID(p.num(w[0])), Generation: cohort.Generation(p.num(w[1]))}
			if id, ok := named["request"]; ok {
				ev.Request = int64(p.num(id))
			}
			ev.Believed = slices.Contains(w, "believed")
			p.step(ev)
		},
		"guest-refused": func(_ map[string]string, w []string) {
			p.step(&GuestRefused{Request: int64(p.num(w[0])), Words: "it traps"})
		},
		"asked":   func(_ map[string]string, w []string) { p.step(&Asked{Requests: p.requests(w)}) },
		"wait":    func(_ map[string]string, w []string) { p.wait(w[0]) },
		"drain":   func(map[string]string, []string) { p.step(&Drain{}) },
		"explain": func(_ map[string]string, w []string) { p.explain(talos.Version(p.num(w[0]))) },
		"tick":    func(map[string]string, []string) { p.step(&Tick{}) },
		"halt": func(_ map[string]string, w []string) {
			p.step(&Halt{Failure: Failure{Class: Broken, Kind: w[0], Cause: errors.New("of the script")}})
		},
		"pass":      func(_ map[string]string, w []string) { p.now += p.duration(w[0]) },
		"seek-done": func(_ map[string]string, w []string) { p.seekDone(w) },
		"status":    func(map[string]string, []string) { p.status() },
		"measures":  func(map[string]string, []string) { p.measures() },
		"quiet": func(_ map[string]string, _ []string) {
			p.mute = true
			p.settle(nil, nil)
			p.mute = false
		},
	}[words[0]]
	if run == nil {
		p.t.Fatalf("script: no command %q", words[0])
	}
	run(named, plain)
}

func (p *player) begin(named map[string]string, words []string) {
	opts := Options{Lanes: 1, Conversions: 4, Beat: -1}
	start := Start{Resume: 1, Anchor: talos.NoAnchor, Guests: [][]Cut{{{Recorded: true}}}}
	numbers := map[string]*int{
		"lanes": &opts.Lanes, "groupmax": &opts.GroupMax, "groupbytes": &opts.GroupBytesMax, "convertmax": &opts.ConvertMax,
		"probation": &opts.Probation.Versions, "rejects": &opts.Probation.Rejects,
		"conversions": &opts.Conversions, "breaker": &opts.PoisonBreaker, "memory": &opts.Memory, "overhead": &opts.overhead,
	}
	for name, value := range named {
		if n := numbers[name]; n != nil {
			*n = int(p.num(value))
			continue
		}
		switch name {
		case "seed":
			opts.Seed = p.num(value)
		case "beat":
			opts.Beat = p.duration(value)
		case "fuelfactor":
			opts.Probation.Fuel = p.factor(value)
		case "timefactor":
			opts.Probation.Time = p.factor(value)
		case "order":
			opts.Order = Order(value)
		case "aheadafter":
			opts.AheadAfter = p.duration(value)
		case "lockwait":
			opts.LockWait = p.duration(value)
		case "snapshot":
			start.Snapshot = talos.Version(p.num(value))
			start.Resume = max(start.Resume, talos.Position(start.Snapshot)+1)
		case "ledger":
			start.Ledger = p.versions(value)
		case "held":
			start.Held = p.versions(value)
		case "abandoned":
			start.Abandoned = p.versions(value)
		case "asked":
			start.Requests = p.requests(strings.Split(value, ","))
		case "cuts":
			start.Guests = p.cuts(value)
		case "trials":
			for _, t := range strings.Split(value, ",") {
				guest, before, _ := strings.Cut(t, ":")
				start.Trials = append(start.Trials, Trial{Guest: cohort.GuestID(p.num(guest)), Before: cohort.Generation(p.num(before))})
			}
		case "resume":
		default:
			p.t.Fatalf("script: core has no %q", name)
		}
	}
	if r, ok := named["resume"]; ok {
		start.Resume = talos.Position(p.num(r))
	}
	p.core, p.snap, p.pos = New(opts, start), start.Snapshot, start.Resume-1
	p.busy, p.tasks = map[cohort.Lane][]Action{}, nil
	p.trace = NewTrace(opts, start)
	if slices.Contains(words, "cold") {
		return
	}
	p.mute = true
	p.step(&Tick{})
	for lane := range cohort.Lane(opts.Lanes) {
		p.step(&LaneUp{Lane: lane, Snapshot: p.snap})
	}
	p.mute = false
}

func (p *player) factor(text string) float64 {
	p.t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.t.Fatalf("script: %v", err)
	}
	return f
}

// cuts reads the cuts of each guest.
func (p *player) cuts(text string) (guests [][]Cut) {
	for _, guest := range strings.Split(text, "|") {
		var cuts []Cut
		for _, cut := range strings.Split(guest, ",") {
			from, gen, _ := strings.Cut(cut, ":")
			gen, recorded := strings.CutSuffix(gen, "*")
			cuts = append(cuts, Cut{From: talos.Version(p.num(from)), Generation: cohort.Generation(p.num(gen)), Recorded: recorded})
		}
		guests = append(guests, cuts)
	}
	return guests
}

// requests reads operators' requests.
func (p *player) requests(words []string) (all []Request) {
	for _, w := range words {
		parts := strings.Split(w, ":")
		r := Request{ID: int64(p.num(parts[0])), Verb: Verb(parts[1]), Who: "op"}
		if len(parts) > 2 {
			r.Version = talos.Version(p.num(parts[2]))
		}
		all = append(all, r)
	}
	return all
}

func (p *player) versions(text string) (all []talos.Version) {
	for _, v := range strings.Split(text, ",") {
		all = append(all, talos.Version(p.num(v)))
	}
	return all
}

// duration reads a duration as ns; empty is 0.
func (p *player) duration(text string) int64 {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		p.t.Fatalf("script: %v", err)
	}
	return int64(d)
}

func (p *player) candidate(named map[string]string, words []string) {
	v := talos.Version(p.num(words[0]))
	ev := &Candidate{Version: v, Before: talos.Anchor{Position: p.pos, Hash: uint64(p.pos)}}
	var reads, writes []string
	for _, w := range words[1:] {
		switch {
		case strings.HasPrefix(w, "w:"):
			writes = strings.Split(w[2:], ",")
		case strings.HasPrefix(w, "r:"):
			reads = strings.Split(w[2:], ",")
		default:
			kinds := map[string]suffix.Kind{"empty": suffix.Empty, "unreadable": suffix.Unreadable, "unrouted": suffix.Unrouted}
			kind, known := kinds[w]
			if !known {
				p.t.Fatalf("script: candidate %q", w)
			}
			ev.Kind = kind
		}
	}
	ev.Keys = talos.Keys(reads, writes)
	if g, ok := named["guest"]; ok {
		ev.Guest = cohort.GuestID(p.num(g))
	}
	ev.Payload = &talos.Candidate{Version: v}
	if n, ok := named["size"]; ok {
		ev.Payload.Value = make([]byte, p.num(n))
	}
	p.pos = max(p.pos, talos.Position(v))
	p.step(ev)
}

func (p *player) refused(words []string) {
	v := talos.Version(p.num(words[0]))
	p.pos = max(p.pos, talos.Position(v))
	p.step(&Refused{Version: v})
}

func (p *player) decision(named map[string]string, words []string) {
	ev := &Decision{Version: talos.Version(p.num(words[0])), Duplicate: slices.Contains(words, "duplicate")}
	safepoint, given := named["safepoint"]
	if given {
		ev.Safepoint = talos.Version(p.num(safepoint))
	}
	ev.Outcome = talos.Aborted
	if words[1] == "committed" {
		ev.Outcome = talos.Committed
	}
	ev.Contradictory = slices.Contains(words, "contradictory")
	p.pos++
	ev.Position = p.pos
	if at, ok := named["at"]; ok {
		ev.Position = talos.Position(p.num(at))
		p.pos = max(p.pos-1, ev.Position)
	}
	p.step(ev)
}

func (p *player) read(named map[string]string, words []string) {
	next := p.pos + 1
	if n, ok := named["next"]; ok {
		next = talos.Position(p.num(n))
	}
	p.pos = next - 1
	asked := p.now
	if age, ok := named["age"]; ok {
		asked -= p.duration(age)
	}
	start := talos.Position(0)
	if n, ok := named["start"]; ok {
		start = talos.Position(p.num(n))
	}
	p.step(&BatchRead{Next: next, Start: start, Anchor: talos.Anchor{Position: next - 1, Hash: uint64(next - 1)}, End: next, Asked: asked, Hidden: slices.Contains(words, "hidden")})
}

// seekDone says that the reader stands at the position that it was sent to.
func (p *player) seekDone(words []string) {
	if len(words) > 0 {
		p.pos = talos.Position(p.num(words[0])) - 1
	}
	p.step(&SeekDone{})
}

// hole says that the log has nothing from the first position up to, not including, the second.
func (p *player) hole(words []string) {
	from, to := talos.Position(p.num(words[0])), talos.Position(p.num(words[1]))
	p.step(&Hole{From: from, To: to, Before: talos.Anchor{Position: from - 1, Hash: uint64(from - 1)}})
	p.pos = to - 1
}

func (p *player) alive(lane cohort.Lane) {
	p.busy[lane] = nil
	p.step(&Alive{Lane: lane})
}

func (p *player) refetched(_ map[string]string, words []string) {
	ev := &Refetched{Version: talos.Version(p.num(words[0]))}
	if e := p.core.converting.refetching[ev.Version]; e != nil && !slices.Contains(words, "other") {
		ev.Keys = e.Keys
	}
	if !slices.Contains(words, "lost") {
		ev.Payload = &talos.Candidate{Version: ev.Version}
	}
	p.step(ev)
}

func (p *player) converted(named map[string]string, _ []string) {
	if len(p.tasks) == 0 {
		p.t.Fatalf("script: nothing is being converted; so far:\n%s", p.flush())
	}
	at := 0
	if n, ok := named["task"]; ok {
		at = slices.IndexFunc(p.tasks, func(c *Convert) bool { return c.Task == p.num(n) })
	}
	task := p.tasks[at]
	p.tasks = slices.Delete(p.tasks, at, at+1)
	bytes := size(100)
	if n, ok := named["bytes"]; ok {
		bytes = size(p.num(n))
	}
	ev := &Converted{Task: task.Task, Took: p.duration(named["took"]), BeforeTook: p.duration(named["beforetook"])}
	if n, ok := named["fuel"]; ok {
		ev.Fuel = int64(p.num(n))
	}
	if n, ok := named["fresh"]; ok {
		ev.Fresh = int(p.num(n))
	}
	if n, ok := named["beforefuel"]; ok {
		ev.BeforeFuel = int64(p.num(n))
	}
	for _, w := range task.Works {
		r := Result{Begin: p.now, End: p.now + 1000, Conversion: bytes}
		word, alike := strings.CutSuffix(named[w.Version.String()], "-alike")
		r.Alike = alike // than the generation before
		switch word {
		case "reject":
			r.Verdict, r.Failure = Rejected, Failure{Class: Poison, Kind: "guest_reject", Code: "7", Message: "no such account"}
		case "fault":
			r.Verdict, r.Failure = Rejected, Failure{Class: Poison, Kind: "guest_fault", Message: "unreachable"}
		case "skip":
			r.Verdict = Skipped
		}
		ev.Results = append(ev.Results, r)
	}
	if n, ok := named["first"]; ok {
		ev.Results = ev.Results[:p.num(n)]
	}
	p.step(ev)
}

func (p *player) up(named map[string]string, words []string) {
	ev := &LaneUp{Lane: cohort.Lane(p.num(words[0])), Snapshot: p.snap}
	if s, ok := named["snapshot"]; ok {
		ev.Snapshot = talos.Version(p.num(s))
	}
	if n, ok := named["ledgered"]; ok {
		ev.Ledgered = int(p.num(n))
	}
	p.step(ev)
}

func (p *player) down(named map[string]string, words []string) {
	lane := cohort.Lane(p.num(words[0]))
	p.busy[lane] = nil
	p.step(&LaneDown{Lane: lane, InDoubt: slices.Contains(words, "doubt"), Failure: p.failure(named["class"], named["code"])})
}

// failure is one of the database: by its SQLSTATE, or of the connection when there is none.
func (p *player) failure(class, code string) Failure {
	f := Failure{Class: Transient, Kind: KindConnection, Code: code, Cause: errors.New("of the script")}
	if code != "" {
		f.Kind = KindSQL
	}
	for c := range Class(Classes) {
		if c.String() == class {
			f.Class = c
		}
	}
	return f
}

func (p *player) installed(lane cohort.Lane, took int64) {
	if len(p.busy[lane]) > 0 {
		if a, ok := p.busy[lane][0].(*Install); ok && a.Group.Frontier {
			p.snap = a.Group.Snapshot
		}
		p.busy[lane] = p.busy[lane][1:]
	}
	p.step(&Installed{Lane: lane, Received: p.now - took, Begin: p.now - took, Complete: p.now})
}

func (p *player) failed(named map[string]string, words []string) {
	ev := &Failed{Lane: cohort.Lane(p.num(words[0]))}
	p.busy[ev.Lane] = nil
	code, ok := named["code"]
	if !ok {
		code = map[string]string{"contention": "40001", "timeout": "57014", "poison": "23514", "transient": "53100", "fenced": "IC001", "broken": "IC003"}[words[1]]
	}
	ev.Failure = p.failure(words[1], code)
	if v, ok := named["culprit"]; ok {
		ev.Culprit = talos.Version(p.num(v))
	}
	p.step(ev)
}

// wait lets the time pass, with a tick at every deadline on the way.
func (p *player) wait(d string) {
	for end := p.now + p.duration(d); ; {
		due := p.core.Deadline()
		if due == 0 || due > end || p.core.stopped {
			p.now = end
			p.step(&Tick{})
			return
		}
		if due <= p.now {
			due = p.now + 1
		}
		p.now = due
		p.step(&Tick{})
	}
}

func (p *player) settle(map[string]string, []string) {
	for {
		switch {
		case len(p.tasks) > 0:
			p.converted(nil, nil)
		case p.working():
			for lane := range cohort.Lane(len(p.core.lanes.all)) {
				if len(p.busy[lane]) > 0 {
					p.installed(lane, 0)
					break
				}
			}
		case p.core.Deadline() != p.core.poison.cureAt && !p.core.stopped:
			p.now = max(p.now+1, p.core.Deadline())
			p.step(&Tick{})
		default:
			return
		}
	}
}

func (p *player) working() bool {
	for _, actions := range p.busy {
		if len(actions) > 0 {
			return true
		}
	}
	return false
}

func (p *player) status() {
	s := p.core.Status()
	p.printf("status: snapshot %d resume %d next %d suffix %d queue %d held %d in flight %d; %s %d",
		s.Snapshot, s.Resume, s.Next, s.SuffixLen, s.QueueLen, s.Held, s.InFlight, word(string(s.Reason)), s.Blocker)
}

func (p *player) explain(v talos.Version) {
	x := p.core.Explain(v)
	s := fmt.Sprintf("version %d: %s", v, x.Stands)
	for _, w := range x.For {
		s += fmt.Sprintf(" %d (%s)", w.Version, w.Stands)
	}
	switch x.Stands {
	case InTransaction:
		s += fmt.Sprintf(" lane %d", x.Lane)
	case HeldBack:
		s += " " + x.Failure.Kind
	}
	p.printf("%s", s)
}

func word(s string) string {
	if s == "" {
		return "progressing"
	}
	return s
}

func (p *player) step(ev Event) {
	actions := p.core.Step(p.now, ev)
	p.traced.WriteString(p.trace.Step(p.now, ev, actions))
	for _, a := range actions {
		switch a := a.(type) {
		case *Convert:
			p.tasks = append(p.tasks, a)
		case *Install:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		case *Quarantine:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		case *Respond:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		case *Beat:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		}
		if line := ActionText(a); line != "" {
			p.printf("%s", line)
		}
	}
}
