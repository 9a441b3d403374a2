package timing

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

func TestEventNamesRoundTrip(t *testing.T) {
	for e := range Event(Events) {
		if got, ok := ParseEvent(e.String()); !ok || got != e {
			t.Errorf("ParseEvent(%q) = %v, %v", e.String(), got, ok)
		}
	}
	if e, ok := ParseEvent("InstallerStatemapInstallationBegin"); !ok || e != InstallerStatemapInstallationBegin {
		t.Errorf("the regular spelling is not accepted")
	}
	if _, ok := ParseEvent("Nothing"); ok {
		t.Errorf("an unknown name is accepted")
	}
}

func TestJourneyKeepsTheFirstRecordAndNeverGoesBack(t *testing.T) {
	var j Journey
	j.Record(ReplicatorCandidateReceived, 100)
	j.Record(ReplicatorDecisionReceived, 90) // the clock stepped back
	j.Record(InstallerStatemapInstallationBegin, 300)
	j.Record(InstallerStatemapInstallationBegin, 400) // a retry
	want := map[Event]int64{
		ReplicatorCandidateReceived: 100, ReplicatorDecisionReceived: 100, InstallerStatemapInstallationBegin: 300,
	}
	if got := maps.Collect(j.All()); !maps.Equal(got, want) {
		t.Fatalf("recorded %v, want %v", got, want)
	}
	if d, ok := j.Between(ReplicatorCandidateReceived, InstallerStatemapInstallationBegin); !ok || d != 200 {
		t.Errorf("Between = %d, %v", d, ok)
	}
	if _, ok := j.Get(SnapshotPersisted); ok {
		t.Errorf("an event that was not recorded is there")
	}
}

func TestJourneyAsJSON(t *testing.T) {
	j := Journey{Version: 7, Attempts: 1, Guest: "ab"}
	j.Record(ReplicatorCandidateReceived, 1)
	j.Record(SnapshotPersisted, 2)
	got, err := json.Marshal(&j)
	want := `{"version":7,"attempts":1,"guest":"ab","events":[{"event":"ReplicatorCandidateReceived","at_ns":1},{"event":"SnapshotPersisted","at_ns":2}]}`
	if err != nil || string(got) != want {
		t.Fatalf("%s, %v; want %s", got, err, want)
	}
	var read Journey
	if err := json.Unmarshal(got, &read); err != nil || read != j {
		t.Errorf("read again: %+v, %v", read, err)
	}
}

func TestJournalKeepsTheLatestAndTheSlowest(t *testing.T) {
	kept := NewJournal(3, 2)
	took := []int64{50, 10, 90, 20, 70}
	for i, d := range took {
		j := &Journey{Version: talos.Version(i + 1)}
		j.Record(ReplicatorCandidateReceived, 1000)
		j.Record(InstallerStatemapInstallationComplete, 1000+d)
		kept.Observe(j)
	}
	if got := versions(kept.Recent()); !slices.Equal(got, []talos.Version{5, 4, 3}) {
		t.Errorf("recent %v", got)
	}
	if got := versions(kept.Slowest()); !slices.Equal(got, []talos.Version{3, 5}) {
		t.Errorf("slowest %v", got)
	}
	if kept.Find(4) == nil || kept.Find(1) != nil {
		t.Errorf("Find: 4 is held and 1 is not")
	}
}

// A version that was installed above the snapshot is seen at once, and once, with all its events when the snapshot has
// passed it.
func TestJournalKeepsTheLaterJourneyOfAVersion(t *testing.T) {
	kept := NewJournal(9, 2)
	of := func(v talos.Version, ahead bool) *Journey {
		j := &Journey{Version: v, Ahead: ahead, Details: &Details{XID: "00000000-0000-0000-0000-0000000000a1"}}
		j.Record(ReplicatorCandidateReceived, 1000)
		j.Record(InstallerStatemapInstallationComplete, 1010)
		return j
	}
	early, later := of(2, true), of(2, true)
	kept.Observe(early)
	if kept.Find(2) != early || len(kept.Slowest()) != 1 {
		t.Fatal("it is not seen before the snapshot has passed it")
	}
	kept.Observe(of(1, false))
	later.Record(SnapshotPersisted, 2000)
	kept.Observe(later)
	id, _ := talos.ParseXID(later.Details.XID)
	for what, got := range map[string][]*Journey{"recent": kept.Recent(), "slowest": kept.Slowest(), "xid": kept.FindXID(id)} {
		if !slices.Contains(got, later) || slices.Contains(got, early) || len(got) != 2 {
			t.Errorf("%s has the versions %v", what, versions(got))
		}
	}
	if kept.Find(2) != later {
		t.Error("the earlier one is found")
	}
}

func versions(js []*Journey) []talos.Version {
	var out []talos.Version
	for _, j := range js {
		out = append(out, j.Version)
	}
	return out
}
