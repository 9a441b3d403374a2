package sim

import "github.com/ichor-replicator/ichor/host/replicator"

// turn is something that can happen now.
type turn struct {
	kind  turnKind
	host  *host
	lane  *lane
	back  *backend
	index int
}

type turnKind uint8

const (
	turnShow    turnKind = iota // the log grows
	turnStart                   // a host starts, or goes on taking over
	turnTick                    // the core's deadline has come
	turnAnswer                  // the core takes an answer
	turnRead                    // the log is read
	turnDeliver                 // the core takes a batch of the log
	turnConvert                 // a task is answered
	turnRefetch                 // payloads are answered
	turnLoad                    // a module begins to be loaded
	turnArm                     // it is loaded
	turnAsk                     // the core is told of requests
	turnLane                    // a lane begins a job or takes its answer
	turnBackend                 // a statement is executed
	turnBeside                  // the initiator goes on
)

// turns returns all that can happen now, in an order that depends on nothing else.
func (w *world) turns() []turn {
	all := w.buffer[:0]
	if w.shown < len(w.log.records) {
		all = append(all, turn{kind: turnShow})
	}
	for _, h := range w.hosts {
		all = h.turns(all)
	}
	for _, s := range w.servers {
		for _, b := range s.backends {
			if b.ready(w.now) {
				all = append(all, turn{kind: turnBackend, back: b})
			}
		}
	}
	if w.beside != nil && w.beside.ready(w.now) {
		all = append(all, turn{kind: turnBeside})
	}
	w.buffer = all
	return all
}

// turns adds what a host can do now.
func (h *host) turns(all []turn) []turn {
	w := h.world
	switch {
	case !h.alive():
		if h.starts != 0 && h.starts <= w.now {
			all = append(all, turn{kind: turnStart, host: h})
		}
		return all
	case h.frozen > w.now:
		return all
	case h.taking != nil:
		if h.taking.conn == nil || h.taking.answer.over || h.taking.conn.lost() {
			all = append(all, turn{kind: turnStart, host: h})
		}
		return all
	}
	if at := h.tickAt(); at != 0 && at <= w.now {
		all = append(all, turn{kind: turnTick, host: h})
	}
	if len(h.answers) > 0 {
		all = append(all, turn{kind: turnAnswer, host: h})
	}
	if h.reader.canRead() {
		all = append(all, turn{kind: turnRead, host: h})
	}
	if h.reader.canDeliver() {
		all = append(all, turn{kind: turnDeliver, host: h})
	}
	for i := range h.tasks {
		all = append(all, turn{kind: turnConvert, host: h, index: i})
	}
	if len(h.refetching) > 0 {
		all = append(all, turn{kind: turnRefetch, host: h})
	}
	switch {
	case h.loads():
		if h.loaded <= w.now {
			all = append(all, turn{kind: turnArm, host: h})
		}
	case h.newest != w.module && !w.refused:
		all = append(all, turn{kind: turnLoad, host: h})
	}
	if h.asks <= w.now && h.reads(w.primary()) && len(w.primary().requests) > 0 && len(w.primary().standing()) > 0 {
		all = append(all, turn{kind: turnAsk, host: h})
	}
	for _, l := range h.lanes {
		if l.ready(w.now) {
			all = append(all, turn{kind: turnLane, host: h, lane: l})
		}
	}
	return all
}

// take lets a turn happen.
func (w *world) take(t turn) {
	h := t.host
	switch t.kind {
	case turnShow:
		w.show(w.turnDice.between(1, 2*w.batch))
	case turnStart:
		if !h.alive() {
			w.tell("host %d starts", h.number)
			h.start()
			return
		}
		h.takeOver()
	case turnTick:
		h.step(tick)
	case turnAnswer:
		events := h.answers[0]
		h.answers = h.answers[1:]
		for _, ev := range events {
			h.step(ev)
		}
	case turnRead:
		h.reader.read()
	case turnDeliver:
		h.reader.deliver()
	case turnConvert:
		h.convert(t.index)
	case turnRefetch:
		h.refetch()
	case turnLoad:
		h.beginLoad()
	case turnArm:
		h.arm()
	case turnAsk:
		h.asks = w.now + w.hostDice.span(1e9)
		h.step(&replicator.Asked{Requests: w.primary().standing()})
	case turnLane:
		t.lane.step()
	case turnBackend:
		if w.trace != nil && len(t.back.queue) > 0 {
			w.tell("server %d backend %d: %s %d", t.back.server.number, t.back.pid, t.back.queue[0].statements[0].name, t.back.queue[0].statements[0].version)
		}
		t.back.step(w.now)
	case turnBeside:
		w.beside.step()
	}
}

// show lets the log grow.
func (w *world) show(n int) {
	w.shown = min(len(w.log.records), w.shown+n)
	w.end = w.log.records[w.shown-1].next
}

// next lets something happen, or the time pass until something can; false when nothing ever will.
func (w *world) next() bool {
	w.now += w.turnDice.span(w.setup.pace)
	if w.calm {
		w.keepOne()
	}
	all := w.turns()
	if len(all) == 0 {
		at := w.due()
		if at == 0 {
			return false
		}
		w.now = max(w.now, at)
		return true
	}
	w.take(all[w.turnDice.below(len(all))])
	return true
}

// due returns the next instant at which something can happen by itself; 0 for none.
func (w *world) due() int64 {
	first := int64(0)
	at := func(t int64) {
		if t > w.now && (first == 0 || t < first) {
			first = t
		}
	}
	for _, h := range w.hosts {
		at(h.starts)
		at(h.frozen)
		if h.frozen <= w.now {
			at(h.tickAt())
			if h.loads() {
				at(h.loaded)
			}
			if w.lastRequest > 0 {
				at(h.reader.asks)
			}
			if w.lastRequest > 0 && h.reads(w.primary()) && len(w.primary().standing()) > 0 {
				at(h.asks)
			}
		}
		for _, l := range h.lanes {
			at(l.sleeps)
			if l.busy() {
				at(l.deadline)
			}
		}
	}
	for _, s := range w.servers {
		at(s.full)
		for _, b := range s.backends {
			at(b.sleeps)
			if b.waits {
				at(b.since + b.lockWait)
			}
		}
	}
	if w.beside != nil {
		at(w.beside.sleeps)
	}
	return first
}
