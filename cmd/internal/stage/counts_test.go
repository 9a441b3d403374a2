package stage

import (
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/examples/banking/workload/verdict"
	"github.com/ichor-replicator/ichor/examples/certification/transcript"
	"github.com/ichor-replicator/ichor/host/talos"
)

const metrics = `# TYPE ichor_records_total counter
ichor_records_total{kind="candidate",reason=""} 2
ichor_records_total{kind="decision",reason="aborted"} 1
ichor_records_total{kind="decision",reason="committed"} 1
ichor_records_total{kind="foreign",reason="unknown_message_type"} 1
ichor_records_total{kind="malformed",reason="missing_message_type"} 1
ichor_records_total{kind="refused",reason="no_json"} 1
ichor_positions_passed_total{kind="aborted_transaction"} 1
ichor_positions_passed_total{kind="gap"} 0
ichor_positions_passed_total{kind="marker"} 1e+00
ichor_other_total{kind="candidate"} 7
`

// TestEachRecordIsCountedOnce: positions 3 and 4 are a transaction that was aborted, and the log is read from 1 on.
func TestEachRecordIsCountedOnce(t *testing.T) {
	log := verdict.NewLog()
	log.End = 10
	candidate := `{"xid":"x","agent":"a","cohort":"c","readset":[],"readvers":[],"snapshot":0,"writeset":[],"publishedAt":1}`
	for _, r := range []transcript.Record{
		{Position: 0}, {Position: 1, MessageType: "Candidate", Value: []byte(candidate)}, {Position: 2, MessageType: "Candidate", Value: []byte(candidate)},
		{Position: 5, MessageType: "Candidate", Value: []byte("{}")}, {Position: 6, MessageType: "Decision", Value: []byte(`{"version":1,"decision":"committed"}`)},
		{Position: 7, MessageType: "Decision", Value: []byte(`{"version":2,"decision":"aborted"}`)}, {Position: 8, MessageType: "x"}, {Position: 9},
	} {
		log.Add(r)
	}
	c, err := readCounts(strings.NewReader(metrics))
	if err != nil || c.Against(log, 1) != nil {
		t.Fatalf("%v: %v, %v", c, err, c.Against(log, 1))
	}
	for want, from := range map[string]talos.Position{"9 of the log's 10 positions from 0 on": 0, "9 of the log's 8 positions from 2 on": 2} {
		if err := c.Against(log, from); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("from %d: %v", from, err)
		}
	}
	for want, change := range map[string]func(Counts){
		"1 records are counted as candidate, and the log has 2": func(c Counts) { c["candidate"]--; c["foreign"]++ },
		"3 records are counted as decision, and the log has 2":  func(c Counts) { c["decision"]++; c["marker"]-- },
		"2 records are counted as refused, and the log has 1":   func(c Counts) { c["refused"]++; c["malformed"]-- },
		"8 of the log's 9 positions from 1 on are counted":      func(c Counts) { c["aborted_transaction"]-- },
	} {
		c, _ := readCounts(strings.NewReader(metrics))
		change(c)
		if err := c.Against(log, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
