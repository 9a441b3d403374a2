package spans

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/ichor-replicator/ichor/host/timing"
)

// stretch is a part of a version's way that has a span of its own.
type stretch struct {
	name     string
	from, to timing.Event
	kind     trace.SpanKind
}

// stretches are all of them. The first has the reference's name and attribute, and its link is the reference's.
var stretches = [...]stretch{
	{"replicator_receive_decision", timing.ReplicatorDecisionReceived, timing.ReplicatorStatemapPicked, trace.SpanKindInternal},
	{"guest_conversion", timing.GuestConversionBegin, timing.GuestConversionComplete, trace.SpanKindInternal},
	{"queue_wait", timing.QueueStatemapReceived, timing.QueueStatemapSent, trace.SpanKindInternal},
	{"statemap_installation", timing.InstallerStatemapInstallationBegin, timing.InstallerStatemapInstallationComplete, trace.SpanKindClient},
	{"snapshot_persisted", timing.InstallerStatemapInstallationComplete, timing.SnapshotPersisted, trace.SpanKindInternal},
}

// whole is the name of the span around them, from the candidate to the snapshot that passed it.
const whole = "replicator_version"

// ended is a journey whose spans are to be made, with the trace that its decision named.
type ended struct {
	*timing.Journey
	parent trace.SpanContext // not valid for none
}

// record makes the spans of a journey and ends them, so that the tracer's processor has them.
func (s *Sender) record(e ended) {
	var first, last int64
	for _, at := range e.All() {
		if first == 0 {
			first = at
		}
		last = at
	}
	if first == 0 {
		return
	}
	var links []trace.Link
	if e.parent.IsValid() {
		links = []trace.Link{{SpanContext: e.parent}}
	}
	attributes := s.attributes(e.Journey)
	ctx, root := s.tracer.Start(context.Background(), whole, trace.WithNewRoot(), trace.WithTimestamp(time.Unix(0, first)),
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...), trace.WithLinks(links...))
	for i, part := range stretches {
		from, begun := e.Get(part.from)
		to, done := e.Get(part.to)
		if !begun || !done {
			continue
		}
		opts := []trace.SpanStartOption{trace.WithTimestamp(time.Unix(0, from)), trace.WithSpanKind(part.kind)}
		if i == 0 {
			opts = append(opts, trace.WithLinks(links...))
			if e.Details != nil {
				opts = append(opts, trace.WithAttributes(attribute.String("xid", e.Details.XID)))
			}
		}
		if part.kind == trace.SpanKindClient {
			opts = append(opts, trace.WithAttributes(attribute.String("db.system.name", "postgresql")))
		}
		_, span := s.tracer.Start(ctx, part.name, opts...)
		span.End(trace.WithTimestamp(time.Unix(0, to)))
	}
	root.End(trace.WithTimestamp(time.Unix(0, last)))
}

// attributes are what a journey's span says of its version: never what a row holds.
func (s *Sender) attributes(j *timing.Journey) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", s.topic),
		attribute.Int64("messaging.kafka.offset", int64(j.Version)), attribute.Int64("ichor.version", int64(j.Version)), attribute.Int64("ichor.attempts", int64(j.Attempts)),
	}
	if j.Guest != "" {
		all = append(all, attribute.String("ichor.guest.digest", j.Guest))
	}
	if d := j.Details; d != nil {
		all = append(all, attribute.String("xid", d.XID), attribute.String("ichor.cohort", d.Cohort), attribute.Int64("ichor.guest.fuel", d.Fuel),
			attribute.Int("ichor.statements", d.Statements), attribute.StringSlice("ichor.templates", d.Templates))
	}
	return all
}
