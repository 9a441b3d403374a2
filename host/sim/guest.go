package sim

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// A guest is a digest, from 0 on: each newer one takes what some older ones reject. A generation is one
// of them loaded by a host.

// load gives a digest a generation.
func (h *host) load(digest int) cohort.Generation {
	h.digests = append(h.digests, digest)
	return cohort.Generation(len(h.digests) - 1)
}

// plan says which digest converts what at a start, as usesOf of host/rollout does.
func (h *host) plan(s *server, snapshot talos.Version) (cuts []replicator.Cut) {
	type row struct {
		from   talos.Version
		digest int
	}
	var rows []row
	h.digests = nil
	for _, id := range s.rowsOf(tableHistory) {
		if id%2 == 0 {
			rows = append(rows, row{talos.Version(id / 2), read[historyRow](s, rowKey{tableHistory, id}).digest})
		}
	}
	recorded := len(rows)
	above := snapshot + 1
	for len(rows) > 1 && rows[1].from <= above {
		rows = rows[1:]
		recorded--
	}
	highest := snapshot
	if n := len(s.ledger); n > 0 {
		highest = max(highest, s.ledger[n-1])
	}
	if n := len(rows); h.newest == noDigest && n > 0 { // the file is refused
		h.newest = rows[n-1].digest
	}
	switch n := len(rows); {
	case n == 0:
		rows = []row{{above, h.newest}}
	case rows[n-1].digest == h.newest:
	default:
		next := row{max(highest, rows[n-1].from) + 1, h.newest}
		if n == 1 && next.from == above {
			rows, recorded = nil, 0
		}
		rows = append(rows, next)
	}
	for i, r := range rows {
		cuts = append(cuts, replicator.Cut{From: r.from, Generation: h.load(r.digest), Recorded: i < recorded})
	}
	return cuts
}

// noDigest is none: of a host that begins beside a refused file, or that loads nothing.
const noDigest = -1

// beginLoad reads the module that lies there and begins to load it, which may take long; what comes to lie there
// meanwhile is looked at when that is over.
func (h *host) beginLoad() {
	w := h.world
	h.loading, h.loaded = w.module, 0
	switch {
	case w.exploring:
		h.arm()
	case w.hostDice.chance(300):
		h.loaded = w.now + w.hostDice.span(3e9)
	}
}

// arm tells the core of the module that was loaded.
func (h *host) arm() {
	if h.loading != h.world.module {
		h.world.met("another file came while one was loaded")
	}
	h.newest, h.loading = h.loading, noDigest
	h.step(&replicator.GuestArmed{Generation: h.load(h.newest)})
}

// loads reports whether a host is loading a module.
func (h *host) loads() bool { return h.core != nil && h.loading != noDigest }

// convert answers a task.
func (h *host) convert(i int) {
	w := h.world
	task := h.tasks[i]
	h.tasks = slices.Delete(h.tasks, i, i+1)
	digest := h.digests[task.Generation]
	ev := &replicator.Converted{Task: task.Task}
	for _, work := range task.Works {
		if work.Candidate == nil {
			w.violated("version %d is converted without its payload", work.Version)
			return
		}
		c := w.log.find(work.Version)
		r := replicator.Result{Begin: h.clock(), End: h.clock()}
		switch {
		case !c.takenBy(digest):
			r.Verdict, r.Failure = replicator.Rejected, replicator.Failure{Class: replicator.Poison, Kind: replicator.KindGuestReject}
		case c.skipped:
			r.Verdict = replicator.Skipped
		default:
			r.Conversion = &conversion{candidate: c, digest: digest}
		}
		r.Alike = task.Before != cohort.NoGeneration && c.takenBy(digest) == c.takenBy(h.digests[task.Before])
		ev.Results = append(ev.Results, r)
	}
	if w.guestDice.chance(200) { // what the guest made is large: the rest is given out again
		ev.Results = ev.Results[:1+w.guestDice.below(len(ev.Results))]
	}
	h.answers = append(h.answers, []replicator.Event{ev})
}

// refetch answers for the payloads that were asked for first.
func (h *host) refetch() {
	w := h.world
	n := w.guestDice.between(1, len(h.refetching))
	var events []replicator.Event
	for _, v := range h.refetching[:n] {
		c := w.log.find(v)
		ev := &replicator.Refetched{Version: v, Keys: c.keys, Payload: c.payload}
		if !w.calm && w.setup.faults[losePayload] > 0 && w.guestDice.chance(20) {
			w.met("payload lost")
			ev = &replicator.Refetched{Version: v}
		}
		events = append(events, ev)
	}
	w.met("payload let go and fetched again")
	h.refetching = h.refetching[n:]
	h.answers = append(h.answers, events)
}
