package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// slow is how long others wait for one that is converting.
const slow = 3

// pair is the queue and its model, which take the same steps.
type pair struct {
	r       *rand.Rand
	queue   *Queue
	model   model
	entries map[talos.Version]*Entry
	now     int64
	met     map[string]int
}

func (p *pair) play() error {
	for range 250 {
		if err := p.turn(); err != nil {
			return err
		}
		if err := p.compare(); err != nil {
			return err
		}
	}
	return nil
}

func (p *pair) turn() error {
	switch n := p.r.IntN(20); {
	case n < 5:
		p.add()
	case n < 9:
		p.change()
	case n < 14:
		return p.begin()
	case n < 18:
		return p.end()
	default:
		p.now += p.r.Int64N(3)
	}
	return nil
}

// add adds a version of a few keys, that the ledger has or that has no effects now and then.
func (p *pair) add() {
	m := &modelled{version: p.queue.Last() + 1 + talos.Version(p.r.IntN(3)), effects: p.r.IntN(5) > 0, keys: map[int]bool{}}
	m.ahead = m.effects && p.r.IntN(15) == 0
	m.safepoint = talos.Version(p.r.IntN(int(m.version)))
	var reads, writes []string
	for range p.r.IntN(3) {
		key, writing := p.r.IntN(8), p.r.IntN(2) == 0
		if _, twice := m.keys[key]; twice {
			continue
		}
		if m.keys[key] = writing; writing {
			writes = append(writes, fmt.Sprint(key))
		} else {
			reads = append(reads, fmt.Sprint(key))
		}
	}
	m.added = p.now
	e := &Entry{Version: m.version, AddedAt: p.now, Safepoint: m.safepoint, Keys: talos.Keys(reads, writes), Effects: m.effects, Ahead: m.ahead,
		Before: talos.Anchor{Position: talos.Position(m.version) - 1}, Candidate: &talos.Candidate{}}
	m.payload = e.Candidate.Bytes()
	if p.r.IntN(5) == 0 {
		m.state, e.Effects, e.Ahead = Undecided, false, false
	} else {
		m.decide()
		e.Outcome = talos.Committed
	}
	p.model.all = append(p.model.all, m)
	p.entries[m.version] = e
	p.queue.Add(e)
}

// decide gives a version the state that its decision leads to.
func (m *modelled) decide() {
	if m.state = Converting; !m.effects || m.ahead {
		m.state, m.payload = Settled, 0
	}
}

// change does to some entry what may be done to it.
func (p *pair) change() {
	held := p.model.held()
	if len(held) == 0 {
		return
	}
	m := held[p.r.IntN(len(held))]
	e := p.entries[m.version]
	switch m.state {
	case Undecided:
		m.decide()
		p.met["decided late"]++
		e.Outcome, e.Effects, e.Ahead = talos.Committed, m.effects, m.ahead
		p.queue.Decided(e)
	case Converting:
		p.convert(m, e)
	case Awaiting:
		switch p.r.IntN(3) {
		case 0:
			m.state = Held
			p.met["held"]++
			p.queue.Hold(e)
		case 1:
			m.notBefore = p.now + p.r.Int64N(5)
			p.queue.Delay(e, m.notBefore)
		default:
			m.limit = p.r.IntN(3)
			p.queue.Limit(e, m.limit)
		}
	case Held:
		if p.r.IntN(3) == 0 {
			m.payload, m.converted = 0, 0
			p.queue.LetGo(e)
			return
		}
		m.state, m.converted, m.limit, m.notBefore = Converting, 0, 0, 0
		p.queue.Reconvert(e)
	case InFlight, Settled:
	}
}

func (p *pair) convert(m *modelled, e *Entry) {
	switch n := p.r.IntN(8); {
	case m.payload == 0:
		c := &talos.Candidate{Value: make([]byte, p.r.IntN(50))}
		m.payload = c.Bytes()
		p.queue.Restore(e, c)
	case n == 0:
		m.state, m.payload = Settled, 0
		p.met["skipped"]++
		p.queue.Settle(e)
	case n == 1:
		m.state = Held
		p.queue.Hold(e)
	default:
		m.state, m.converted = Awaiting, p.r.IntN(400)
		p.queue.Converted(e, statements(m.converted), 0)
	}
}

// begin asks for a group of some kind, and compares it with the model's.
func (p *pair) begin() error {
	lim := Limits{Entries: 1 + p.r.IntN(4), Bytes: 1 + p.r.IntN(5000)}
	frontiers := p.frontiers()
	switch p.r.IntN(4) {
	case 0:
		members, end := p.model.run(p.model.snapshot, p.now, lim)
		if len(frontiers) > 0 {
			members = nil
		}
		return p.began("frontier", p.queue.NextFrontier(p.now, lim, beyond), members, p.model.snapshot, end)
	case 1:
		var members []*modelled
		var from, end talos.Version
		if len(frontiers) == 1 {
			if from = frontiers[0].group.Snapshot; from != frontiers[0].group.From && p.model.full(from, p.now, lim) {
				members, end = p.model.run(from, p.now, lim)
			}
		}
		return p.began("chained", p.queue.NextChained(p.now, lim, beyond), members, from, end)
	case 2:
		members := p.model.ahead(p.now, lim)
		if p.model.beside(p.now) {
			p.met["beside"]++
			if p.queue.rest > 0 || !fills(members, lim) {
				members = nil
			}
		}
		return p.began("ahead", p.queue.NextAhead(p.now, p.now-slow, lim), members, 0, 0)
	default:
		if len(frontiers) > 0 {
			return p.began("flush", p.queue.Flush(beyond), nil, 0, 0)
		}
		end := p.model.snapshot
		for _, m := range p.model.held() {
			if m.state != Settled {
				break
			}
			end = m.version
		}
		return p.began("flush", p.queue.Flush(beyond), []*modelled{}, p.model.snapshot, end)
	}
}

// frontiers returns the frontier groups in flight, the first first.
func (p *pair) frontiers() []*flight {
	return slices.DeleteFunc(slices.Clone(p.model.groups), func(f *flight) bool { return !f.group.Frontier })
}

// began compares a group with its members in the model, nil for none, and with the snapshots that it
// goes from and to.
func (p *pair) began(kind string, g *Group, members []*modelled, from, to talos.Version) error {
	if members == nil || len(members) == 0 && kind != "flush" {
		if g != nil {
			return fmt.Errorf("%s: got %s, want none", kind, say(g))
		}
		return nil
	}
	want := &Group{Frontier: kind != "ahead", Chained: kind == "chained", From: from, Snapshot: to}
	for _, m := range members {
		want.Entries = append(want.Entries, p.entries[m.version])
	}
	if want.Frontier {
		want.Resume, want.Anchor = beyond.Resume, beyond.Anchor
		for _, m := range p.model.held() {
			switch {
			case m.version > to:
				want.Resume, want.Anchor = talos.Position(m.version), p.entries[m.version].Before
			case m.ahead && (m.version > from || !want.Chained):
				want.Ledgered++
			}
			if m.version > to {
				break
			}
		}
	}
	if g == nil || say(g) != say(want) || g.Chained != want.Chained || !slices.Equal(g.Entries, want.Entries) {
		return fmt.Errorf("%s: got %s, want %s", kind, say(g), say(want))
	}
	for _, m := range members {
		m.state = InFlight
	}
	p.model.groups = append(p.model.groups, &flight{g, members})
	p.met[kind]++
	return nil
}

// end ends a group in flight: of two frontier groups the first may be done, and the second undone.
func (p *pair) end() error {
	if len(p.model.groups) == 0 {
		return nil
	}
	f := p.model.groups[p.r.IntN(len(p.model.groups))]
	done := p.r.IntN(3) > 0
	if frontiers := p.frontiers(); f.group.Frontier {
		if f = frontiers[0]; !done {
			f = frontiers[len(frontiers)-1]
		}
	}
	p.model.groups = slices.DeleteFunc(p.model.groups, func(g *flight) bool { return g == f })
	if !done {
		p.met["undone"]++
		p.queue.Undone(f.group)
		for _, m := range f.members {
			m.state = Awaiting
		}
		return nil
	}
	p.met["done"]++
	for _, m := range f.members {
		m.state, m.ahead, m.payload, m.converted = Settled, !f.group.Frontier, 0, 0
	}
	var want []*Entry
	if f.group.Frontier {
		for _, m := range p.model.held() {
			if m.version <= f.group.Snapshot {
				want = append(want, p.entries[m.version])
			}
		}
		p.model.snapshot = f.group.Snapshot
	}
	if got := p.queue.Done(f.group); !slices.Equal(got, want) {
		return fmt.Errorf("%d entries were passed, want %d", len(got), len(want))
	}
	return nil
}

// compare compares what the queue says with the model.
func (p *pair) compare() error {
	held := p.model.held()
	bytes, behind, resume := 0, 0, beyond.Resume
	for _, m := range held {
		bytes += m.bytes()
		if got := p.queue.Find(m.version); got != p.entries[m.version] || got.State() != m.state {
			return fmt.Errorf("version %v is %+v, want %v", m.version, got, m.state)
		}
	}
	for behind < len(held) && held[behind].state == Settled {
		behind++
	}
	var frontier *Entry
	if behind < len(held) {
		frontier, resume = p.entries[held[behind].version], talos.Position(held[behind].version)
	}
	last := p.model.snapshot
	if len(held) > 0 {
		last = held[len(held)-1].version
	}
	got := []any{p.queue.Len(), p.queue.Bytes(), p.queue.Behind(), p.queue.Snapshot(), p.queue.Last(), p.queue.Frontier(), p.queue.ResumeAt(beyond)}
	want := []any{len(held), bytes, behind, p.model.snapshot, last, frontier, resume}
	if !slices.Equal(got, want) {
		return fmt.Errorf("length, bytes, settled behind, snapshot, last, frontier, resume point are %v, want %v", got, want)
	}
	if p.queue.Find(last+1) != nil {
		return fmt.Errorf("it has version %v", last+1)
	}
	return nil
}
