package talos

import (
	"encoding/json"
	"testing"
)

// typical is a candidate of 700 bytes as the banking agents write it.
const typical = `{"_typ":"CandidateMessage","xid":"36dec187-5043-4505-89d2-3254c616b769","agent":"cohort-banking","cohort":"cohort-banking",` +
	`"readset":["0001","0022"],"readvers":[],"snapshot":0,"writeset":["0001","0022"],"statemap":[{"TRANSFER":{"amount":1.0,"from":"0001","to":"0022"}}],` +
	`"onCommit":{"publish":{"kafka":[{"cluster":"","headers":null,"key":null,"keyEncoding":"","partition":null,"topic":"test.transfer.feedback",` +
	`"value":{"amount":"1","from_account":"0001","to_account":"0022"},"valueEncoding":""}]}},` +
	`"certificationStartedAt":1795383547586109963,"requestCreatedAt":1795383547587785054,"publishedAt":1795383547587808859}`

func BenchmarkDecodeCandidate(b *testing.B) {
	value := []byte(typical)
	var c Candidate
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeCandidate(7, value, &c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON decodes the same candidate by reflection, without any of the checks
// that tell a refused candidate from one to be decided.
func BenchmarkEncodingJSON(b *testing.B) {
	value := []byte(typical)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		var c struct {
			XID, Agent, Cohort                                    string
			ReadSet, WriteSet                                     []string
			ReadVers                                              []uint64
			Snapshot                                              uint64
			CertificationStartedAt, RequestCreatedAt, PublishedAt int64
			Statemap                                              []map[string]json.RawMessage
		}
		if err := json.Unmarshal(value, &c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeDecision(b *testing.B) {
	value := []byte(decision(`"decision":"committed","time":"2025-09-29T04:07:05.141873302Z","version":1042,"safepoint":1037`))
	var d Decision
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeDecision(value, &d); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecodingAllocatesLittle(t *testing.T) {
	value := []byte(typical)
	var c Candidate
	if n := testing.AllocsPerRun(100, func() { _ = DecodeCandidate(7, value, &c) }); n > 4 {
		t.Errorf("a candidate takes %v allocations, at most 4 are agreed", n)
	}
	text := []byte(decision(`"decision":"committed","version":1042,"safepoint":1037`))
	var d Decision
	if n := testing.AllocsPerRun(100, func() { _ = DecodeDecision(text, &d) }); n > 0 {
		t.Errorf("a decision takes %v allocations, none is agreed", n)
	}
}
