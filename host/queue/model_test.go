package queue

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

var onlySeed = flag.Uint64("seed", 0, "play this seed of the model alone")

// TestQueueBehavesLikeItsModel compares the queue, over seeded steps, with one that keeps everything
// in a slice and looks at all of it each time.
func TestQueueBehavesLikeItsModel(t *testing.T) {
	met := map[string]int{}
	for seed := uint64(1); seed <= 2000; seed++ {
		if *onlySeed != 0 && seed != *onlySeed {
			continue
		}
		p := pair{r: rand.New(rand.NewPCG(seed, 7)), queue: New(0), entries: map[talos.Version]*Entry{}, met: met}
		if err := p.play(); err != nil {
			t.Fatalf("seed %d: %v (play it alone with -seed %d)", seed, err, seed)
		}
	}
	for _, what := range []string{"frontier", "chained", "ahead", "beside", "flush", "done", "undone", "held", "skipped", "decided late"} {
		if met[what] == 0 && *onlySeed == 0 {
			t.Errorf("no seed met %q: %v", what, met)
		}
	}
}

// modelled is an entry as the model has it. Its keys are numbers, by whether they are written.
type modelled struct {
	version, safepoint talos.Version
	keys               map[int]bool
	state              State
	effects, ahead     bool // effects: as it was added
	notBefore, added   int64
	limit              int
	payload, converted int // bytes
}

func (m *modelled) bytes() int {
	return entryOverhead + keyOverhead*len(m.keys) + m.payload + m.converted
}

// model is every version that was ever added, and the groups in flight.
type model struct {
	all      []*modelled
	snapshot talos.Version // durable
	groups   []*flight
}

// flight is a group in flight.
type flight struct {
	group   *Group
	members []*modelled
}

// held returns the versions above the durable snapshot.
func (m *model) held() []*modelled {
	i := slices.IndexFunc(m.all, func(e *modelled) bool { return e.version > m.snapshot })
	if i < 0 {
		return nil
	}
	return m.all[i:]
}

// frontier returns the lowest that is not settled, or nil.
func (m *model) frontier() *modelled {
	for _, e := range m.held() {
		if e.state != Settled {
			return e
		}
	}
	return nil
}

// behind reports whether every unsettled version below e that conflicts with it is in the group. It is
// the promise of an ahead group.
func (m *model) behind(e *modelled, group []*modelled) bool {
	for _, other := range m.held() {
		if other.version < e.version && other.state != Settled && conflict(other, e) && !slices.Contains(group, other) {
			return false
		}
	}
	return true
}

func conflict(a, b *modelled) bool {
	if len(a.keys) == 0 || len(b.keys) == 0 {
		return true // what it touches nobody knows
	}
	for key, writes := range a.keys {
		if other, both := b.keys[key]; both && (writes || other) {
			return true
		}
	}
	return false
}

// fits reports whether the group takes one more.
func fits(group []*modelled, e *modelled, lim Limits) bool {
	most, bytes := lim.Entries, 0
	for _, g := range append(slices.Clone(group), e) {
		if g.limit > 0 {
			most = min(most, g.limit)
		}
	}
	for _, g := range group {
		bytes += g.bytes()
	}
	return len(group) == 0 || len(group) < most && bytes < lim.Bytes
}

// run returns the frontier group that starts above a version, and the version that it ends with.
func (m *model) run(above talos.Version, now int64, lim Limits) (group []*modelled, end talos.Version) {
	end = above
	for _, e := range m.held() {
		if e.version <= above {
			continue
		}
		if e.state != Settled {
			if e.state != Awaiting || e.notBefore > now || !fits(group, e, lim) {
				return group, end
			}
			group = append(group, e)
		}
		end = e.version
	}
	return group, end
}

// ahead returns the group that may go while the frontier cannot.
func (m *model) ahead(now int64, lim Limits) (group []*modelled) {
	f := m.frontier()
	if f == nil || f.state == Converting && f.added > now-slow || f.state == Awaiting && f.notBefore <= now {
		return nil
	}
	for _, e := range m.held() {
		if len(e.keys) == 0 || e.state != Awaiting || e.notBefore > now || !m.behind(e, group) {
			continue
		}
		if !fits(group, e, lim) {
			break
		}
		group = append(group, e)
	}
	return group
}

// beside reports whether the frontier has been in flight for a short while only.
func (m *model) beside(now int64) bool {
	f := m.frontier()
	return f != nil && f.state == InFlight && slices.ContainsFunc(m.groups, func(g *flight) bool {
		return slices.Contains(g.members, f) && g.group.begun > now-slow
	})
}

// fills reports whether a group has reached the limits.
func fills(group []*modelled, lim Limits) bool {
	bytes := 0
	for _, e := range group {
		bytes += e.bytes()
	}
	return len(group) >= lim.Entries || bytes >= lim.Bytes
}

// full reports whether the run above a version fills a group by itself.
func (m *model) full(above talos.Version, now int64, lim Limits) bool {
	var group []*modelled
	bytes, behind := 0, 0
	for _, e := range m.held() {
		if e.version > above {
			behind++
		}
	}
	for _, e := range m.held() {
		if e.version <= above || e.state == Settled {
			continue
		}
		if e.state != Awaiting || e.notBefore > now || e.limit > 0 {
			return false
		}
		group = append(group, e)
		bytes += e.bytes()
		if len(group) >= lim.Entries || bytes >= lim.Bytes {
			return behind >= lim.Entries
		}
	}
	return false
}
