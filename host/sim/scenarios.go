package sim

import (
	"strconv"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// scenario is a log that is so small that every turn can be taken.
type scenario struct {
	name     string
	accounts int
	versions []touches
	decided  []int // which versions are decided, in this order; below 0 is aborted
	later    int   // of those, how many are decided when the host has begun already
	rejected int   // the version that the guest rejects, until it is swapped; 0 is none
}

// touches is what a version reads and writes.
type touches struct {
	reads, writes []int
	keyless       bool
}

var scenarios = []scenario{
	{name: "two versions", accounts: 2, versions: []touches{{writes: []int{0}}, {writes: []int{1}}}, decided: []int{2, 1}, later: 1},
	{name: "one key", accounts: 1, versions: []touches{{writes: []int{0}}, {writes: []int{0}}, {writes: []int{0}}}, decided: []int{1, 2, 3}},
	{name: "first undecided", accounts: 2, versions: []touches{{writes: []int{0}}, {writes: []int{1}}, {writes: []int{1}}}, decided: []int{2, 3, 1}, later: 1},
	{name: "reader between", accounts: 2, versions: []touches{{writes: []int{0}}, {reads: []int{0}, writes: []int{1}}, {writes: []int{0}}}, decided: []int{2, 3, 1}, later: 1},
	{name: "held", accounts: 4, versions: []touches{{reads: []int{1}, writes: []int{0}}, {writes: []int{1}}, {reads: []int{0}, writes: []int{2}}, {reads: []int{0}, writes: []int{3}}}, decided: []int{1, 2, 3, 4}, rejected: 1},
	{name: "follower", accounts: 2, versions: []touches{{writes: []int{0}}, {writes: []int{1}}, {writes: []int{0, 1}}}, decided: []int{1, 2, 3}, rejected: 1},
	{name: "without keys", accounts: 3, versions: []touches{{writes: []int{0}}, {writes: []int{1}, keyless: true}, {writes: []int{1}}, {writes: []int{2}}}, decided: []int{1, 2, 3, 4}, rejected: 1},
	{name: "decided again", accounts: 1, versions: []touches{{writes: []int{0}}, {writes: []int{0}}, {writes: []int{0}}}, decided: []int{1, 2, -2, -3, 3}},
	{name: "five versions", accounts: 3, versions: []touches{{writes: []int{0}}, {writes: []int{1}}, {writes: []int{0, 1}}, {writes: []int{2}}, {writes: []int{2}}}, decided: []int{2, -3, 4, 5, 1}, later: 1},
}

// exploreOptions are those of the cores: few versions make several groups.
func exploreOptions(lanes int) replicator.Options {
	return replicator.Options{Lanes: lanes, GroupMax: 2, Conversions: 1, AheadAfter: 1e6, Beat: -1, Order: replicator.OrderKeys}
}

// world makes the world of a scenario: two hosts, of which one starts.
func (s *scenario) world(h *history, t *truth, lanes int) *world {
	still := dice{still: true}
	w := &world{
		setup: setup{hosts: 2, accounts: s.accounts, core: exploreOptions(lanes), pace: 1, sampled: 1}, now: 1e9, exploring: true, batch: 1 << 20,
		sometimes: map[string]int{}, log: h, truth: t, turnDice: still, faultDice: still, network: still, guestDice: still, hostDice: still,
	}
	w.populate()
	w.show(len(w.log.records) - s.later)
	w.hosts[0].starts = 0
	w.hosts[0].start()
	return w
}

// log writes the candidates and then the decisions.
func (s *scenario) log() *history {
	h := &history{digests: 1}
	at := talos.Position(1)
	if s.rejected > 0 {
		h.digests = 2
	}
	for i, t := range s.versions {
		c := &candidate{version: talos.Version(at), reads: t.reads, writes: t.writes, size: 1}
		c.payload = &talos.Candidate{Version: c.version}
		if !t.keyless {
			c.keys = talos.Keys(accountNames(t.reads), accountNames(t.writes))
		}
		for i := range t.writes {
			c.amounts = append(c.amounts, int64(1-2*(i%2)))
		}
		if i+1 == s.rejected {
			c.accepted = 1
		}
		h.candidates = append(h.candidates, c)
		h.records = append(h.records, record{at: at, next: at + 1, candidate: c})
		at++
	}
	for _, v := range s.decided {
		d := &replicator.Decision{Version: talos.Version(max(v, -v)), Position: at, Outcome: talos.Committed}
		if v < 0 {
			d.Outcome = talos.Aborted
		}
		if c := h.find(d.Version); c.binding == nil {
			c.binding = d
		}
		h.records = append(h.records, record{at: at, next: at + 1, decision: d})
		at++
	}
	return h
}

func accountNames(accounts []int) []string {
	texts := make([]string, len(accounts))
	for i, a := range accounts {
		texts[i] = strconv.Itoa(a)
	}
	return texts
}
