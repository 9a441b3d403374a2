package timing

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Details travel with a journey, and by their xid it is found, however that is written.
func TestJourneysAreFoundByXID(t *testing.T) {
	l := NewJournal(3, 1)
	for v, xid := range []string{"00000000-0000-0000-0000-0000000000a1", "00000000-0000-0000-0000-0000000000b2", "000000000000000000000000000000A1"} {
		j := &Journey{Version: talos.Version(v + 1), Details: &Details{XID: xid, Cohort: "bank", Fuel: 7, Statements: 2, Templates: []string{"a", "b"}}}
		j.Record(ReplicatorCandidateReceived, 1)
		j.Record(InstallerStatemapInstallationComplete, int64(10*(v+1)))
		l.Observe(j)
	}
	l.Observe(&Journey{Version: 9}) // the first goes, but for the slowest
	id, _ := talos.ParseXID("00000000-0000-0000-0000-0000000000a1")
	found := l.FindXID(id)
	if len(found) != 1 || found[0].Version != 3 {
		t.Fatalf("found %v", found)
	}
	text, err := json.Marshal(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var back Journey
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, found[0]) {
		t.Errorf("%s came back as %+v, %v", text, back, err)
	}
}
