package replicator

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
)

var (
	seeds    = flag.Int("seeds", 400, "how many seeds TestRandomWorlds plays")
	onlySeed = flag.Uint64("seed", 0, "play this seed of TestRandomWorlds alone")
	asScript = flag.String("script", "", "with -seed: write what its last host was told to this file, as a script")
)

// TestRandomWorlds plays logs with every kind of decision against a core, a database and
// guests that fail in every way, hosts that die and start again. Whatever happens, each
// version takes effect exactly once, in order on each key, and the snapshot never passes one
// that has not; and when the faults stop, everything that can be installed is.
func TestRandomWorlds(t *testing.T) {
	first, last := uint64(1), uint64(*seeds)
	if *onlySeed != 0 {
		first, last = *onlySeed, *onlySeed
	}
	met := map[string]int{}
	for seed := first; seed <= last; seed++ {
		if err := playWorld(seed, met); err != nil {
			t.Fatalf("seed %d: %v (play it alone with -seed %d)", seed, err, seed)
		}
	}
	if *onlySeed != 0 {
		return
	}
	for _, what := range []string{"crash", "doubt, committed", "two in doubt, committed", "doubt, not committed", "ahead", "poison", "split", "let go", "swap", "paused", "seek", "contention", "chained", "cured", "passed undecided", "full of statements", "skipped by operator", "skipped in vain", "abandoned", "abandoned in vain", "retried by operator", "resumed"} {
		if met[what] == 0 {
			t.Errorf("no seed met %q", what)
		}
	}
}

// row is a record of the log.
type row struct {
	candidate *Candidate
	decision  *Decision
}

// world is a log, a database and a host.
type world struct {
	r    *rand.Rand
	log  []row // by position, from 1
	met  map[string]int
	errs []error

	// The truth about each version, from the log alone.
	installable map[talos.Version]bool
	keysOf      map[talos.Version][]talos.Key
	poison      map[talos.Version]bool
	versions    []talos.Version

	// The database.
	applied  map[talos.Version]int
	order    map[uint64][]talos.Version // by key, in the order of effect
	snapshot talos.Version
	resume   talos.Position
	ledger   map[talos.Version]bool
	held     map[talos.Version]bool // the quarantine's rows that say so

	requests []*asked // of operators, as the table has them

	statements int // bytes of a version's statements, at most

	// The host.
	core    *Core
	opts    Options
	now     int64
	read    talos.Position
	paused  bool
	seek    bool
	asked   []Action
	coming  []Event // answers of the database that the host has not seen yet
	calm    bool    // no faults any more
	nextGen cohort.Generation

	trace *Trace          // of the host, for a script; nil without -script
	told  strings.Builder // what it wrote
}

func playWorld(seed uint64, met map[string]int) (err error) {
	w := &world{
		r: rand.New(rand.NewPCG(seed, 7)), met: met, log: []row{{}},
		installable: map[talos.Version]bool{}, keysOf: map[talos.Version][]talos.Key{}, poison: map[talos.Version]bool{},
		applied: map[talos.Version]int{}, order: map[uint64][]talos.Version{}, ledger: map[talos.Version]bool{}, held: map[talos.Version]bool{}, resume: 1, now: second,
	}
	w.opts = Options{Lanes: 1 + w.r.IntN(4), GroupMax: 1 + w.r.IntN(20), Conversions: 1 + w.r.IntN(3), ConvertMax: 1 + w.r.IntN(30), Memory: minMemory, Beat: -1}
	if w.r.IntN(2) == 0 {
		w.opts.overhead = 1 << (15 + w.r.IntN(5)) // room for 160 candidates without a decision, down to 10
	}
	if w.statements = 500; w.r.IntN(4) == 0 {
		w.statements = 200_000 // a few fill the memory
	}
	w.opts.AheadAfter = 1 + w.r.Int64N(20e6)
	if w.r.IntN(8) == 0 {
		w.opts.Order = OrderVersion
	}
	w.write(50 + w.r.IntN(300))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if *asScript != "" && *onlySeed != 0 {
		defer func() { err = errors.Join(err, os.WriteFile(*asScript, []byte(w.told.String()), 0o644)) }()
	}
	w.boot()
	for steps := 0; len(w.errs) == 0 && steps < 3000; steps++ {
		w.turn()
	}
	w.calm = true
	for steps := 0; len(w.errs) == 0 && steps < 60000 && !w.done(); steps++ {
		w.turn()
	}
	if len(w.errs) == 0 {
		w.judge()
	}
	if len(w.errs) > 0 {
		return w.errs[0]
	}
	return nil
}

func (w *world) fail(format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf(format, args...))
}

func (w *world) chance(percent int) bool { return !w.calm && w.r.IntN(100) < percent }

// write makes a log: candidates with the certifier's safepoints, decisions late and shuffled,
// repeated, contradicting, duplicates, unreadable ones.
func (w *world) write(n int) {
	touched := map[uint64]talos.Version{}
	var pending []*Decision
	payload := make([]byte, w.r.IntN(60_000))
	for i := 0; i < n || len(pending) > 0; {
		if i < n && (len(pending) == 0 || w.r.IntN(3) > 0) {
			pending = append(pending, w.writeCandidate(touched, payload))
			i++
			continue
		}
		k := w.r.IntN(min(len(pending), 1+w.r.IntN(40)))
		d := pending[k]
		d.Position = talos.Position(len(w.log))
		w.log = append(w.log, row{decision: d})
		switch {
		case w.r.IntN(20) == 0: // again, as it was or contradicting
			again := *d
			if w.r.IntN(2) == 0 {
				again.Outcome, again.Duplicate = talos.Aborted, false
			}
			pending[k] = &again
		default:
			pending = slices.Delete(pending, k, k+1)
		}
	}
}

func (w *world) writeCandidate(touched map[uint64]talos.Version, payload []byte) *Decision {
	for w.r.IntN(5) == 0 {
		w.log = append(w.log, row{}) // none of ours
	}
	v := talos.Version(len(w.log))
	var reads, writes []string
	for range 1 + w.r.IntN(3) {
		key := fmt.Sprint(w.r.IntN(3 + w.r.IntN(60)))
		reads = append(reads, key)
		if w.r.IntN(3) > 0 {
			writes = append(writes, key)
		}
	}
	c := &Candidate{Version: v, Keys: talos.Keys(reads, writes), Payload: &talos.Candidate{Version: v, Value: payload}}
	d := &Decision{Version: v, Outcome: talos.Committed}
	for _, k := range c.Keys {
		d.Safepoint = max(d.Safepoint, touched[k.Hash()])
		touched[k.Hash()] = v
	}
	if w.r.IntN(30) == 0 {
		d.Safepoint = 0 // the certifier forgot
	}
	switch w.r.IntN(12) {
	case 0, 1, 2:
		d.Outcome, d.Safepoint = talos.Aborted, 0
	case 3:
		d.Duplicate = true
	case 4:
		c.Kind = suffix.Empty
	case 5:
		w.poison[v] = w.r.IntN(4) == 0
	}
	w.installable[v] = d.Outcome == talos.Committed && !d.Duplicate && c.Kind == suffix.Installable
	w.keysOf[v] = c.Keys
	w.versions = append(w.versions, v)
	w.log = append(w.log, row{candidate: c})
	return d
}

// boot starts a host on what the database says.
func (w *world) boot() {
	start := Start{Snapshot: w.snapshot, Resume: w.resume, Anchor: talos.NoAnchor, Guests: [][]Cut{{{Generation: w.nextGen}}}}
	for v := range w.ledger {
		start.Ledger = append(start.Ledger, v)
	}
	slices.Sort(start.Ledger)
	start.Held = slices.Sorted(maps.Keys(w.held))
	w.nextGen++
	w.giveRequests(&start)
	w.core = New(w.opts, start)
	if *asScript != "" {
		w.trace = NewTrace(w.opts, start)
		w.told.Reset()
	}
	w.read, w.asked, w.coming, w.paused, w.seek = w.resume, nil, nil, false, false
	w.step(&Tick{})
}

func (w *world) step(ev Event) {
	w.now += 1 + w.r.Int64N(1e6)
	actions := w.core.Step(w.now, ev)
	if w.trace != nil {
		w.told.WriteString(w.trace.Step(w.now, ev, actions))
	}
	for _, a := range actions {
		switch a := a.(type) {
		case *PauseFetch:
			w.paused = true
			w.met["paused"]++
		case *ResumeFetch:
			w.paused = false
		case *Seek:
			w.met["seek"]++
			w.read, w.seek = a.To, true
		case *Stop:
			w.fail("stopped: %v %v", a.Reason, a.Failure)
		case *Install:
			w.begun(a)
		case *Notice, *Finished, *Ahead, *Publish, *CutOver, *Retire, *Disconnect:
		default:
			w.asked = append(w.asked, a)
		}
	}
}

// turn lets one thing happen.
func (w *world) turn() {
	switch {
	case w.chance(1) && w.r.IntN(3) == 0:
		w.met["crash"]++
		w.boot()
	case w.chance(1):
		w.met["swap"]++
		w.step(&GuestArmed{Generation: w.nextGen})
		w.nextGen++
	case w.r.IntN(50) == 0:
		w.operate()
	case len(w.coming) > 0 && w.r.IntN(4) == 0:
		ev := w.coming[0]
		w.coming = w.coming[1:]
		w.step(ev)
	case len(w.asked) > 0 && w.r.IntN(3) > 0:
		k := w.first(w.r.IntN(len(w.asked)))
		a := w.asked[k]
		w.asked = slices.Delete(w.asked, k, k+1)
		w.answer(a)
	case !w.paused && int(w.read) < len(w.log):
		w.fetch()
	default:
		if at := w.core.Deadline(); at > w.now {
			w.now = at
		}
		w.step(&Tick{})
	}
}

func (w *world) fetch() {
	if w.seek {
		w.seek = false
		w.step(&SeekDone{})
	}
	for range 1 + w.r.IntN(20) {
		if int(w.read) == len(w.log) {
			break
		}
		rec := w.log[w.read]
		if rec.candidate != nil {
			c := *rec.candidate
			c.Before = talos.Anchor{Position: w.read - 1}
			w.step(&c)
		}
		if rec.decision != nil {
			w.step(rec.decision)
		}
		w.read++
	}
	w.step(&BatchRead{Next: w.read, Anchor: talos.Anchor{Position: w.read - 1}, End: w.read, Asked: w.now})
}

func (w *world) answer(a Action) {
	switch a := a.(type) {
	case *Connect:
		w.connect(a)
	case *Install:
		w.install(a)
	case *Quarantine:
		w.met["poison"]++
		for _, r := range a.Rows {
			w.held[r.Version] = w.held[r.Version] || r.Held
		}
		w.step(&Installed{Lane: a.Lane})
	case *Respond:
		w.respond(a)
	case *Refetch:
		w.met["let go"]++
		for _, v := range a.Versions {
			w.step(&Refetched{Version: v, Keys: w.keysOf[v], Payload: w.log[v].candidate.Payload})
		}
	case *Convert:
		if w.core.queue.Made() >= w.core.opts.queueHigh() {
			w.met["full of statements"]++
		}
		ev := &Converted{Task: a.Task}
		for _, work := range a.Works {
			if work.Candidate == nil {
				w.fail("version %d is converted without its payload", work.Version)
			}
			r := Result{Conversion: size(w.r.IntN(w.statements))}
			if w.poison[work.Version] && work.Version%2 == 0 {
				r.Verdict, r.Failure = Rejected, Failure{Class: Poison, Kind: "guest_reject"}
			}
			ev.Results = append(ev.Results, r)
		}
		if w.r.IntN(4) == 0 { // large statements: the rest is given out again
			ev.Results = ev.Results[:1+w.r.IntN(len(ev.Results))]
		}
		w.step(ev)
	}
}

func (w *world) connect(a *Connect) {
	if w.chance(20) {
		w.step(&LaneDown{Lane: a.Lane, Failure: Failure{Kind: "connection"}})
		return
	}
	ev := &LaneUp{Lane: a.Lane, Snapshot: w.snapshot}
	if a.Doubt != nil {
		for _, e := range a.Doubt.Entries {
			if w.ledger[e.Version] {
				ev.Ledgered++
			}
		}
	}
	if w.r.IntN(2) == 0 { // other lanes commit before the host hears of it
		w.coming = append(w.coming, ev)
		return
	}
	w.step(ev)
}

func (w *world) install(a *Install) {
	if a.Group.Chained {
		w.met["chained"]++
	}
	lost := &LaneDown{Lane: a.Lane, Failure: Failure{Kind: "connection"}}
	switch {
	case w.chance(4):
		lost.InDoubt = w.r.IntN(2) == 0
		if lost.InDoubt {
			w.met["doubt, not committed"]++
		}
		w.drop(a.Lane)
		w.step(lost)
		return
	case w.chance(4):
		w.met["contention"]++
		w.drop(a.Lane)
		w.step(&Failed{Lane: a.Lane, Failure: Failure{Class: Contention, Kind: KindSQL}})
		return
	case w.chance(4) && len(a.Group.Entries) > 0:
		ev := &Failed{Lane: a.Lane, Failure: Failure{Class: TimedOut, Kind: KindSQL, Code: "57014"}}
		if w.r.IntN(3) == 0 { // a row that is not there yet
			ev.Failure.Class, ev.Failure.Code = Poison, "23503"
		}
		if w.r.IntN(2) == 0 {
			ev.Culprit = a.Group.Entries[w.r.IntN(len(a.Group.Entries))].Version
		}
		w.drop(a.Lane)
		w.step(ev)
		return
	}
	for _, e := range a.Group.Entries {
		if w.poison[e.Version] && e.Version%2 == 1 {
			ev := &Failed{Lane: a.Lane, Failure: Failure{Class: Poison, Kind: "never cured"}}
			if w.r.IntN(2) == 0 {
				ev.Culprit = e.Version
			}
			if len(a.Group.Entries) > 1 {
				w.met["split"]++
			}
			w.drop(a.Lane)
			w.step(ev)
			return
		}
	}
	w.commit(a)
	if w.chance(4) {
		w.met["doubt, committed"]++
		lost.InDoubt = true
		if next := w.chained(a.Lane); next != nil && w.takes(next.Group) && w.r.IntN(2) == 0 { // it was on its way already
			w.met["two in doubt, committed"]++
			w.commit(next)
		}
		w.drop(a.Lane)
		w.step(lost)
		return
	}
	w.step(&Installed{Lane: a.Lane})
}

// commit applies a group to the database, and checks all that the database would, and more.
func (w *world) commit(a *Install) {
	g := a.Group
	for _, end := range a.Ends {
		if !w.held[end.Version] {
			w.fail("the quarantine of version %d ends and it was not held", end.Version)
		}
		delete(w.held, end.Version)
		w.met["cured"]++
		w.endSkip(end)
	}
	members := map[talos.Version]bool{}
	for _, e := range g.Entries {
		members[e.Version] = true
	}
	for _, e := range g.Entries {
		for _, u := range w.versions {
			if u >= e.Version {
				break
			}
			if w.installable[u] && w.applied[u] == 0 && !members[u] && !w.skipAsked(u) && (w.opts.Order == OrderVersion || conflict(w.keysOf[u], e.Keys)) {
				w.fail("version %d is installed before %d, which conflicts with it", e.Version, u)
			}
		}
		if !w.installable[e.Version] {
			w.fail("version %d is installed and has no effects", e.Version)
		}
		if w.applied[e.Version]++; w.applied[e.Version] > 1 {
			w.fail("version %d is installed twice", e.Version)
		}
		for _, k := range e.Keys {
			if k.Writes() {
				w.order[k.Hash()] = append(w.order[k.Hash()], e.Version)
			}
		}
	}
	if !g.Frontier {
		w.met["ahead"]++
		if w.core.queue.Frontier().State() == queue.Undecided {
			w.met["passed undecided"]++
		}
		for v := range members {
			w.ledger[v] = true
		}
		return
	}
	w.advance(g)
}

func (w *world) advance(g *queue.Group) {
	if g.From != w.snapshot || g.Snapshot < w.snapshot || g.Resume < w.resume {
		w.fail("snapshot %d to %d and resume %d on a database at %d and %d", g.From, g.Snapshot, g.Resume, w.snapshot, w.resume)
	}
	passed := 0
	for v := range w.ledger {
		if v <= g.Snapshot {
			delete(w.ledger, v)
			passed++
		}
	}
	if passed != g.Ledgered {
		w.fail("the snapshot %d passes %d of the ledger, and the core expected %d", g.Snapshot, passed, g.Ledgered)
	}
	w.snapshot, w.resume = g.Snapshot, g.Resume
	if g.Anchor.Position >= g.Resume {
		w.fail("the anchor %d is not below the resume point %d", g.Anchor.Position, g.Resume)
	}
	for _, v := range w.versions {
		if w.installable[v] && w.applied[v] == 0 && (v <= w.snapshot || talos.Position(v) < w.resume) {
			w.fail("snapshot %d and resume point %d pass version %d, which is not installed", w.snapshot, w.resume, v)
		}
	}
}

func conflict(a, b []talos.Key) bool {
	if len(a) == 0 || len(b) == 0 {
		return true // what it touches nobody knows
	}
	for _, x := range a {
		for _, y := range b {
			if x.Hash() == y.Hash() && (x.Writes() || y.Writes()) {
				return true
			}
		}
	}
	return false
}

// done reports whether nothing more can happen.
func (w *world) done() bool {
	s := w.core.Status()
	if int(w.read) < len(w.log) && !(w.paused && s.Reason == HeldByPoison) || len(w.asked) > 0 || len(w.coming) > 0 || s.InFlight > 0 || w.untaken() {
		return false
	}
	return s.Reason == HeldByPoison && w.core.Deadline() == 0 || s.Reason == Progressing && w.core.Deadline() == 0 && s.QueueLen == 0
}

// judge compares the end with the log: all that does not depend on poison is installed.
func (w *world) judge() {
	if !w.done() {
		w.fail("it does not come to rest: %+v", w.core.Status())
		return
	}
	poisonous := false
	var blocked []talos.Version // poison, and what conflicts with it, transitively
	for _, v := range w.versions {
		bad := w.poison[v] && w.installable[v] && !w.skipAsked(v)
		poisonous = poisonous || bad
		if bad && w.applied[v] > 0 {
			w.fail("poison version %d is installed", v)
		}
		switch {
		case !w.installable[v], w.skipAsked(v):
		case bad || slices.ContainsFunc(blocked, func(u talos.Version) bool { return w.opts.Order == OrderVersion || conflict(w.keysOf[u], w.keysOf[v]) }):
			blocked = append(blocked, v)
		case w.core.queue.Made() >= w.core.opts.queueHigh(): // what waits for the poison fills the memory
		case w.applied[v] != 1 && v <= w.core.queue.Last():
			w.fail("version %d is not installed, and conflicts with none of %v", v, blocked)
		}
	}
	if !poisonous && (w.snapshot != w.versions[len(w.versions)-1] || int(w.resume) != len(w.log) || len(w.ledger) > 0) {
		w.fail("it ends at snapshot %d and resume point %d of %d", w.snapshot, w.resume, len(w.log))
	}
	for v := range w.held {
		if w.applied[v] > 0 || !w.installable[v] {
			w.fail("version %d is settled, and the quarantine says that it is held", v)
		}
	}
	for key, versions := range w.order {
		if !slices.IsSorted(versions) {
			w.fail("key %x was written in the order %v", key, versions)
		}
	}
}
