package sim

import "github.com/ichor-replicator/ichor/host/replicator"

var tick = &replicator.Tick{}

// fail lets a fault happen, if the dice say so.
func (w *world) fail() {
	for f := range faults {
		if n := w.setup.faults[f]; n > 0 && w.faultDice.below(10_000) < n {
			w.struck++
			w.strike(f)
		}
	}
}

// strike lets one fault happen, where it finds something to hit.
func (w *world) strike(f fault) {
	w.tell("fault: %s", faultNames[f])
	switch f {
	case crashHost, freezeHost, jumpClock, stopHost, startSecondHost:
		w.strikeHost(f, w.hosts[w.faultDice.below(len(w.hosts))])
	case swapGuest:
		switch w.refused = false; {
		case w.faultDice.chance(200):
			w.refused = true
			w.met("a refused file")
		case w.module > 0 && w.faultDice.chance(200):
			w.module--
			w.met("an older guest swapped in")
		case w.module < w.log.digests-1:
			w.module++
			w.met("guest swapped")
		}
	case crashServer:
		w.crashServer(w.primary())
	case failOver:
		w.failOver(w.faultDice.below(4), w.faultDice.chance(500), w.faultDice.chance(300) && w.primary().beforeTakeOver() <= copyMost)
	case refuseAll:
		w.primary().refusing = w.now + w.faultDice.span(3e9)
	case refuseConnects:
		w.primary().full = w.now + w.faultDice.span(2e9)
	case strangeLock:
		w.strangerLocks()
	case operate:
		w.operate()
	default:
		w.strikeBackend(f)
	}
}

func (w *world) strikeHost(f fault, h *host) {
	switch f {
	case crashHost:
		if h.alive() {
			w.crash(h)
		}
	case freezeHost:
		if h.alive() {
			h.frozen = w.now + w.faultDice.span(20e9)
			w.met("frozen and woken")
			w.startAnother(h)
		}
	case jumpClock: // a process has read it when it began, and counts on from there
		if !h.alive() {
			h.skew = w.faultDice.span(7200e9) - 3600e9
		}
	case stopHost:
		if h.core != nil && h.frozen <= w.now {
			h.step(&replicator.Drain{})
		}
	case startSecondHost:
		if !h.alive() && h.starts == 0 {
			h.starts = w.now + 1
		}
	}
}

// crash ends a host's process, and has it or another started again.
func (w *world) crash(h *host) {
	w.met("crash")
	h.crash()
	if len(w.hosts) > 1 && w.faultDice.chance(500) {
		w.startAnother(h)
		return
	}
	h.starts = w.now + w.faultDice.span(2e9)
}

// startAnother starts a host that does not run.
func (w *world) startAnother(than *host) {
	for _, h := range w.hosts {
		if h != than && !h.alive() && h.starts == 0 {
			h.starts = w.now + w.faultDice.span(3e9)
			return
		}
	}
	if !than.alive() {
		than.starts = w.now + w.faultDice.span(2e9)
	}
}

// busyBackend returns a backend that has something to do, nil for none; an idle one now and then.
func (w *world) busyBackend() *backend {
	var busy []*backend
	for _, s := range w.servers {
		for _, b := range s.backends {
			if !b.gone && (len(b.queue) > 0 || w.faultDice.chance(100)) {
				busy = append(busy, b)
			}
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return busy[w.faultDice.below(len(busy))]
}

func (w *world) strikeBackend(f fault) {
	b := w.busyBackend()
	if b == nil {
		return
	}
	lost := w.network.below(2) * w.network.below(b.received()+1)
	switch f {
	case cutConnection:
		b.cut(lost, false)
		b.sleeps = w.now + w.network.span(1e9)*int64(w.network.below(2)) // and goes on when nobody expects it
	case loseClient:
		b.cut(lost, true)
		b.sleeps = w.now + w.network.span(3e9)*int64(w.network.below(2))
	case terminate:
		b.terminate()
	case stall:
		if w.network.below(2) == 0 {
			b.sleeps = w.now + w.network.span(2e9)
			return
		}
		h := w.hosts[w.network.below(len(w.hosts))]
		if len(h.lanes) > 0 { // what the server said is long on its way
			h.lanes[w.network.below(len(h.lanes))].sleeps = w.now + w.network.span(2e9)
		}
	case contend:
		if b.block {
			b.inject = of(&w.network, "40001", "40P01")
		}
	case timeOut:
		if b.block {
			b.inject = "57014"
		}
	}
}

// strangerLocks lets a transaction of somebody else hold accounts for a while.
func (w *world) strangerLocks() {
	s := w.primary()
	if s.down {
		return
	}
	b := s.connect(false)
	hold := statement{name: "lock", run: func(_ *batch, t *transaction) answer {
		a := t.lock(accountKey(w.network.below(w.setup.accounts)))
		b.sleeps = w.now + w.network.span(2e9)
		return a
	}}
	b.send(20e9, sqlBegin(false), hold, hold, sqlCommit())
	b.gone = true
}

// crashServer ends all backends at once; what was committed stays.
func (w *world) crashServer(s *server) {
	for len(s.backends) > 0 {
		s.backends[0].end()
	}
	w.met("server crashed")
}

// copyMost is how many commits a copy of the files may lack.
const copyMost = 200

// beforeTakeOver returns how many commits a copy lacks that was made before the latest take-over.
func (s *server) beforeTakeOver() int { return len(s.commits) - s.taken }

// failOver makes a copy the server that connections are made to. It may lack the last commits, and the
// old one may go on with the connections that it has. One that is restored from its files, as they were
// before the latest take-over, has no timeline of its own.
func (w *world) failOver(lost int, stale, restored bool) {
	old := w.primary()
	lost = min(lost, len(old.commits))
	if restored {
		lost = old.beforeTakeOver()
	}
	s := old.promote(len(w.servers), lost)
	if restored {
		s.timeline = old.timeline
		w.met("failed over to a copy from before the take-over")
	}
	w.failOvers++
	if old.down = true; !stale {
		w.crashServer(old)
	}
	w.servers = append(w.servers, s)
	w.met("failed over")
	if lost > 0 {
		w.met("failed over and lost commits")
	}
	if h := w.hosts[w.faultDice.below(len(w.hosts))]; stale && !w.exploring && !h.alive() && h.starts == 0 {
		h.starts = w.now + 1
	}
}

// heal ends all faults: one host is left that runs or starts, and every server that is not the primary
// is gone.
func (w *world) heal() {
	w.tell("heal")
	w.calm = true
	w.module, w.refused = w.log.digests-1, false
	w.cured = 0
	s := w.primary()
	s.full, s.refusing = 0, 0
	for _, old := range w.servers[:len(w.servers)-1] {
		w.crashServer(old)
	}
	for _, b := range s.backends {
		b.sleeps, b.inject = min(b.sleeps, w.now+1e9), ""
		if b.gone {
			b.deaf = false // TCP gives up
		}
	}
	w.show(len(w.log.records))
	for _, h := range w.hosts {
		h.frozen = min(h.frozen, w.now+1e9)
		for _, l := range h.lanes {
			l.sleeps = min(l.sleeps, w.now+1e9)
		}
	}
	w.leaveOne(s)
	w.cares = w.setup.faults[operate] > 0 && w.faultDice.chance(500)
}

// leaveOne has the owner go on alone, or one start where there is none.
func (w *world) leaveOne(s *server) {
	one := w.hosts[w.faultDice.below(len(w.hosts))]
	for _, h := range w.hosts {
		if h.owns(s) {
			one = h
		}
	}
	for _, h := range w.hosts {
		switch {
		case h == one:
		case h.taking != nil: // it would end the one
			h.crash()
			h.starts = 0
		default:
			h.starts = 0
		}
	}
	if !one.owns(s) && one.core != nil {
		one.crash()
	}
	if !one.alive() && one.starts == 0 {
		one.starts = w.now + 1
	}
}

// keepOne starts a host when none is left: a take-over that its host did not live to see the end of may
// have fenced the last.
func (w *world) keepOne() {
	for _, h := range w.hosts {
		if h.alive() || h.starts != 0 {
			return
		}
	}
	w.hosts[0].starts = w.now + 1
}

// owns reports whether a host runs that has the epoch of a server.
func (h *host) owns(s *server) bool {
	state := read[stateRow](s, stateKey)
	return h.core != nil && h.own.token == state.token && h.own.epoch == state.epoch
}

// reads reports whether a host takes the requests of a server: of the one that it took over, and of no copy, which is
// another's before it is taken over.
func (h *host) reads(s *server) bool { return h.owns(s) && h.own.timeline == s.timeline }
