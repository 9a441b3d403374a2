package certification

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

type versions = map[string]talos.Version

func certifier(head talos.Version, reads, writes versions) *Certifier {
	c := NewCertifier()
	c.head, c.suffix = head, make([]certified, 1) // the suffix has begun
	maps.Copy(c.reads, reads)
	maps.Copy(c.writes, writes)
	return c
}

func request5(v talos.Version, snapshot uint64, readVers []talos.Version, reads, writes []string) (talos.Version, Request) {
	return v, Request{ReadSet: reads, WriteSet: writes, ReadVers: readVers, Snapshot: snapshot}
}

func TestRulesOfTheCertifier(t *testing.T) {
	reads := versions{"g:1": 0, "g:2": 0, "g:3": 2, "l:2": 4}
	for _, c := range []struct {
		name              string
		head              talos.Version
		reads, writes     versions
		version           talos.Version
		snapshot          uint64
		readVers          []talos.Version
		readSet, writeSet []string
		outcome           talos.Outcome
		conflict          talos.Version
	}{
		{"R1", 0, nil, versions{"g:1": 0, "g:2": 0}, 1, 0, nil, nil, nil, talos.Committed, 0},
		{"R2", 4, reads, versions{"g:1": 0, "g:2": 0}, 9, 0, []talos.Version{2, 3}, []string{"g1"}, []string{"l1"}, talos.Aborted, 0},
		{"R3", 4, reads, versions{"g:1": 0, "g:2": 6}, 9, 5, []talos.Version{2, 3}, []string{"g1", "g:2"}, []string{"l1"}, talos.Aborted, 6},
		{"R4", 4, reads, versions{"g:1": 0, "g:2": 6}, 9, 6, []talos.Version{2, 3}, []string{"g1", "g:2"}, []string{"l1"}, talos.Committed, 0},
		{"R4 by a version that was read", 4, reads, versions{"g:2": 6}, 9, 5, []talos.Version{6}, []string{"g:2"}, nil, talos.Committed, 0},
		{"R0", 0, nil, nil, 0, 0, nil, nil, []string{"l1"}, talos.Aborted, 0},
		{"write-only at head 8", 8, nil, nil, 8, 0, nil, nil, []string{"l1"}, talos.Committed, 0},
		{"base above the snapshot", 8, nil, nil, 10, 5, nil, []string{"k"}, nil, talos.Aborted, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, r := request5(c.version, c.snapshot, c.readVers, c.readSet, c.writeSet)
			got := certifier(c.head, c.reads, c.writes).judge(v, r)
			if got.Outcome != c.outcome || got.Conflict != c.conflict || got.HasConflict != (c.conflict > 0) {
				t.Errorf("got %+v, want %v with conflict %v", got, c.outcome, c.conflict)
			}
		})
	}
}

func TestSafepoints(t *testing.T) {
	many := versions{"r1": 20, "e43": 19, "l1": 32}
	for range 12 {
		many["other"+talos.Version(len(many)).String()] = 50
	}
	for _, c := range []struct {
		name              string
		heads             []talos.Version
		reads, writes     versions
		version           talos.Version
		readSet, writeSet []string
		want              []talos.Version
	}{
		{"no keys", []talos.Version{0, 12}, versions{"k:1": 13, "k:2": 22}, versions{"g:1": 12, "g:2": 18}, 25, nil, nil, []talos.Version{24, 11}},
		{"a reader before", []talos.Version{20, 12}, versions{"k1": 13, "k2": 28}, versions{"g1": 12, "g2": 18}, 30, []string{"k2", "g6"}, []string{"k3"}, []talos.Version{28, 28}},
		{"a writer before", []talos.Version{18}, nil, many, 55, []string{"r1", "e43"}, []string{"l1"}, []talos.Version{32}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, head := range c.heads {
				_, r := request5(c.version, 18, nil, c.readSet, c.writeSet)
				if got := certifier(head, c.reads, c.writes).safepoint(c.version, r); got != c.want[i] {
					t.Errorf("head %v: safepoint %v, want %v", head, got, c.want[i])
				}
			}
		})
	}
}

func TestCommittedWithTheKeysOfManyOthers(t *testing.T) {
	v, r := request5(55, 20, []talos.Version{10, 29}, []string{"r1", "e43"}, []string{"l1"})
	got := certifier(18, nil, versions{"r1": 20, "e43": 19, "l1": 32}).Certify(v, r)
	if got.Outcome != talos.Committed || got.Safepoint != 32 {
		t.Errorf("got %+v", got)
	}
}

func TestAbortedVersionsCountForThoseAfterThem(t *testing.T) {
	c := certifier(4, nil, versions{"g:1": 0, "g:2": 3})
	for _, step := range []struct {
		head, version     talos.Version
		snapshot          uint64
		readVers          []talos.Version
		readSet, writeSet []string
		outcome           talos.Outcome
		conflict          talos.Version
	}{
		{4, 8, 6, nil, nil, []string{"l1"}, talos.Committed, 0},
		{4, 10, 2, nil, []string{"k2", "k4"}, []string{"l2"}, talos.Aborted, 0},
		{4, 15, 9, nil, []string{"k9", "k22"}, []string{"l7", "l1"}, talos.Committed, 0},
		{8, 20, 9, []talos.Version{2, 3, 7}, []string{"k9", "k22", "l2"}, []string{"l7"}, talos.Aborted, 10},
	} {
		c.head = step.head
		v, r := request5(step.version, step.snapshot, step.readVers, step.readSet, step.writeSet)
		if got := c.Certify(v, r); got.Outcome != step.outcome || got.Conflict != step.conflict {
			t.Errorf("version %v: got %+v, want %v with conflict %v", v, got, step.outcome, step.conflict)
		}
	}
}

func TestPrunedKeysAreForgottenAlthoughNewerVersionsHaveThem(t *testing.T) {
	c := NewCertifier()
	for v := range talos.Version(6) {
		_, r := request5(v+1, uint64(v), nil, []string{"k"}, []string{"k"})
		c.Certify(v+1, r)
	}
	if n := c.Prune(2); n != 0 {
		t.Fatalf("%d undecided versions were pruned", n)
	}
	for _, v := range []talos.Version{1, 2, 4, 9} {
		c.Decided(v)
	}
	if n := c.Prune(2); n != 2 || c.head != 3 {
		t.Fatalf("pruned %d, head %v; want 2 and 3", n, c.head)
	}
	_, r := request5(7, 6, nil, []string{"k"}, []string{"k"})
	if got := c.Certify(7, r); got.Safepoint != 2 || got.Outcome != talos.Committed {
		t.Errorf("got %+v, want the safepoint 2 below the head", got)
	}
}

// TestModelAgreesWithTheRealCertifier rules about every recorded candidate anew.
func TestModelAgreesWithTheRealCertifier(t *testing.T) {
	for name, open := range map[string]func() ([]talostest.Record, error){"small": talostest.Small, "contention": talostest.Contention} {
		records, err := open()
		if err != nil {
			t.Fatal(err)
		}
		c := NewCertifier()
		rulings := map[talos.Version]Ruling{}
		compared := 0
		for _, r := range records {
			if string(r.Header("messageType")) == "Candidate" {
				var wire candidateWire
				if err := json.Unmarshal(r.Value, &wire); err != nil {
					t.Fatal(err)
				}
				v := talos.Version(r.Position)
				rulings[v] = c.Certify(v, Request{ReadSet: wire.ReadSet, WriteSet: wire.WriteSet, ReadVers: wire.ReadVers, Snapshot: wire.Snapshot})
				continue
			}
			var d decisionWire
			if err := json.Unmarshal(r.Value, &d); err != nil {
				t.Fatal(err)
			}
			got, ok := rulings[d.about()]
			if !ok {
				continue // decided before
			}
			delete(rulings, d.about())
			compared++
			if got.Outcome.String() != d.Decision || got.SuffixStart != d.SuffixStart ||
				(d.Safepoint != nil) != (got.Outcome == talos.Committed) || d.Safepoint != nil && *d.Safepoint != got.Safepoint ||
				(d.ConflictVersion != nil) != got.HasConflict || d.ConflictVersion != nil && *d.ConflictVersion != got.Conflict {
				t.Fatalf("%s: version %v: model says %+v, the certifier %s", name, d.Version, got, r.Value)
			}
		}
		if want := map[string]int{"small": 115, "contention": 12799}[name]; compared != want {
			t.Errorf("%s: %d decisions compared, want %d", name, compared, want)
		}
	}
}
