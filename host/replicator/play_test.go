package replicator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

// player drives a core by the commands of a script:
//
//	core [lanes=N] [snapshot=V] [resume=P] [ledger=V,V] [groupmax=N] [memory=N] [conversions=N] [cuts=V:gen,…]
//	candidate V [w:key,key] [r:key,key] [empty|unreadable|unrouted] [size=N]
//	refused V
//	decision V committed|aborted|committed-without-safepoint|aborted-with-safepoint [safepoint=V] [duplicate] [at=P]
//	read [next=P]       the end of a batch of records
//	sought              the records from the position of a seek follow
//	fetched V [lost]
//	converted [V=reject|skip|fault ...]      answers the oldest task
//	hole FROM TO        alive L
//	up L [snapshot=V] [ledgered=N]    down L [doubt] [fenced|slow|full]
//	installed L         failed L CLASS [culprit=V]
//	armed GUEST GEN     wait DURATION (then a tick)     drain     status
//	settle              answers conversions and transactions until nothing is asked
//	quiet               does the same without printing it
type player struct {
	t     *testing.T
	core  *Core
	now   int64
	pos   talos.Position
	out   strings.Builder
	tasks []*Convert
	busy  map[int][]Action
	snap  talos.Version
	mute  bool
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
		p.begin(named)
		return
	}
	if p.core == nil {
		p.begin(nil)
	}
	run := map[string]func(map[string]string, []string){
		"candidate": p.candidate, "decision": p.decision, "read": p.read, "converted": p.converted,
		"up": p.up, "down": p.down, "failed": p.failed, "settle": p.settle, "fetched": p.fetched,
		"alive":     func(_ map[string]string, w []string) { p.alive(int(p.num(w[0]))) },
		"hole":      func(_ map[string]string, w []string) { p.hole(w) },
		"refused":   func(_ map[string]string, w []string) { p.refused(w) },
		"installed": func(_ map[string]string, w []string) { p.installed(int(p.num(w[0]))) },
		"armed": func(_ map[string]string, w []string) {
			p.step(&GuestArmed{Guest: int32(p.num(w[0])), Generation: int32(p.num(w[1]))})
		},
		"wait":   func(_ map[string]string, w []string) { p.wait(w[0]) },
		"drain":  func(map[string]string, []string) { p.step(&Drain{}) },
		"sought": func(map[string]string, []string) { p.step(&SeekDone{}) },
		"status": func(map[string]string, []string) { p.status() },
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

func (p *player) begin(named map[string]string) {
	opts := Options{Lanes: 1, Conversions: 4, Beat: -1}
	start := Start{Resume: 1, Anchor: talos.NoAnchor, Guests: [][]Cut{{{Recorded: true}}}}
	for name, value := range named {
		switch name {
		case "lanes":
			opts.Lanes = int(p.num(value))
		case "groupmax":
			opts.GroupMax = int(p.num(value))
		case "convertmax":
			opts.ConvertMax = int(p.num(value))
		case "conversions":
			opts.Conversions = int(p.num(value))
		case "breaker":
			opts.PoisonBreaker = int(p.num(value))
		case "beat":
			beat, err := time.ParseDuration(value)
			if err != nil {
				p.t.Fatalf("script: %v", err)
			}
			opts.Beat = int64(beat)
		case "held":
			for _, v := range strings.Split(value, ",") {
				start.Held = append(start.Held, talos.Version(p.num(v)))
			}
		case "memory":
			opts.Memory = int(p.num(value))
		case "snapshot":
			start.Snapshot = talos.Version(p.num(value))
			start.Resume = max(start.Resume, talos.Position(start.Snapshot)+1)
		case "ledger":
			for _, v := range strings.Split(value, ",") {
				start.Ledger = append(start.Ledger, talos.Version(p.num(v)))
			}
		case "cuts":
			start.Guests[0] = nil
			for _, cut := range strings.Split(value, ",") {
				from, gen, _ := strings.Cut(cut, ":")
				start.Guests[0] = append(start.Guests[0], Cut{From: talos.Version(p.num(from)), Generation: int32(p.num(gen))})
			}
		}
	}
	if r, ok := named["resume"]; ok {
		start.Resume = talos.Position(p.num(r))
	}
	p.core, p.snap, p.pos = New(opts, start), start.Snapshot, start.Resume-1
	p.busy, p.tasks = map[int][]Action{}, nil
	p.mute = true
	p.step(&Tick{})
	for lane := range opts.Lanes {
		p.step(&LaneUp{Lane: lane, Snapshot: p.snap})
	}
	p.mute = false
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

func (p *player) read(named map[string]string, _ []string) {
	next := p.pos + 1
	if n, ok := named["next"]; ok {
		next = talos.Position(p.num(n))
	}
	p.pos = next - 1
	p.step(&BatchRead{Next: next, Anchor: talos.Anchor{Position: next - 1, Hash: uint64(next - 1)}, End: next})
}

// hole says that the log has nothing from the first position up to, not including, the second.
func (p *player) hole(words []string) {
	from, to := talos.Position(p.num(words[0])), talos.Position(p.num(words[1]))
	p.step(&Hole{From: from, To: to, Before: talos.Anchor{Position: from - 1, Hash: uint64(from - 1)}})
	p.pos = to - 1
}

func (p *player) alive(lane int) {
	p.busy[lane] = nil
	p.step(&Alive{Lane: lane})
}

func (p *player) fetched(_ map[string]string, words []string) {
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
	task := p.tasks[0]
	p.tasks = p.tasks[1:]
	ev := &Converted{Task: task.Task}
	for _, w := range task.Works {
		r := Result{Begin: p.now, End: p.now + 1000, Conversion: size(100)}
		switch named[w.Version.String()] {
		case "reject":
			r.Verdict, r.Failure = Rejected, Failure{Class: Poison, Kind: "guest_reject", Code: "7", Message: "no such account"}
		case "fault":
			r.Verdict, r.Failure = Rejected, Failure{Class: Poison, Kind: "guest_fault", Message: "unreachable"}
		case "skip":
			r.Verdict = Skipped
		}
		ev.Results = append(ev.Results, r)
	}
	p.step(ev)
}

func (p *player) up(named map[string]string, words []string) {
	ev := &LaneUp{Lane: int(p.num(words[0])), Snapshot: p.snap}
	if s, ok := named["snapshot"]; ok {
		ev.Snapshot = talos.Version(p.num(s))
	}
	if n, ok := named["ledgered"]; ok {
		ev.Ledgered = int(p.num(n))
	}
	p.step(ev)
}

func (p *player) down(_ map[string]string, words []string) {
	lane := int(p.num(words[0]))
	p.busy[lane] = nil
	ev := &LaneDown{Lane: lane, InDoubt: slices.Contains(words, "doubt"),
		Failure: Failure{Class: Transient, Kind: "connection", Message: "reset"}}
	if slices.Contains(words, "slow") {
		ev.Failure = Failure{Class: TimedOut, Kind: KindConnection}
	}
	if slices.Contains(words, "full") {
		ev.Failure = Failure{Class: Transient, Kind: KindSQL, Code: "53300"}
	}
	if slices.Contains(words, "fenced") {
		ev.Failure = Failure{Class: Fenced, Kind: "sql", Code: "IC001"}
	}
	p.step(ev)
}

func (p *player) installed(lane int) {
	if len(p.busy[lane]) > 0 {
		if a, ok := p.busy[lane][0].(*Install); ok && a.Group.Frontier {
			p.snap = a.Group.Snapshot
		}
		p.busy[lane] = p.busy[lane][1:]
	}
	p.step(&Installed{Lane: lane, Received: p.now, Begin: p.now, Complete: p.now})
}

func (p *player) failed(named map[string]string, words []string) {
	ev := &Failed{Lane: int(p.num(words[0]))}
	p.busy[ev.Lane] = nil
	for c := range Classes {
		if Class(c).String() == words[1] {
			ev.Failure = Failure{Class: Class(c), Kind: "sql", Code: map[Class]string{Contention: "40001", TimedOut: "57014", Poison: "23514", Transient: "53100", Fenced: "IC001", Broken: "IC003"}[Class(c)]}
		}
	}
	if code, ok := named["code"]; ok {
		ev.Failure.Code = code
	}
	if v, ok := named["culprit"]; ok {
		ev.Culprit = talos.Version(p.num(v))
	}
	p.step(ev)
}

// wait lets the time pass, with a tick at every deadline on the way.
func (p *player) wait(d string) {
	took, err := time.ParseDuration(d)
	if err != nil {
		p.t.Fatalf("script: %v", err)
	}
	for end := p.now + int64(took); ; {
		due := p.core.Deadline()
		if due == 0 || due > end {
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
			for lane := range len(p.core.lanes.all) {
				if len(p.busy[lane]) > 0 {
					p.installed(lane)
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

func word(s string) string {
	if s == "" {
		return "progressing"
	}
	return s
}

func (p *player) step(ev Event) {
	for _, a := range p.core.Step(p.now, ev) {
		switch a := a.(type) {
		case *Convert:
			p.tasks = append(p.tasks, a)
		case *Install:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		case *Quarantine:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		case *Beat:
			p.busy[a.Lane] = append(p.busy[a.Lane], a)
		}
		if line := describe(a); line != "" {
			p.printf("%s", line)
		}
	}
}

// describe prints an action as a script shows it; journeys are not shown.
func describe(a Action) string {
	switch a := a.(type) {
	case *Connect:
		return fmt.Sprintf("connect lane %d%s", a.Lane, map[bool]string{true: " in doubt"}[a.Doubt != nil])
	case *Install:
		return describeGroup(a.Lane, a.Group) + describeUses(a.Uses) + describeEnds(a.Ends)
	case *Beat:
		return fmt.Sprintf("beat lane %d", a.Lane)
	case *Disconnect:
		return fmt.Sprintf("disconnect lane %d", a.Lane)
	case *Quarantine:
		s := fmt.Sprintf("quarantine lane %d:", a.Lane)
		for _, r := range a.Rows {
			s += fmt.Sprintf(" %d (%s)", r.Version, r.Failure.Kind)
		}
		return s
	case *Convert:
		s := fmt.Sprintf("convert by %d:", a.Generation)
		for _, w := range a.Works {
			s += " " + w.Version.String()
		}
		return s
	case *Refetch:
		return fmt.Sprintf("refetch %v", a.Versions)
	case *PauseFetch:
		return "pause"
	case *ResumeFetch:
		return "resume"
	case *Seek:
		return fmt.Sprintf("seek %d", a.To)
	case *Publish:
		return fmt.Sprintf("publish %d", a.Resume)
	case *CutOver:
		return fmt.Sprintf("guest %d: generation %d from %d", a.Guest, a.Generation, a.From)
	case *Retire:
		return fmt.Sprintf("retire generation %d", a.Generation)
	case *Notice:
		return describeNotice(a)
	case *Stop:
		return strings.TrimSpace(fmt.Sprintf("stop: %v %v", a.Reason, a.Failure))
	}
	return ""
}

func describeGroup(lane int, g *queue.Group) string {
	versions := make([]string, len(g.Entries))
	for i, e := range g.Entries {
		versions[i] = e.Version.String()
	}
	list := strings.Join(versions, " ")
	switch {
	case !g.Frontier:
		return fmt.Sprintf("install lane %d ahead: %s", lane, list)
	case len(versions) == 0:
		list = "nothing"
	}
	if g.Chained {
		list += " (chained)"
	}
	s := fmt.Sprintf("install lane %d: %s; snapshot %d to %d, resume %d", lane, list, g.From, g.Snapshot, g.Resume)
	if g.Ledgered > 0 {
		s += fmt.Sprintf(", passes %d of the ledger", g.Ledgered)
	}
	return s
}

func describeUses(uses []Use) string {
	s := ""
	for _, u := range uses {
		s += fmt.Sprintf("; history: generation %d from %d", u.Generation, u.From)
		if u.Only {
			s += " only"
		}
	}
	return s
}

func describeEnds(ends []End) string {
	s := ""
	for _, e := range ends {
		s += fmt.Sprintf("; ends the quarantine of %d: %s by %d", e.Version, e.How, e.Generation)
	}
	return s
}

func describeNotice(n *Notice) string {
	kind := [...]string{"offset zero", "conflicting outcome", "held", "late commit", "backlog too long", "retried", "lane disconnected", "candidate missing"}[n.Kind]
	s := "notice: " + kind
	if n.Version != 0 {
		s += " " + n.Version.String()
	}
	if n.Failure.Kind != "" {
		s += " (" + n.Failure.Kind + ")"
	}
	if n.Later != 0 {
		s += fmt.Sprintf(", decided at %d and at %d", n.First, n.Later)
	}
	return s
}
