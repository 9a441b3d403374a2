package certification

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Counts is what a generator has made so far.
type Counts struct {
	Candidates int // all of them, duplicates and the one at offset 0 included
	Done       int // requests that count towards the goal, committed and no duplicates
	Committed  int // certified as committed
	Decisions  int
	Repeated   int // of the decisions
	Other      int // records that are no candidates to the certifier
}

// Generator makes the messages of a certification topic that begins empty. It is not safe for
// use by several goroutines.
type Generator struct {
	options   Options
	source    Source
	rng       *rand.Rand
	clock     time.Time
	certifier *Certifier
	cohort    *cohort
	store     *store

	next     talos.Position
	pending  []pending // certified, their decisions not yet published
	repeats  []pending // published before, to be published again
	copies   []copied  // requests that will be sent a second time
	counts   Counts
	finished bool // no more requests but the closing one
	closed   bool // the closing one is sent
}

// pending is a certified candidate.
type pending struct {
	ruling  Ruling
	request Request
	wire    *candidateWire
	headers []Header
	due     talos.Position
}

// copied is a request that is sent again.
type copied struct {
	request Request
	due     talos.Position
}

// New returns a generator of what the source asks for, or an error when the options contradict each other.
func New(source Source, options Options) (*Generator, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("certification: %w", err)
	}
	return &Generator{
		source:    source,
		options:   options,
		rng:       rand.New(rand.NewPCG(options.Seed, 0x9e3779b97f4a7c15)),
		clock:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		certifier: NewCertifier(),
		cohort:    newCohort(),
		store:     newStore(),
	}, nil
}

// Counts returns what has been made so far.
func (g *Generator) Counts() Counts { return g.counts }

// Finish lets the generator end: one more candidate follows, and the decisions still owed.
func (g *Generator) Finish() { g.finished = true }

// GoOn lets a generator that has ended go on after its last message.
func (g *Generator) GoOn() { g.finished, g.closed = false, false }

// Next returns the next message of the log; ok is false at its end. The message lies at the
// position that it names, so a topic must take each message once and nothing else.
func (g *Generator) Next() (m Message, ok bool) {
	if g.options.Goal > 0 && g.counts.Done >= g.options.Goal {
		g.finished = true
	}
	switch i := g.due(); {
	case i >= 0:
		m = g.decide(i)
	case len(g.repeats) > 0:
		m = g.repeat()
	case g.closed && len(g.pending) > 0:
		m = g.decide(g.rng.IntN(len(g.pending)))
	case g.closed:
		return Message{}, false
	case g.finished:
		g.closed = true
		m = g.candidate(g.source.Plain(g))
	default:
		m = g.send()
	}
	m.Position = g.next
	g.next++
	return m, true
}

// due returns a decision whose delay is over, any of several, or -1.
func (g *Generator) due() int {
	var ready []int
	for i := range g.pending {
		if g.pending[i].due <= g.next {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		return -1
	}
	return ready[g.rng.IntN(len(ready))]
}

// send returns a candidate, or a record that is none.
func (g *Generator) send() Message {
	if g.options.Plain {
		return g.candidate(g.source.Plain(g))
	}
	if i := slices.IndexFunc(g.copies, func(c copied) bool { return c.due <= g.next }); i >= 0 {
		r := g.copies[i].request
		g.copies = slices.Delete(g.copies, i, i+1)
		return g.candidate(r)
	}
	if g.next > 0 && g.rng.Float64() < shareOther {
		g.counts.Other++
		return g.other()
	}
	r := g.source.Request(g)
	if g.rng.Float64() < shareCopied {
		g.copies = append(g.copies, copied{r, g.next + 1 + talos.Position(g.rng.IntN(g.options.MaxDelay+1))})
	}
	return g.candidate(r)
}

// candidate sends a request and certifies it.
func (g *Generator) candidate(r Request) Message {
	version := talos.Version(g.next)
	now := g.now()
	wire := r.wire(g.options.Cohort, now)
	headers := r.headers()
	ruling := g.certifier.Certify(version, r)
	g.counts.Candidates++
	if ruling.Outcome == talos.Committed {
		g.counts.Committed++
	}
	g.cohort.sent(version)
	g.pending = append(g.pending, pending{
		ruling: ruling, request: r, wire: wire, headers: headers,
		due: g.next + 1 + talos.Position(g.rng.IntN(g.options.MaxDelay+1)),
	})
	if !g.options.Plain && g.counts.Candidates%replayEvery == 0 {
		g.repeats = append(g.repeats, g.store.newest(replayLength)...)
	}
	return Message{Key: []byte(wire.XID), Headers: headers, Value: JSON(wire)}
}

// decide publishes the decision about one pending candidate.
func (g *Generator) decide(i int) Message {
	p := g.pending[i]
	g.pending = slices.Delete(g.pending, i, i+1)
	d := g.store.save(p, g.now())
	g.store.remember(p)
	g.certifier.Decided(d.about())
	g.cohort.decide(d.about(), p.ruling.Safepoint, g.installs(p, d))
	if keep := g.options.Prune; keep > 0 && len(g.certifier.suffix) > 2*keep {
		g.certifier.Prune(keep)
	}
	return g.publish(p, d)
}

// installs returns the keys that a first decision changes, and tells the source of a request that is committed.
func (g *Generator) installs(p pending, d decisionWire) []string {
	if d.DuplicateVersion != nil || p.ruling.Outcome != talos.Committed {
		return nil
	}
	if p.request.Counts {
		g.counts.Done++
	}
	g.source.Committed(&p.request)
	return p.request.Writes
}

// repeat publishes a decision again, as a certifier does that was started again.
func (g *Generator) repeat() Message {
	p := g.repeats[0]
	g.repeats = g.repeats[1:]
	g.counts.Repeated++
	d := g.store.save(p, g.now())
	if d.Safepoint != nil && g.rng.Float64() < shareDecidedAnew {
		later := max(*d.Safepoint, d.Version-1) // its database had lost the row
		d.Safepoint = &later
	}
	return g.publish(p, d)
}

func (g *Generator) publish(p pending, d decisionWire) Message {
	g.counts.Decisions++
	return Message{Key: []byte(d.XID), Headers: d.headers(p.headers), Value: JSON(d)}
}

// now reads the clock.
func (g *Generator) now() time.Time {
	if g.options.Now != nil {
		return g.options.Now()
	}
	g.clock = g.clock.Add(time.Millisecond)
	return g.clock
}
