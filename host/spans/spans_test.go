package spans

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"

	"github.com/ichor-replicator/ichor/host/hosttest"
	"github.com/ichor-replicator/ichor/host/spans/spanstest"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sending is a sender before a receiver.
type sending struct {
	*Sender
	t    *testing.T
	to   *spanstest.Receiver
	log  *strings.Builder
	end  context.CancelFunc
	done chan struct{}
}

func send(t *testing.T, o Options) *sending {
	t.Helper()
	to, err := spanstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	s := &sending{t: t, to: to, log: new(strings.Builder), done: make(chan struct{})}
	o.Endpoint, o.Topic, o.Version, o.Instance = to.Endpoint(), "certification", "v1", "here/1"
	o.Fill()
	if s.Sender, err = New(o, slog.New(slog.NewTextHandler(s.log, nil)), prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	return s
}

// runs begins to send; ended ends it, and returns what was received.
func (s *sending) runs() {
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	go func() { s.Run(ctx); close(s.done) }()
}

func (s *sending) ended() []*trace.Span {
	s.end()
	<-s.done
	return s.to.Spans()
}

func (s *sending) count(outcome string) int {
	return int(testutil.ToFloat64(s.outcomes.WithLabelValues(outcome)))
}

// passed is the journey of a version that was installed and took so long from its decision to its commit.
func passed(v talos.Version, took time.Duration) *timing.Journey {
	const begun = 1_700_000_000_000_000_000
	j := &timing.Journey{Version: v, Attempts: 1, Guest: "5f3a", Details: &timing.Details{XID: fmt.Sprint("xid-", v), Cohort: "bank", Fuel: 7, Statements: 2, Templates: []string{"a", "b"}}}
	for e := range timing.Event(timing.Events) {
		j.Record(e, begun+int64(e))
		if e == timing.InstallerStatemapInstallationBegin {
			j.Record(timing.InstallerStatemapInstallationComplete, begun+1+int64(took)) // the decision's instant is begun + 1
		}
	}
	return j
}

// traceparent is the header of a trace whose lower half is as given.
func traceparent(lower string) []byte {
	return []byte("00-4bf92f3577b34da6" + lower + "-00f067aa0ba902b7-01")
}

// A journey becomes a span around one for each part of its way, at the instants of the journey, linked to the trace
// that the decision names.
func TestSpansOfAJourney(t *testing.T) {
	s := send(t, Options{Share: 1})
	s.runs()
	s.Decided(42, traceparent("a3ce929d0e0e4736"))
	s.Decided(42, traceparent("ffffffffffffffff")) // a certifier that decides again: the first binds
	j := passed(42, 5*time.Millisecond)
	s.Observe(j)
	all := map[string]*trace.Span{}
	for _, span := range s.ended() {
		all[span.Name] = span
	}
	if len(all) != 1+len(stretches) {
		t.Fatalf("received %d spans: %v", len(all), all)
	}
	root := all[whole]
	if len(root.ParentSpanId) != 0 || root.Kind != trace.Span_SPAN_KIND_CONSUMER {
		t.Errorf("the whole is %v", root)
	}
	first, _ := j.Get(timing.ReplicatorCandidateReceived)
	last, _ := j.Get(timing.SnapshotPersisted)
	if int64(root.StartTimeUnixNano) != first || int64(root.EndTimeUnixNano) != last {
		t.Errorf("the whole is from %d to %d, want %d to %d", root.StartTimeUnixNano, root.EndTimeUnixNano, first, last)
	}
	for _, part := range stretches {
		span := all[part.name]
		from, _ := j.Get(part.from)
		to, _ := j.Get(part.to)
		if int64(span.StartTimeUnixNano) != from || int64(span.EndTimeUnixNano) != to || string(span.ParentSpanId) != string(root.SpanId) || string(span.TraceId) != string(root.TraceId) {
			t.Errorf("%s is %v", part.name, span)
		}
	}
	for _, name := range []string{whole, "replicator_receive_decision"} {
		links := all[name].Links
		if len(links) != 1 || fmt.Sprintf("%x-%x", links[0].TraceId, links[0].SpanId) != "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7" {
			t.Errorf("%s has the links %v", name, links)
		}
	}
	if string(root.TraceId) == string(root.Links[0].TraceId) {
		t.Error("the spans are in the initiator's own trace")
	}
	said := spanstest.Texts(root)
	for key, want := range map[string]string{"xid": "xid-42", "ichor.version": "42", "messaging.kafka.offset": "42", "messaging.destination.name": "certification",
		"ichor.cohort": "bank", "ichor.guest.digest": "5f3a", "ichor.guest.fuel": "7", "ichor.statements": "2", "ichor.templates": "a;b;", "ichor.attempts": "1"} {
		if said[key] != want {
			t.Errorf("%s is %q, want %q", key, said[key], want)
		}
	}
	if about := s.to.About(); about["service.name"] != "ichor" || about["service.version"] != "v1" || about["service.instance.id"] != "here/1" {
		t.Errorf("it says of itself %v", about)
	}
	if got := s.count("sent"); got != 1 {
		t.Errorf("counted %d as sent", got)
	}
}

// What is sent is decided at the end: the slow, those of a second try, and the share of the traces below its bound.
func TestWhatIsSent(t *testing.T) {
	s := send(t, Options{Share: 0.25, Slow: time.Second})
	s.runs()
	s.Observe(passed(1, time.Second))
	retried := passed(2, time.Millisecond)
	retried.Attempts = 2
	s.Observe(retried)
	for v, lower := range map[talos.Version]string{3: "3ffffffffffffffe", 4: "4000000000000002", 5: "0000000000000001", 6: "fffffffffffffffe"} {
		s.Decided(v, traceparent(lower))
	}
	for v := talos.Version(3); v <= 6; v++ {
		s.Observe(passed(v, time.Millisecond))
	}
	var sent []string
	for _, span := range s.ended() {
		if span.Name == whole {
			sent = append(sent, spanstest.Texts(span)["ichor.version"])
		}
	}
	if got := strings.Join(sent, " "); got != "1 2 3 5" {
		t.Errorf("sent %s", got)
	}
	none := &Sender{slow: int64(time.Second)}
	for range 1000 {
		if none.wanted(ended{Journey: passed(7, time.Millisecond)}) {
			t.Fatal("a share of none has one")
		}
	}
	all := &Sender{slow: int64(time.Second), bound: 1 << 63}
	for range 1000 {
		if !all.wanted(ended{Journey: passed(7, time.Millisecond)}) {
			t.Fatal("a share of all lacks one")
		}
	}
}

// A receiver that refuses is said once, and once that it takes spans again; every journey is counted.
func TestReceiverThatRefuses(t *testing.T) {
	s := send(t, Options{Share: 1})
	s.to.Refuse(true)
	s.Observe(passed(1, time.Millisecond))
	s.runs()
	hosttest.Until(t, func() bool { return s.count("failed") == 1 }, s.log.String)
	s.Observe(passed(2, time.Millisecond))
	hosttest.Until(t, func() bool { return s.count("failed") == 2 }, s.log.String)
	s.to.Refuse(false)
	s.Observe(passed(3, time.Millisecond))
	hosttest.Until(t, func() bool { return s.count("sent") == 1 }, s.log.String)
	if got := len(s.ended()); got != 1+len(stretches) {
		t.Errorf("received %d spans", got)
	}
	if text := s.log.String(); strings.Count(text, "does not take them") != 1 || strings.Count(text, "takes them again") != 1 {
		t.Errorf("it said:\n%s", text)
	}
}

// Nobody waits for a receiver that is not there: what does not fit is dropped and counted, and the end is soon.
func TestReceiverThatIsAway(t *testing.T) {
	s := send(t, Options{Share: 1})
	s.to.Close()
	for v := range talos.Version(queued + 5) {
		s.Observe(passed(v+1, time.Millisecond))
	}
	if got := s.count("dropped"); got != 5 {
		t.Errorf("dropped %d, want 5", got)
	}
	s.runs()
	if got := s.ended(); len(got) != 0 {
		t.Errorf("received %v", got)
	}
	if got := s.count("failed"); got != queued {
		t.Errorf("counted %d as failed, want %d", got, queued)
	}
	if text := s.log.String(); strings.Count(text, "does not take them") != 1 {
		t.Errorf("it said:\n%s", text)
	}
}

// Traces of decisions whose journeys never come are forgotten, the oldest first.
func TestTracesAreForgotten(t *testing.T) {
	s := send(t, Options{Share: 1})
	for v := range talos.Version(parentsKept + 1) {
		s.Decided(v+1, traceparent("a3ce929d0e0e4736"))
	}
	if got := len(s.parents.of); got != parentsKept {
		t.Errorf("remembers %d", got)
	}
	if s.parents.take(1).IsValid() || !s.parents.take(2).IsValid() || s.parents.take(2).IsValid() {
		t.Error("the oldest is not forgotten, or another is, or one is told twice")
	}
	for _, none := range []string{"", "00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", strings.Repeat("0", 1<<16)} {
		s.Decided(1<<40, []byte(none))
		if s.parents.take(1 << 40).IsValid() {
			t.Errorf("%.60q names a trace", none)
		}
	}
}

// Without an endpoint there is no sender, and nobody who has none needs to know.
func TestNoEndpoint(t *testing.T) {
	s, err := New(Options{Share: 1}, nil, prometheus.NewRegistry())
	if s != nil || err != nil {
		t.Fatalf("%v, %v", s, err)
	}
	s.Decided(1, traceparent("a3ce929d0e0e4736"))
	s.Run(t.Context())
}

// OpenTelemetry's variables name headers; one that is none is refused, and its text never shown.
func TestHeadersOfTheEnvironment(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open%20sesame,y=2")
	s := send(t, Options{Share: 1})
	s.runs()
	s.Observe(passed(1, time.Millisecond))
	s.ended()
	if got := s.to.Header("x-key"); len(got) != 1 || got[0] != "open sesame" {
		t.Errorf("x-key is %q", got)
	}
	for _, wrong := range []string{"sesame", "x-key=1,sesame", "ses ame=1", "x=%zzsesame", "=sesame"} {
		t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", wrong)
		_, err := New(Options{Endpoint: "http://localhost:1"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_HEADERS") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestOptionsThatAreNone(t *testing.T) {
	for _, o := range []Options{{Endpoint: "collector:4317"}, {Endpoint: "http://"}, {Endpoint: "grpc://c:4317"}, {Endpoint: "http://u:sesame@c:4317"}, {Endpoint: "http://c:4317/v1/traces"}, {Endpoint: "http://c:99999"},
		{Slow: -1}, {Share: -0.1}, {Share: 1.1}} {
		if err := o.Validate(); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for _, o := range []Options{{}, {Endpoint: "http://c:4317"}, {Endpoint: "https://[::1]:4317/", Share: 1}} {
		if err := o.Validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// What it costs the core's goroutine and the reading, for a version whose spans are not sent.
func BenchmarkNotSent(b *testing.B) {
	s := &Sender{slow: int64(time.Second)}
	j, header := passed(1, time.Millisecond), traceparent("a3ce929d0e0e4736")
	b.ReportAllocs()
	for b.Loop() {
		s.Decided(1, header)
		s.Observe(j)
	}
}
