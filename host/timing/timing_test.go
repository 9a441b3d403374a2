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

func versions(js []*Journey) []talos.Version {
	var out []talos.Version
	for _, j := range js {
		out = append(out, j.Version)
	}
	return out
}
