// Package spanstest is a receiver of OpenTelemetry's spans: OTLP over gRPC, as a collector speaks it.
package spanstest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Receiver takes what is sent to it, or refuses it.
type Receiver struct {
	otlp.UnimplementedTraceServiceServer
	server *grpc.Server
	at     net.Listener
	served sync.WaitGroup

	mu      sync.Mutex
	refuses bool
	refused int
	spans   []*trace.Span
	about   map[string]string
	headers metadata.MD
}

// Start serves on a free port of loopback until Close.
func Start() (*Receiver, error) {
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a receiver of spans: %w", err)
	}
	r := &Receiver{server: grpc.NewServer(), at: at}
	otlp.RegisterTraceServiceServer(r.server, r)
	r.served.Go(func() { _ = r.server.Serve(at) }) // it ends with Close
	return r, nil
}

// Endpoint is where it listens, as a URL.
func (r *Receiver) Endpoint() string { return "http://" + r.at.Addr().String() }

// Close ends it.
func (r *Receiver) Close() {
	r.server.Stop()
	r.served.Wait()
}

// Refuse makes it refuse for good what it is sent from now on, or take it again.
func (r *Receiver) Refuse(refuses bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuses = refuses
}

// Export implements the service.
func (r *Receiver) Export(ctx context.Context, in *otlp.ExportTraceServiceRequest) (*otlp.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuses {
		r.refused++
		return nil, status.Error(codes.PermissionDenied, "this receiver refuses")
	}
	r.headers, _ = metadata.FromIncomingContext(ctx)
	for _, from := range in.ResourceSpans {
		r.about = texts(from.Resource.Attributes)
		for _, scope := range from.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
	return &otlp.ExportTraceServiceResponse{}, nil
}

// Spans returns what it has taken.
func (r *Receiver) Spans() []*trace.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Refused is how many batches it refused.
func (r *Receiver) Refused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// About returns the texts that the sender of the newest batch says of itself, and Header one of the batch's headers.
func (r *Receiver) About() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.about)
}

// Header returns the values of a header of the newest batch.
func (r *Receiver) Header(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.headers.Get(name)
}

// Texts returns a span's attributes as texts.
func Texts(span *trace.Span) map[string]string { return texts(span.Attributes) }

func texts(attributes []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			all[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.Key] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_ArrayValue:
			for _, each := range v.ArrayValue.Values {
				all[a.Key] += each.GetStringValue() + ";"
			}
		}
	}
	return all
}
