package session

import (
	"errors"
	"log/slog"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/spans"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/suffix"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/telemetry"
)

// decoder turns batches of records into events of the core. One goroutine uses it.
type decoder struct {
	guests   *rollout.Guests
	unrouted rollout.UnroutedPolicy
	metrics  *telemetry.Metrics
	xids     *XIDs
	latest   latest
	spans    *spans.Sender
	limit    telemetry.Limiter
	log      *slog.Logger
	last     talos.Anchor // of the newest record that was decoded
}

func newDecoder(p *Parts) *decoder {
	return &decoder{guests: p.Guests, unrouted: p.Unrouted, metrics: p.Metrics, xids: p.XIDs, spans: p.Spans, log: p.Log}
}

// sliceMax is how many records the core is given at once: it must not keep a lane waiting for
// its next group while it takes in a whole fetch.
const sliceMax = 512

// decode calls deliver with the events of a batch, in slices that each end with BatchRead. Each
// record is counted once, by what it is.
func (d *decoder) decode(b kafka.Batch, deliver func([]replicator.Event) error) error {
	d.metrics.Passed("aborted_transaction", b.Aborted)
	d.metrics.Passed("marker", b.Markers)
	d.metrics.Passed("gap", b.Gaps)
	holes := b.Holes
	for records := b.Records; ; {
		n := min(len(records), sliceMax)
		events := make([]replicator.Event, 0, n+1)
		for i := range records[:n] {
			r := &records[i]
			events, holes = d.holes(events, holes, r.Position)
			if ev := d.record(r); ev != nil {
				events = append(events, ev)
			}
			d.last = talos.Anchor{Position: r.Position, Hash: kafka.Hash(r)}
		}
		first, written := b.Next, int64(0)
		if n > 0 {
			first, written = records[0].Position, records[0].Time
		}
		records = records[n:]
		next := d.last.Position + 1
		if len(records) == 0 {
			next = b.Next
			events, holes = d.holes(events, holes, next)
		}
		d.metrics.Read(first, next, written, next >= b.HighWatermark)
		if err := deliver(append(events, &replicator.BatchRead{Next: next, Anchor: d.last, Start: b.Start, End: b.StableEnd, Asked: status.At(b.Asked), Hidden: b.StableEnd < b.HighWatermark})); err != nil {
			return err
		}
		if len(records) == 0 {
			return nil
		}
	}
}

// holes appends the events of the holes below a position.
func (d *decoder) holes(events []replicator.Event, holes []kafka.Hole, below talos.Position) ([]replicator.Event, []kafka.Hole) {
	for len(holes) > 0 && holes[0].From < below {
		events = append(events, &replicator.Hole{From: holes[0].From, To: holes[0].To, Before: d.last})
		holes = holes[1:]
	}
	return events, holes
}

func (d *decoder) record(r *kafka.Record) replicator.Event {
	kind, reason := talos.Classify(func(name string) []byte {
		v, _ := r.Header(name)
		return v
	}, r.Value)
	switch kind {
	case talos.CandidateKind:
		return d.candidate(r)
	case talos.DecisionKind:
		return d.decision(r)
	}
	d.metrics.Record(kind.String(), reason)
	if kind == talos.Malformed && d.limit.Allow("malformed") {
		d.log.Warn("a record of the topic is neither candidate nor decision", "position", r.Position, "reason", reason)
	}
	return nil
}

func (d *decoder) candidate(r *kafka.Record) replicator.Event {
	v := talos.Version(r.Position)
	c := new(talos.Candidate)
	if err := talos.DecodeCandidate(v, r.Value, c); err != nil {
		d.refused("refused", r, err)
		return &replicator.Refused{Version: v}
	}
	d.metrics.Record(talos.CandidateKind.String(), "")
	d.xids.add(c.XID, v)
	d.latest.add(c.XID, v)
	ev := &replicator.Candidate{Version: v, Before: d.last, Payload: c, Keys: talos.Keys(c.ReadSet, c.WriteSet)}
	guest, routed := d.guests.Route(c)
	ev.Guest = guest
	switch {
	case c.Unreadable != nil:
		ev.Kind = suffix.Unreadable
	case len(c.Items) == 0:
		ev.Kind = suffix.Empty
	case routed == rollout.NoGuest && d.unrouted == rollout.UnroutedIgnore:
		ev.Kind = suffix.Empty
	case routed != rollout.OneGuest:
		ev.Kind = suffix.Unrouted
	}
	// What the core needs of the sets are the keys; the texts need not be held.
	c.ReadSet, c.WriteSet = nil, nil
	return ev
}

func (d *decoder) decision(r *kafka.Record) replicator.Event {
	var dec talos.Decision
	if err := talos.DecodeDecision(r.Value, &dec); err != nil {
		d.refused(talos.Malformed.String(), r, err)
		return nil
	}
	d.metrics.Record(talos.DecisionKind.String(), dec.Outcome.String())
	if d.latest.differs(dec.XID, dec.Version) { // it decides all the same: certifiers match by version
		d.metrics.DecisionOfOther()
		if d.limit.Allow("other xid") {
			d.log.Warn("a decision has another xid than the candidate that it is about: something else than the certifier may write to the topic", "position", r.Position, "version", dec.Version)
		}
	}
	if trace, named := r.Header("traceparent"); named {
		d.spans.Decided(dec.Version, trace)
	}
	return &replicator.Decision{
		Version: dec.Version, Position: r.Position, Safepoint: dec.Safepoint, Outcome: dec.Outcome,
		Duplicate: dec.Duplicate, Contradictory: dec.Contradictory(),
	}
}

// refused counts a candidate that the certifier refuses, or a decision that says nothing.
func (d *decoder) refused(kind string, r *kafka.Record, err error) {
	reason := "unknown"
	var refused *talos.Refused
	if errors.As(err, &refused) {
		reason = refused.Reason
	}
	d.metrics.Record(kind, reason)
	if d.limit.Allow(kind) {
		d.log.Warn("a record of the topic cannot be decoded", "position", r.Position, "as", kind, "error", err)
	}
}
