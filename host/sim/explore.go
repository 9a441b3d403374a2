package sim

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Exploration is what came of exploring a scenario.
type Exploration struct {
	Scenario  string
	States    int
	Steps     int // that were taken
	Endings   int // states in which nothing more can happen
	Whole     bool
	Took      time.Duration
	Violation string
	Path      []string // that led to it
}

// The faults of an exploration, each at most so often and at any moment.
const (
	exploreStart    = iota // the second host starts, or a host again that ended
	exploreCrash           // of a host
	exploreCut             // of a connection, before any statement that is not executed yet, or behind all
	exploreFailOver        // to a copy that lacks 0, 1 or 2 commits, or all since the take-over; the old server goes on
	exploreKinds
)

// lostMost is how many numbers of commits that a copy may lack are tried, 0 among them.
const lostMost = 3

// exploration is what is explored: a scenario, by so many lanes, with each fault at most so often.
type exploration struct {
	scenario string
	lanes    int
	faults   [exploreKinds]int
	most     int // states
}

// longMost is more states than any of long has.
const longMost = 5_000_000

// short are explorations of some seconds together, which take every turn.
var short = []exploration{
	{"one key", 1, [exploreKinds]int{exploreStart: 1}, 40_000},
	{"one key", 2, [exploreKinds]int{exploreCut: 1}, 40_000},
	{"decided again", 1, [exploreKinds]int{exploreCrash: 1, exploreStart: 1}, 40_000},
	{"follower", 1, [exploreKinds]int{exploreCut: 1}, 40_000},
	{"held", 1, [exploreKinds]int{exploreCut: 1}, 40_000},
	{"without keys", 1, [exploreKinds]int{exploreCut: 1}, 40_000},
	{"follower", 1, [exploreKinds]int{exploreCrash: 1, exploreStart: 1}, 40_000},
	{"one key", 1, [exploreKinds]int{exploreStart: 1, exploreFailOver: 1}, 40_000},
	{"decided again", 1, [exploreKinds]int{exploreStart: 1, exploreCut: 1, exploreFailOver: 1}, 40_000},
	{"first undecided", 2, [exploreKinds]int{exploreCut: 1}, 40_000},
	{"first undecided", 2, [exploreKinds]int{exploreFailOver: 1}, 40_000},
}

// long is every scenario by one lane with all faults, and by two lanes with a second host that starts and a crash, and with a
// connection that is cut and a fail-over: taken whole, and with it what has fewer of these faults. Then come all faults by two
// lanes, up to most states each; 0 leaves them out.
func long(most int) (all []exploration) {
	every := [exploreKinds]int{exploreStart: 1, exploreCrash: 1, exploreCut: 1, exploreFailOver: 1}
	for _, s := range scenarios {
		all = append(all,
			exploration{s.name, 1, every, longMost},
			exploration{s.name, 2, [exploreKinds]int{exploreStart: 1, exploreCrash: 1}, longMost},
			exploration{s.name, 2, [exploreKinds]int{exploreCut: 1, exploreFailOver: 1}, longMost},
		)
	}
	if most == 0 {
		return all
	}
	for _, s := range scenarios {
		all = append(all, exploration{s.name, 2, every, most})
	}
	return all
}

// ExploreShort explores some very small systems, in seconds, until a violation.
func ExploreShort() (all []Exploration) {
	exploreAll(short, 1, func(e Exploration) { all = append(all, e) })
	return all
}

// ExploreLong explores more of them, in minutes, on so many processors until a violation; all faults by two lanes up to most
// states each. It calls ended with what came of each, one after the other, as they end.
func ExploreLong(processors, most int, ended func(Exploration)) {
	exploreAll(long(most), processors, ended)
}

func exploreAll(which []exploration, processors int, ended func(Exploration)) {
	var (
		mu       sync.Mutex
		next     int
		violated bool
		group    sync.WaitGroup
	)
	take := func() *exploration {
		mu.Lock()
		defer mu.Unlock()
		if violated || next == len(which) {
			return nil
		}
		next++
		return &which[next-1]
	}
	for range processors {
		group.Go(func() {
			for e := take(); e != nil; e = take() {
				result := e.explore()
				mu.Lock()
				violated = violated || result.Violation != ""
				ended(result)
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

// name says what is explored.
func (e *exploration) name() string {
	name := fmt.Sprintf("%s, lanes %d", e.scenario, e.lanes)
	for i, what := range [exploreKinds]string{"start", "crash", "cut", "fail-over"} {
		if e.faults[i] > 0 {
			name += ", " + what
		}
	}
	return name
}

// explorer takes every turn that there is. The world of a state is copied for each of its turns.
//
// These are its bounds. What a host does by itself is done at once: it reads the log, converts, begins a
// job. A transaction is two steps: all up to its COMMIT, as far as the locks let it, and the COMMIT. A
// deadline of a core comes when its host has nothing else to wait for, and a lock is waited for too long
// when nothing else can happen. What comes to the same whatever else happens is done at once: see certain; and what one host
// does alone is done before the rest: see alone. A server that no host is connected to any more is left as it is.
type explorer struct {
	*exploration
	scenario *scenario
	log      *history
	truth    *truth
	left     [exploreKinds]int
	seen     map[uint64]bool // by sum, whether the state is on the way to the one that is looked at
	every    bool            // everything that can happen is taken, also where one host's is enough
	endings  map[uint64]bool // sums of the states in which nothing goes on by itself
	plans    plans
	copier   copier
	buffer   []move
	result   Exploration
}

// move is one step of an exploration.
type move struct {
	turn
	fault    int // of exploreKinds, or -1
	lost     int
	restored bool
}

// String says what happens.
func (m *move) String() string {
	switch h := m.host; m.fault {
	case exploreStart:
		return fmt.Sprintf("host %d starts", h.number)
	case exploreCrash:
		return fmt.Sprintf("host %d crashes", h.number)
	case exploreCut:
		return fmt.Sprintf("host %d lane %d is cut off, %d statements are lost", m.lane.host.number, m.lane.number, m.lost)
	case exploreFailOver:
		if m.restored {
			return "fail-over to a copy from before the take-over"
		}
		return fmt.Sprintf("fail-over, %d commits are lost", m.lost)
	}
	switch h := m.host; m.kind {
	case turnBackend:
		return fmt.Sprintf("server %d: backend %d executes %s %d", m.back.server.number, m.back.pid, m.back.next().name, m.back.next().version)
	case turnLane:
		return fmt.Sprintf("host %d lane %d takes an answer", h.number, m.lane.number)
	case turnStart:
		return fmt.Sprintf("host %d starts again", h.number)
	case turnTick:
		return fmt.Sprintf("host %d: a deadline comes", h.number)
	case turnShow:
		return "the log grows"
	case turnArm:
		return "the guest is swapped"
	}
	return "a lock is waited for too long"
}

// next returns the statement that is executed next.
func (b *backend) next() statement {
	if len(b.queue) == 0 {
		return statement{name: "the end"}
	}
	return b.queue[0].statements[0]
}

// explorer returns one that has not begun.
func (e *exploration) explorer() *explorer {
	x := &explorer{exploration: e, seen: map[uint64]bool{}, endings: map[uint64]bool{}, plans: plans{}, copier: newCopier(), result: Exploration{Scenario: e.name()}}
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == e.scenario })
	x.scenario = &scenarios[i]
	x.log = x.scenario.log()
	x.truth = newTruth(x.log, x.scenario.accounts, false)
	return x
}

// explore takes every turn, up to so many states.
func (e *exploration) explore() Exploration {
	x := e.explorer()
	begun := time.Now()
	func() {
		defer func() {
			if broken := recover(); broken != nil {
				x.result.Violation = fmt.Sprintf("panic: %v", broken)
			}
		}()
		x.run()
	}()
	x.result.Took = time.Since(begun)
	return x.result
}

// run goes through the tree of moves, depth first.
func (x *explorer) run() {
	var path []depth
	w := x.begin()
	for {
		moves, alone := x.moves(w)
		sum := x.sum(w)
		under, again := x.seen[sum]
		if !again {
			x.result.States++
			if len(moves) == 0 || !x.goes(moves) {
				x.endings[sum] = true
				x.ended(w)
			}
		}
		if w.violation != "" {
			x.result.Violation = w.violation
			x.result.Path = x.tell(path)
			return
		}
		if x.result.States >= x.most {
			return
		}
		switch {
		case again && under: // in a circle everything must have its turn
			path[len(path)-1].alone = 0
		case again:
		case len(moves) > 0:
			x.seen[sum] = true
			path = append(path, depth{sum: sum, moves: len(moves), alone: alone, world: w, left: x.left, move: -1})
		default:
			x.seen[sum] = false
		}
		for len(path) > 0 && path[len(path)-1].over() { // back to the last depth that has a move left
			x.seen[path[len(path)-1].sum] = false
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			x.result.Whole = true
			return
		}
		w = x.branch(&path[len(path)-1])
	}
}

// depth is one state on the way to the one that is looked at.
type depth struct {
	sum   uint64
	move  int    // which was taken last; -1 for none
	moves int    // how many there are
	alone int    // how many are enough; 0 for all
	world *world // as it was before any; nil when the last move was taken
	left  [exploreKinds]int
}

// over reports whether every move was taken that has to be.
func (d *depth) over() bool { return d.move+1 == d.moves || d.alone > 0 && d.move+1 == d.alone }

// branch returns a world in which the next move was taken.
func (x *explorer) branch(d *depth) *world {
	d.move++
	x.left = d.left
	w := d.world
	if d.move+1 < d.moves {
		w = x.copier.copyOf(w)
	} else {
		d.world = nil
	}
	moves, _ := x.moves(w)
	x.take(w, moves[d.move])
	return w
}

// goes reports whether something other than a fault can happen.
func (x *explorer) goes(moves []move) bool {
	return slices.ContainsFunc(moves, func(m move) bool { return m.fault < 0 })
}

// tell names the moves of a path.
func (x *explorer) tell(path []depth) (names []string) {
	w := x.begin()
	for i := range path {
		moves, _ := x.moves(w)
		m := moves[path[i].move]
		names = append(names, m.String())
		x.take(w, m)
	}
	return names
}

// begin makes the world of the scenario, with one host that starts.
func (x *explorer) begin() *world {
	x.left = x.faults
	w := x.scenario.world(x.log, x.truth, x.lanes)
	x.settle(w)
	return w
}

// settle lets everything happen that a host does by itself.
func (x *explorer) settle(w *world) {
	for again := true; again && w.violation == ""; {
		again = false
		for _, h := range w.hosts {
			for h.goesOn() {
				again = true
			}
		}
		for _, s := range w.servers {
			for _, b := range slices.Clone(s.backends) {
				for !b.dead && b.certain() {
					b.step(w.now)
					again = true
				}
			}
		}
	}
}

// certain reports whether what a backend does next comes to the same whatever else happens before it, and nobody else
// can tell when it does: then it is done at once.
//
// That is a statement that the fence refuses, because another host has taken over: no epoch comes back. Where the client is
// gone it is also one that the fence refuses because of a later connection, and one that only reads.
func (b *backend) certain() bool {
	if len(b.queue) == 0 {
		return b.gone && !b.deaf && (b.open == nil || len(b.open.locks) == 0)
	}
	if b.waits || b.open != nil && len(b.open.locks) > 0 {
		return false
	}
	x := b.queue[0]
	next := x.statements[0]
	if next.name == "begin" {
		if len(x.statements) == 1 {
			return b.gone
		}
		next = x.statements[1]
	}
	if next.fence.own.token == 0 {
		return false
	}
	t, trial := &transaction{backend: b, seen: len(b.server.commits)}, *x
	a := next.run(&trial, t)
	t.release()
	b.waits = false
	switch {
	case a.code != "":
		return a.code == codeFenced || b.gone && a.code == codeClaim
	case a == done:
		return b.gone && len(x.statements) == 1 && len(t.writes) == 0
	}
	return false
}

// goesOn takes the next step that a host does by itself; false when there is none.
func (h *host) goesOn() bool {
	switch {
	case !h.alive():
		return false
	case h.taking != nil:
		if h.taking.conn != nil && !h.taking.answer.over && !h.taking.conn.lost() {
			return false
		}
		h.takeOver()
		return h.alive()
	case len(h.answers) > 0:
		h.world.take(turn{kind: turnAnswer, host: h})
	case h.reader.canDeliver():
		h.reader.deliver()
	case h.reader.canRead():
		h.reader.read()
	case len(h.tasks) > 0:
		h.convert(0)
	case len(h.refetching) > 0:
		h.refetch()
	case h.newest != h.world.module:
		h.beginLoad()
	default:
		for _, l := range h.lanes {
			switch {
			case l.canBegin():
				l.begin()
				return true
			case l.connecting() && !l.claimed && l.answered():
				l.jobAnswered()
				return true
			}
		}
		return false
	}
	return true
}

// moves returns what can happen. The first so many of them as alone says are enough to be taken; 0 for all.
func (x *explorer) moves(w *world) (all []move, alone int) {
	all = x.buffer[:0]
	if w.violation != "" {
		return nil, 0
	}
	add := func(t turn) { all = append(all, move{turn: t, fault: -1}) }
	for _, s := range w.servers {
		if w.left(s) {
			continue
		}
		for _, b := range s.backends {
			if b.ready(w.now) {
				add(turn{kind: turnBackend, back: b})
			}
		}
	}
	for _, h := range w.hosts {
		waits := false
		for _, l := range h.lanes {
			if l.busy() && l.answered() {
				add(turn{kind: turnLane, host: h, lane: l})
			}
			waits = waits || l.busy()
		}
		switch {
		case !h.alive() && h.starts != 0:
			add(turn{kind: turnStart, host: h})
		case h.core != nil && !waits && h.core.Deadline() != 0:
			add(turn{kind: turnTick, host: h})
		}
	}
	if w.shown < len(w.log.records) {
		add(turn{kind: turnShow})
	}
	if w.module < w.log.digests-1 {
		add(turn{kind: turnArm})
	}
	if len(all) == 0 && x.waiting(w) {
		add(turn{kind: turnBeside})
	}
	x.buffer = x.possible(w, all)
	return x.buffer, x.alone(w, x.buffer)
}

// waiting reports whether a backend waits for a lock.
func (x *explorer) waiting(w *world) bool {
	for _, s := range w.servers {
		for _, b := range s.backends {
			if b.waits && !w.left(s) {
				return true
			}
		}
	}
	return false
}

// possible adds the faults that are left.
func (x *explorer) possible(w *world, all []move) []move {
	add := func(fault int, m move) {
		m.fault = fault
		all = append(all, m)
	}
	for _, h := range w.hosts {
		if x.left[exploreStart] > 0 && !h.alive() && h.starts == 0 {
			add(exploreStart, move{turn: turn{host: h}})
		}
		if x.left[exploreCrash] > 0 && h.alive() {
			add(exploreCrash, move{turn: turn{host: h}})
		}
		for _, l := range h.lanes {
			if x.left[exploreCut] == 0 || !l.busy() || l.conn == nil || l.conn.lost() {
				continue
			}
			for lost := range min(2, 1+l.conn.received()) {
				add(exploreCut, move{turn: turn{host: h, lane: l}, lost: lost * l.conn.received()})
			}
		}
	}
	if x.left[exploreFailOver] > 0 {
		for lost := range min(lostMost, len(w.primary().commits)+1) {
			add(exploreFailOver, move{lost: lost})
		}
		add(exploreFailOver, move{restored: true})
	}
	return all
}

// take makes a move.
func (x *explorer) take(w *world, m move) {
	x.result.Steps++
	if m.fault >= 0 {
		x.left[m.fault]--
	}
	switch h := m.host; m.fault {
	case exploreStart:
		h.start()
	case exploreCrash:
		h.crash()
	case exploreCut:
		m.lane.conn.cut(m.lost, false)
	case exploreFailOver:
		w.failOver(m.lost, true, m.restored)
	default:
		x.turn(w, m)
	}
	x.settle(w)
}

// turn takes one that is no fault.
func (x *explorer) turn(w *world, m move) {
	switch h := m.host; m.kind {
	case turnBackend:
		m.back.stride(w.now)
	case turnLane:
		if m.lane.job == nil {
			m.lane.finish()
		} else {
			m.lane.jobAnswered()
		}
	case turnStart:
		h.start()
	case turnTick:
		h.skew = max(h.skew, h.core.Deadline()-years)
		h.step(tick)
	case turnShow:
		w.show(len(w.log.records))
	case turnArm:
		w.module++
	case turnBeside:
		w.now += 5e9
	}
}

// stride executes statements up to the next COMMIT, or that COMMIT, as far as the locks let it.
func (b *backend) stride(now int64) {
	for first := true; b.ready(now); first = false {
		commit := len(b.queue) > 0 && b.queue[0].statements[0].name == "commit"
		if commit && !first {
			return
		}
		over := len(b.queue) > 0 && len(b.queue[0].statements) == 1
		b.step(now)
		if commit || over || b.dead {
			return
		}
	}
}

// ended checks a state in which nothing more happens by itself: with one host that owns the cohort
// everything is settled.
func (x *explorer) ended(w *world) {
	x.result.Endings++
	for _, h := range w.hosts {
		if h.core != nil && h.owns(w.primary()) && h.took == w.primary() {
			if what := w.unsettled(); what != "" {
				w.violated("%s, and nothing more will happen", what)
			}
			w.final()
			return
		}
	}
}
