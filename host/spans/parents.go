package spans

import (
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/ichor-replicator/ichor/host/talos"
)

// parentsKept is how many decisions' traces are remembered until their versions' journeys end, in some 6 MiB.
const parentsKept = 1 << 16

// parents remembers the traces that decisions name, by version; it is bounded: the oldest are forgotten.
type parents struct {
	mu   sync.Mutex
	of   map[talos.Version]trace.SpanContext
	ring []talos.Version // in the order in which they came
	next int             // of ring, that is written next once it is full
}

// add remembers the trace of a version; the first that a version has stays.
func (p *parents) add(v talos.Version, parent trace.SpanContext) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[talos.Version]trace.SpanContext{}
	}
	if _, known := p.of[v]; known {
		return
	}
	p.of[v] = parent
	if len(p.ring) < parentsKept {
		p.ring = append(p.ring, v)
		return
	}
	delete(p.of, p.ring[p.next])
	p.ring[p.next] = v
	p.next = (p.next + 1) % parentsKept
}

// take returns the trace of a version, and forgets it; one that is not valid for none.
func (p *parents) take(v talos.Version) trace.SpanContext {
	p.mu.Lock()
	defer p.mu.Unlock()
	parent := p.of[v]
	delete(p.of, v)
	return parent
}
