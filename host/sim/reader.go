package sim

import (
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// reader is the goroutine of a host that reads the log, with the channel to the core behind it. A batch
// that stands in the channel is delivered although the core has sought meanwhile.
type reader struct {
	host    *host
	from    talos.Position // where it reads next
	last    talos.Anchor   // the newest record that was decoded since the start or the seek
	batches [][]replicator.Event
	paused  bool
	asks    int64 // when it asks a log that has not grown again, ns
	held    int   // batches that were read before the host took over, each when the log ended with it
}

// batchesMost is how many may be read ahead: one in the channel, and one that waits for room.
const batchesMost = 2

// canRead reports whether there is something to read, and room for it.
func (r *reader) canRead() bool {
	w := r.host.world
	return len(r.batches) < batchesMost && (r.from < w.end || len(r.batches) == 0 && w.lastRequest > 0 && r.asks <= w.now)
}

// askEvery is how long the log lets a reader wait for what is not there, ns.
const askEvery = 500e6

// canDeliver reports whether the core takes a batch: a lane that waits goes before the log.
func (r *reader) canDeliver() bool {
	return len(r.batches) > 0 && !r.paused && len(r.host.answers) == 0
}

// read reads a batch.
func (r *reader) read() {
	w := r.host.world
	var batch []replicator.Event
	i := w.log.index(r.from)
	n := w.batch
	if !w.exploring {
		n = w.turnDice.between(1, w.batch)
	}
	for ; n > 0 && i < w.shown; n-- {
		batch = r.decode(batch, &w.log.records[i])
		r.from = w.log.records[i].next
		i++
	}
	r.asks = w.now + askEvery
	read := &replicator.BatchRead{Next: r.from, Anchor: r.last, End: w.end, Asked: r.host.clock()}
	if r.held > 0 {
		r.held--
		read.End, read.Asked = r.from, 0
	}
	r.batches = append(r.batches, append(batch, read))
}

// decode makes events of a record.
func (r *reader) decode(batch []replicator.Event, rec *record) []replicator.Event {
	here := talos.Anchor{Position: rec.at, Hash: uint64(rec.at)}
	switch c := rec.candidate; {
	case c != nil:
		ev := &replicator.Candidate{Version: c.version, Before: r.last, Keys: c.keys, Kind: c.kind, Payload: c.payload}
		batch = append(batch, ev)
	case rec.refused:
		batch = append(batch, &replicator.Refused{Version: talos.Version(rec.at)})
	case rec.decision != nil:
		batch = append(batch, rec.decision)
	case rec.hole:
		return append(batch, &replicator.Hole{From: rec.at, To: rec.next, Before: r.last})
	case rec.next > rec.at+1: // markers and aborted records: none of ours
		return batch
	}
	r.last = here
	return batch
}

// seek reads from elsewhere. Of what was read the batch in the channel may be delivered still.
func (r *reader) seek(to talos.Position) {
	r.host.world.met("sought")
	if len(r.batches) > 1 {
		r.batches = r.batches[:1]
	}
	r.batches = append(r.batches, []replicator.Event{&replicator.SeekDone{}})
	r.from, r.last = to, talos.NoAnchor
}

// deliver gives the core the next batch.
func (r *reader) deliver() {
	batch := r.batches[0]
	r.batches = r.batches[1:]
	for _, ev := range batch {
		r.host.step(ev)
		if r.host.core == nil {
			return
		}
	}
}
