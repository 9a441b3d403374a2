package spans

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ichor-replicator/ichor/host/metric"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

const (
	queued    = 4096             // journeys that may wait for the receiver
	batchMost = 256              // journeys whose spans are sent at once
	gather    = time.Second      // from a journey to its spans being sent, at most, while the receiver takes them
	sendMost  = 10 * time.Second // for one try
	retryMost = 10 * time.Second // for what is tried again: it is said soon that a receiver is away
	lastly    = time.Second      // for what waits when the host ends
)

// tracedJourneys counts those whose spans were to be sent.
var tracedJourneys = metric.Definition{Name: "ichor_traced_journeys_total", Kind: metric.Counter, Unit: "journeys", Labels: []string{"outcome"},
	Help: "Journeys whose spans were to go to the receiver of `trace.endpoint`, by what became of them: sent, failed, or dropped since too many waited.", From: "the sender of spans",
	Advice: "failed and dropped are lost to the traces alone: look at the receiver, or lower `trace.share`. Nothing else depends on it."}

// Sections are the definitions of all metrics of this package.
func Sections() []metric.Section {
	return []metric.Section{{Title: "OpenTelemetry", Of: []metric.Definition{tracedJourneys}}}
}

// Sender receives finished journeys and sends the spans of some. New makes one; its methods may be called from any
// goroutine, and none waits. A nil Sender does nothing.
type Sender struct {
	slow     int64  // ns
	bound    uint64 // trace ids below it are sent
	topic    string
	log      *slog.Logger
	parents  parents
	waiting  chan ended
	tracer   trace.Tracer
	made     []sdk.ReadOnlySpan // of the batch; only Run's goroutine touches it
	provider *sdk.TracerProvider
	exporter *otlptrace.Exporter
	outcomes *prometheus.CounterVec
	failing  bool // the last batch was not taken
}

// New registers the metrics, and returns a sender, or nil when there is no endpoint. It connects to nothing yet; what else the exporter can be
// told (headers, certificates) it reads from OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_….
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Sender, error) {
	outcomes := tracedJourneys.NewCounterVec()
	reg.MustRegister(outcomes)
	if o.Endpoint == "" {
		return nil, nil //nolint:nilnil // a nil Sender is one that does nothing
	}
	if err := headers(); err != nil {
		return nil, err
	}
	otel.SetLogger(logr.Discard()) // it prints variables that are wrong, and there may be passwords in them
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("OpenTelemetry's library reports an error", "error", err) }))
	exporter := otlptracegrpc.NewUnstarted(otlptracegrpc.WithEndpointURL(o.Endpoint), otlptracegrpc.WithTimeout(sendMost),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: retryMost}))
	about, err := resource.New(context.Background(), resource.WithAttributes(attribute.String("service.name", "ichor"),
		attribute.String("service.version", o.Version), attribute.String("service.instance.id", o.Instance)), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	s := &Sender{slow: int64(o.Slow), bound: uint64(o.Share * (1 << 63)), topic: o.Topic, log: log, waiting: make(chan ended, queued),
		exporter: exporter, outcomes: outcomes}
	for _, outcome := range []string{"sent", "failed", "dropped"} {
		s.outcomes.WithLabelValues(outcome)
	}
	s.provider = sdk.NewTracerProvider(sdk.WithSampler(sdk.AlwaysSample()), sdk.WithResource(about), sdk.WithSpanProcessor(collector{s}))
	s.tracer = s.provider.Tracer("github.com/ichor-replicator/ichor", trace.WithInstrumentationVersion(o.Version))
	return s, nil
}

// Reach asks the receiver to take no spans at all, once, and returns why it does not. It takes as long as ctx lets it.
func (o Options) Reach(ctx context.Context) error {
	if err := headers(); err != nil {
		return err
	}
	client := otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(o.Endpoint), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("trace.endpoint: %w", err)
	}
	if err := errors.Join(client.UploadTraces(ctx, nil), client.Stop(ctx)); err != nil {
		return fmt.Errorf("trace.endpoint: %w", err)
	}
	return nil
}

// headers refuses variables of headers that OpenTelemetry's library would leave out, and print: they hold secrets.
func headers() error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		for i, pair := range strings.Split(text, ",") {
			key, value, found := strings.Cut(pair, "=")
			_, err := url.PathUnescape(value)
			if !found || err != nil || !headerName.MatchString(strings.TrimSpace(key)) {
				return fmt.Errorf("%s: its header %d is none: write name=value, separated by commas, with %%XX for what else would mean something", name, i+1)
			}
		}
	}
	return nil
}

var headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")

// Decided remembers the trace that a version's decision names in its header traceparent (W3C Trace Context); what
// is no such text names none.
func (s *Sender) Decided(v talos.Version, traceparent []byte) {
	if s == nil || len(traceparent) == 0 {
		return
	}
	if parent := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier(traceparent))); parent.IsValid() {
		s.parents.add(v, parent)
	}
}

// carrier is the header traceparent alone.
type carrier string

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(name string) string {
	if name == "traceparent" {
		return string(c)
	}
	return ""
}

// Set implements propagation.TextMapCarrier; nothing is handed on.
func (carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (carrier) Keys() []string { return []string{"traceparent"} }

// Observe implements timing.Observer: it hands a journey that is to be sent to Run, or drops it when too many wait.
func (s *Sender) Observe(j *timing.Journey) {
	e := ended{j, s.parents.take(j.Version)}
	if !s.wanted(e) {
		return
	}
	select {
	case s.waiting <- e:
	default:
		s.outcomes.WithLabelValues("dropped").Inc()
	}
}

// wanted says whether a journey's spans are sent.
func (s *Sender) wanted(e ended) bool {
	if took, known := e.Between(timing.ReplicatorDecisionReceived, timing.InstallerStatemapInstallationComplete); known && took >= s.slow || e.Attempts > 1 {
		return true
	}
	if id := e.parent.TraceID(); e.parent.IsValid() {
		return binary.BigEndian.Uint64(id[8:])>>1 < s.bound
	}
	return rand.Uint64()>>1 < s.bound
}

// Run sends until ctx ends, then what waits, for a second at most. It is called once.
func (s *Sender) Run(ctx context.Context) {
	if s == nil {
		return
	}
	if err := s.exporter.Start(ctx); err != nil {
		s.log.Error("spans cannot be sent: all that are made fail", "error", err)
	}
	timer := time.NewTimer(gather)
	defer timer.Stop()
	var journeys int
	for {
		select {
		case e := <-s.waiting:
			s.record(e)
			if journeys++; journeys < batchMost {
				continue
			}
		case <-timer.C:
		case <-ctx.Done():
			s.last(journeys)
			return
		}
		s.send(ctx, journeys)
		journeys = 0
		timer.Reset(gather)
	}
}

// last sends what waits when the host ends, and the spans that are made already, and ends the connection.
func (s *Sender) last(journeys int) {
	ctx, end := context.WithTimeout(context.Background(), lastly)
	defer end()
	defer s.close(ctx)
	for ; len(s.waiting) > 0; journeys++ {
		if journeys == batchMost {
			s.send(ctx, journeys)
			journeys = 0
		}
		s.record(<-s.waiting)
	}
	s.send(ctx, journeys)
}

// send sends the spans that were made, and counts the journeys that they are of.
func (s *Sender) send(ctx context.Context, journeys int) {
	if journeys == 0 {
		return
	}
	err := s.exporter.ExportSpans(ctx, s.made)
	clear(s.made)
	s.made = s.made[:0]
	outcome := "sent"
	if err != nil {
		outcome = "failed"
	}
	s.outcomes.WithLabelValues(outcome).Add(float64(journeys))
	switch {
	case err != nil && !s.failing:
		s.log.Warn("the receiver of spans does not take them: they are dropped until it does", "error", err)
	case err == nil && s.failing:
		s.log.Info("the receiver of spans takes them again")
	}
	s.failing = err != nil
}

// close ends the connection; what it cannot say any more nobody needs.
func (s *Sender) close(ctx context.Context) {
	if err := errors.Join(s.provider.Shutdown(ctx), s.exporter.Shutdown(ctx)); err != nil {
		s.log.Debug("the sender of spans did not end in order", "error", err)
	}
}

// collector puts ended spans into the sender's batch.
type collector struct{ s *Sender }

// OnStart implements sdk.SpanProcessor.
func (collector) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor; Run's goroutine alone ends spans.
func (c collector) OnEnd(span sdk.ReadOnlySpan) { c.s.made = append(c.s.made, span) }

// Shutdown implements sdk.SpanProcessor.
func (collector) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdk.SpanProcessor.
func (collector) ForceFlush(context.Context) error { return nil }
