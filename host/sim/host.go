package sim

import (
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// host is a process: the core, and around it what host/session, host/rollout and host/takeover do.
type host struct {
	world  *world
	number int
	skew   int64 // of its clock, ns
	frozen int64 // it does nothing until then, ns
	starts int64 // when it starts, ns; 0 while it runs or is not to start
	taking *takeover
	core   *replicator.Core // nil while none runs
	trace  *replicator.Trace

	own        ownership
	stateClaim claim
	lanes      []*lane
	answers    [][]replicator.Event // to the core, in the order of the channel

	reader     reader
	tasks      []*replicator.Convert
	refetching []talos.Version
	digests    []int // by generation
	retired    []cohort.Generation
	newest     int   // the digest that was armed last
	loading    int   // the one that is loaded now, noDigest for none
	loaded     int64 // and until when, ns

	published talos.Position
	asks      int64   // when it looks for requests next, ns
	took      *server // the one whose epoch it took
}

// takeover is a start that is under way.
type takeover struct {
	conn   *backend
	answer *batch
	state  stateRow
	tries  int
	step   int
}

// clock returns what the host takes for the time: years after 1970, and hours from the world's.
func (h *host) clock() int64 {
	if h.world.exploring {
		return years + h.skew // it goes on with the deadlines of the core
	}
	return h.world.now + years + h.skew
}

const years = 1e17 // ns

// alive reports whether there is a process.
func (h *host) alive() bool { return h.core != nil || h.taking != nil }

// start begins a process. Beside a file that is refused it needs one that the history names.
func (h *host) start() {
	w := h.world
	h.starts, h.frozen = 0, 0
	h.newest, h.loading = w.module, noDigest
	if w.refused {
		if len(w.primary().rowsOf(tableHistory)) == 0 {
			w.met("a refused file, and no module before it")
			h.starts = w.now + 100e6
			return
		}
		w.met("begun beside a refused file")
		h.newest = noDigest
	}
	h.taking = &takeover{}
}

// takeOver goes one step on the way to owning the cohort.
func (h *host) takeOver() {
	t := h.taking
	w := h.world
	again := func() {
		h.taking = nil
		h.starts = w.now + 100e6
	}
	if t.conn == nil {
		s := w.primary()
		if s.down || s.full > w.now {
			again()
			return
		}
		t.conn = s.connect(false)
		t.answer = t.conn.send(1e9, takeEpoch(w.token(), h.lanesMost())...)
		return
	}
	b := t.conn
	switch {
	case b.lost():
		again()
	case t.answer.code == "55P03" && t.tries < 3:
		t.tries++
		b.server.evict(w.now)
		t.answer = b.send(1e9, takeEpoch(w.token(), h.lanesMost())...)
	case t.answer.code != "":
		b.cut(0, false)
		again()
	case t.step == 0:
		h.own = ownership{epoch: t.answer.state.epoch, token: t.answer.state.token, timeline: b.server.timeline}
		h.stateClaim, h.took = t.answer.state.claim, b.server
		if slices.ContainsFunc(w.hosts, func(other *host) bool { return other != h && other.loads() }) {
			w.met("take-over while a module is loaded")
		}
		w.takeovers++
		t.step++
	case t.step == 1: // the state is read apart from the rest
		t.state = read[stateRow](b.server, stateKey)
		t.step++
	default:
		b.cut(0, false)
		h.taking = nil
		h.begin(b.server, t.state)
	}
}

func (h *host) lanesMost() int { return h.world.setup.core.Lanes }

// evict ends the sessions of lanes whose transactions are old.
func (s *server) evict(now int64) {
	for _, b := range slices.Clone(s.backends) {
		if b.lane && b.open != nil && b.open.begun < now-1e9 {
			s.world.met("evicted at a take-over")
			b.terminate()
		}
	}
}

// begin makes the core, of what the database says.
func (h *host) begin(s *server, state stateRow) {
	w := h.world
	start := replicator.Start{Snapshot: state.snapshot, Resume: state.resume, Anchor: talos.Anchor{Position: state.anchor, Hash: uint64(state.anchor)}, Ledger: slices.Clone(s.ledger)}
	switch {
	case state.resume > 0:
	case state.snapshot > 0:
		start.Resume = talos.Position(state.snapshot) + 1
	default:
		start.Resume = w.log.records[0].at
	}
	start.Requests, start.Abandoned = s.standing(), s.abandoned(start.Resume)
	for _, v := range s.rowsOf(tableQuarantine) {
		if read[quarantineRow](s, quarantined(talos.Version(v))).held {
			start.Held = append(start.Held, talos.Version(v))
		}
	}
	start.Guests = [][]replicator.Cut{h.plan(s, state.snapshot)}
	if h.newest == noDigest { // what named one was lost in a fail-over
		h.starts = w.now + 100e6
		return
	}
	if h.newest > 0 && w.setup.core.Probation.Versions > 0 && w.hostDice.chance(500) {
		w.met("probation goes on after a start")
		start.Trials = []replicator.Trial{{Before: h.load(h.newest - 1)}}
	}
	opts := w.setup.core
	opts.Seed += uint64(w.takeovers)
	h.core = replicator.New(opts, start)
	h.answers, h.tasks, h.refetching, h.retired = nil, nil, nil, nil
	h.reader = reader{host: h, from: start.Resume, last: talos.NoAnchor}
	if w := h.world; !w.exploring && w.hostDice.chance(500) {
		h.reader.held = w.hostDice.between(1, 5)
		w.met("read while it stood by")
	}
	h.lanes = make([]*lane, opts.Lanes)
	for i := range h.lanes {
		h.lanes[i] = &lane{host: h, number: i}
	}
	if w.trace != nil {
		h.trace = replicator.NewTrace(opts, start)
	}
	w.checker.began(h, s, start.Resume)
	h.step(&replicator.Tick{})
}

// rowsOf returns the ids of a table's rows, ascending.
func (s *server) rowsOf(of table) (ids []int64) {
	for key := range s.rows {
		if key.table == of {
			ids = append(ids, key.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// step gives the core an event and carries out what it asks for.
func (h *host) step(ev replicator.Event) {
	if h.core == nil {
		return
	}
	now := h.clock()
	actions := h.core.Step(now, ev)
	h.world.steps++
	if h.trace != nil {
		fmt.Fprintf(h.world.trace, "# host %d\n%s", h.number, h.trace.Step(now, ev, actions))
	}
	for _, a := range actions {
		h.perform(a)
		if h.core == nil {
			return
		}
	}
}

// perform does what Session.perform does.
func (h *host) perform(a replicator.Action) {
	switch a := a.(type) {
	case *replicator.Connect:
		h.give(a.Lane, a)
	case *replicator.Install:
		h.world.checker.asked(h, a)
		h.give(a.Lane, a)
	case *replicator.Beat:
		h.give(a.Lane, a)
	case *replicator.Disconnect:
		h.give(a.Lane, a)
	case *replicator.Respond:
		h.give(a.Lane, a)
	case *replicator.Quarantine:
		h.world.met("poison")
		h.give(a.Lane, a)
	case *replicator.Convert:
		if slices.Contains(h.retired, a.Generation) {
			h.world.violated("generation %d is to convert, and is retired", a.Generation)
		}
		h.tasks = append(h.tasks, a)
	case *replicator.CutOver:
		if h.newest = h.digests[a.Generation]; a.Why != "" {
			h.world.met("taken back on probation")
		}
	case *replicator.Retire:
		if slices.ContainsFunc(h.tasks, func(t *replicator.Convert) bool { return t.Generation == a.Generation || t.Before == a.Generation }) || slices.Contains(h.retired, a.Generation) {
			h.world.violated("generation %d is retired, and converts or was retired before", a.Generation)
		}
		h.retired = append(h.retired, a.Generation)
	case *replicator.Refetch:
		h.refetching = append(h.refetching, a.Versions...)
	case *replicator.Seek:
		h.reader.seek(a.To)
	case *replicator.Publish:
		h.published = a.Resume
		h.world.checker.published(a.Resume)
	case *replicator.PauseFetch:
		h.world.met("window full")
		h.reader.paused = true
	case *replicator.ResumeFetch:
		h.reader.paused = false
	case *replicator.Notice:
		h.world.noticed(a)
	case *replicator.Stop:
		h.stopped(a)
	}
}

func (h *host) give(to cohort.Lane, a replicator.Action) {
	l := h.lanes[to]
	l.jobs = append(l.jobs, a)
	if len(l.jobs) > 3 { // two, and a chained one that is to be dropped
		h.world.violated("lane %d of host %d is given %d jobs at once: a send would wait for the core", to, h.number, len(l.jobs))
	}
}

// stopped ends the session, and says what the process does then.
func (h *host) stopped(stop *replicator.Stop) {
	w := h.world
	w.checker.stopped(h, stop)
	h.down()
	switch stop.Reason {
	case replicator.StopDatabaseRegressed: // everything is loaded again
		w.met("reload after a fail-over")
		h.starts = w.now + 1
	case replicator.StopDrained:
		w.met("drained")
		h.starts = w.now + w.hostDice.span(3e9)
	default: // it stays down until somebody starts it
		h.starts = 0
	}
}

// down ends the process in an orderly way: its connections are closed.
func (h *host) down() {
	for _, l := range h.lanes {
		l.close()
	}
	if h.taking != nil && h.taking.conn != nil {
		h.taking.conn.cut(0, false)
	}
	h.core, h.taking, h.trace, h.lanes, h.answers = nil, nil, nil, nil, nil
}

// crash ends the process as kill -9 does: what it sent may be received in part, and the server need not
// hear of its end.
func (h *host) crash() {
	w := h.world
	if h.loads() {
		w.met("crash while a module is loaded")
	}
	for _, l := range h.lanes {
		if l.conn != nil {
			l.conn.cut(w.network.below(l.conn.received()+1)*w.network.below(2), w.network.chance(300))
			l.conn = nil
		}
	}
	if h.taking != nil && h.taking.conn != nil {
		h.taking.conn.cut(w.network.below(3), false)
	}
	h.core, h.taking, h.trace, h.lanes, h.answers = nil, nil, nil, nil, nil
}

// tick says whether the core wants a Tick now, or from which instant of the world on; 0 is never.
func (h *host) tickAt() int64 {
	if h.core == nil {
		return 0
	}
	at := h.core.Deadline()
	if at == 0 {
		return 0
	}
	return max(1, at-years-h.skew)
}
