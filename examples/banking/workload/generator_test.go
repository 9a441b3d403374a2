package workload

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/examples/certification"
	"github.com/ichor-replicator/ichor/host/talos"
)

func all(t *testing.T, options Options) (messages []certification.Message, counts certification.Counts) {
	t.Helper()
	g, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, ok := g.Next()
		if !ok {
			return messages, g.Counts()
		}
		if m.Position != talos.Position(len(messages)) {
			t.Fatalf("message %d names position %v", len(messages), m.Position)
		}
		messages = append(messages, m)
	}
}

func messageType(m certification.Message) string {
	for _, h := range m.Headers {
		if h.Name == "messageType" {
			return string(h.Value)
		}
	}
	return ""
}

func TestSeedDecidesEverything(t *testing.T) {
	one, _ := all(t, Options{Seed: 7, Transfers: 300})
	two, _ := all(t, Options{Seed: 7, Transfers: 300})
	other, _ := all(t, Options{Seed: 8, Transfers: 300})
	same := func(a, b []certification.Message) bool {
		return slices.EqualFunc(a, b, func(a, b certification.Message) bool {
			return bytes.Equal(a.Value, b.Value) && bytes.Equal(a.Key, b.Key)
		})
	}
	if !same(one, two) {
		t.Error("one seed gives two workloads")
	}
	if same(one, other) {
		t.Error("two seeds give one workload")
	}
}

// candidateWire and decisionWire are what is looked at of a message.
type (
	candidateWire struct {
		ReadSet  []string
		ReadVers []talos.Version
		Statemap json.RawMessage
	}
	decisionWire struct {
		Decision                                     string
		Version                                      talos.Version
		DuplicateVersion, Safepoint, ConflictVersion *talos.Version
	}
)

// about returns the version that a decision is about.
func (d *decisionWire) about() talos.Version {
	if d.DuplicateVersion != nil {
		return *d.DuplicateVersion
	}
	return d.Version
}

// census counts what a checklist of a faithful generator asks for.
type census struct {
	aborted, rule2, rule3, zero, writeOnly, none, empty, null, several          int
	duplicateLater, duplicateEarlier, outOfOrder, repeated, decidedAnew, others int
	readVers, chained, lowSafepoint                                             int
	undecided                                                                   map[talos.Version]candidateWire
}

func (c *census) candidate(t *testing.T, m certification.Message) {
	t.Helper()
	var wire candidateWire
	if json.Unmarshal(m.Value, &wire) != nil || wire.ReadSet == nil {
		c.others++
		return
	}
	var items []json.RawMessage
	if wire.Statemap != nil {
		if err := json.Unmarshal(wire.Statemap, &items); err != nil {
			t.Fatal(err)
		}
	}
	c.undecided[talos.Version(m.Position)] = wire
	count(&c.writeOnly, len(wire.ReadSet) == 0)
	count(&c.none, !bytes.Contains(m.Value, []byte(`"statemap"`)))
	count(&c.empty, string(wire.Statemap) == "[]")
	count(&c.null, bytes.Contains(m.Value, []byte(`"statemap":null`)))
	count(&c.several, len(items) > 1)
	count(&c.readVers, len(wire.ReadVers) > 0)
}

func (c *census) decision(t *testing.T, m certification.Message, first map[talos.Version]decisionWire, newest *talos.Version) {
	t.Helper()
	var d decisionWire
	if err := json.Unmarshal(m.Value, &d); err != nil {
		t.Fatal(err)
	}
	v := d.about()
	if talos.Position(v) >= m.Position {
		t.Fatalf("decision at %v is about %v", m.Position, v)
	}
	if before, again := first[v]; again {
		c.repeated++
		count(&c.decidedAnew, before.Safepoint != nil && *before.Safepoint != *d.Safepoint)
		if before.Decision != d.Decision || before.Version != d.Version {
			t.Fatalf("version %v was decided %+v and then %+v", v, before, d)
		}
		return
	}
	if _, ok := c.undecided[v]; !ok {
		t.Fatalf("decision about %v, which is no candidate", v)
	}
	delete(c.undecided, v)
	first[v] = d
	if (d.Safepoint != nil) != (d.Decision == "committed") || d.Safepoint != nil && *d.Safepoint >= v && d.DuplicateVersion == nil {
		t.Fatalf("decision %s", m.Value)
	}
	count(&c.outOfOrder, v < *newest)
	*newest = v
	count(&c.duplicateLater, d.DuplicateVersion != nil && v > d.Version)
	count(&c.duplicateEarlier, d.DuplicateVersion != nil && v < d.Version)
	count(&c.zero, v == 0)
	count(&c.aborted, d.Decision == "aborted")
	count(&c.rule2, d.Decision == "aborted" && d.ConflictVersion == nil && v > 0)
	count(&c.rule3, d.ConflictVersion != nil)
	count(&c.chained, d.Safepoint != nil && v-*d.Safepoint < 60)
	count(&c.lowSafepoint, d.Safepoint != nil && v-*d.Safepoint > 500)
}

func count(n *int, holds bool) {
	if holds {
		*n++
	}
}

func take(t *testing.T, messages []certification.Message) census {
	t.Helper()
	c := census{undecided: map[talos.Version]candidateWire{}}
	first := map[talos.Version]decisionWire{}
	var newest talos.Version
	for _, m := range messages {
		switch messageType(m) {
		case "Candidate":
			c.candidate(t, m)
		case "Decision":
			c.decision(t, m, first, &newest)
		default:
			c.others++
		}
	}
	return c
}

func TestWorkloadHoldsEverythingThatALogCanHold(t *testing.T) {
	messages, counts := all(t, Options{Seed: 1, Transfers: 8_000, Prune: 1_000})
	c := take(t, messages)
	if len(c.undecided) > 0 {
		t.Errorf("%d candidates are undecided at the end", len(c.undecided))
	}
	for name, n := range map[string]int{
		"aborted": c.aborted, "aborted by rule 2": c.rule2, "aborted by rule 3": c.rule3, "offset 0": c.zero, "write-only": c.writeOnly,
		"no statemap": c.none, "empty statemap": c.empty, "null statemap": c.null, "several items": c.several,
		"duplicates of earlier": c.duplicateLater, "duplicates of later": c.duplicateEarlier, "out of order": c.outOfOrder,
		"repeated": c.repeated, "decided anew": c.decidedAnew, "others": c.others, "read versions": c.readVers,
		"chained": c.chained, "independent": c.lowSafepoint,
	} {
		if n == 0 {
			t.Errorf("none is %s", name)
		}
	}
	if c.others != counts.Other || c.repeated != counts.Repeated || counts.Done < 8_000 {
		t.Errorf("counted %+v, the generator %+v", c, counts)
	}
	if share := float64(c.aborted) / float64(counts.Candidates); share < 0.01 || share > 0.5 {
		t.Errorf("%.1f %% are aborted", 100*share)
	}
}

func TestPlainWorkloadHasTransfersOnly(t *testing.T) {
	messages, counts := all(t, Options{Seed: 3, Transfers: 500, Plain: true})
	c := take(t, messages)
	if c.others+c.repeated+c.several+c.none+c.empty+c.null+c.writeOnly+c.duplicateLater+c.duplicateEarlier > 0 {
		t.Errorf("got %+v", c)
	}
	if 2*counts.Candidates != len(messages) || counts.Decisions != counts.Candidates {
		t.Errorf("%d messages of %+v", len(messages), counts)
	}
}

func TestFinishEndsAWorkload(t *testing.T) {
	g, err := New(Options{Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, ok := g.Next(); !ok {
			t.Fatal("it ended by itself")
		}
	}
	g.Finish()
	var last certification.Message
	n := 0
	for m, ok := g.Next(); ok; m, ok = g.Next() {
		last = m
		n++
	}
	if n == 0 || n > 1000 || messageType(last) != "Decision" {
		t.Errorf("%d messages more, the last is %q", n, messageType(last))
	}
	if _, ok := g.Next(); ok {
		t.Error("it goes on after its end")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{Accounts: 3}, {Hot: 1}, {Accounts: 10, Hot: 11}, {MaxDelay: -1}, {Transfers: -1}, {Prune: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v passed", o)
		}
	}
}

func TestAmountsAreWrittenExactly(t *testing.T) {
	for amount, want := range map[int64]string{1: "0.00001", 100_000: "1", 150_000: "1.5", 2_550_000: "25.5", 123_456_789: "1234.56789"} {
		if got := string(decimal(amount)); got != want {
			t.Errorf("%d is written %s, want %s", amount, got, want)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	g, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		g.Next()
	}
}

// A generator that has ended goes on where it ended: at the next position, with the same certifier.
func TestAGeneratorGoesOn(t *testing.T) {
	g, err := New(Options{Accounts: 10, Transfers: 20})
	if err != nil {
		t.Fatal(err)
	}
	next := talos.Position(0)
	for range 2 {
		before := g.Counts().Candidates
		for m, more := g.Next(); more; m, more = g.Next() {
			if m.Position != next {
				t.Fatalf("position %v, want %v", m.Position, next)
			}
			next++
		}
		if g.Counts().Candidates <= before {
			t.Error("nothing came")
		}
		g.GoOn()
	}
}
