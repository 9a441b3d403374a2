package talos_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/talos/talostest"
)

// census is what an independent reader made of a recorded topic.
type census struct {
	candidates, committed, aborted                int
	safepoints, safepointZero, conflicts          int
	namesAborted, lowerSafepoint, equalSafepoint  int
	outOfOrder, keys, readVers, onCommit          int
	safepointMax, highest, suffixStartsOtherThan1 uint64
	bank, fold                                    string
}

var recorded = []struct {
	name string
	open func() ([]talostest.Record, error)
	want census
}{
	{"small", talostest.Small, census{
		candidates: 115, committed: 66, aborted: 49, safepoints: 66, safepointZero: 11, conflicts: 48,
		namesAborted: 24, lowerSafepoint: 25, equalSafepoint: 9, outOfOrder: 10, keys: 40, readVers: 32, onCommit: 99,
		safepointMax: 224, highest: 228, suffixStartsOtherThan1: 1,
		bank: "946f71edd6a559b47106dcf04d665663aa44e8596fcba8c7bff95bb0fe1288b9",
		fold: "a3bd99892c01a27741523c16a62dd66f06a812be562b5bfa406c42b8fa3033a7",
	}},
	{"contention", talostest.Contention, census{
		candidates: 12799, committed: 7584, aborted: 5215, safepoints: 7584, safepointZero: 28, conflicts: 5214,
		namesAborted: 1898, lowerSafepoint: 3487, equalSafepoint: 102, outOfOrder: 2784, keys: 100, readVers: 2878, onCommit: 9254,
		safepointMax: 25578, highest: 25595, suffixStartsOtherThan1: 1,
		bank: "a5b4b3d0b2f0a665ec1de1b0a6dbc431e56a8054402dfd6774ff06dfc3f25281",
		fold: "c276279bf8a283d9fde7a7beb136b07f4e5246dce875c6f4f6e9e4be7176e24a",
	}},
}

func TestRecordedTopics(t *testing.T) {
	for _, c := range recorded {
		t.Run(c.name, func(t *testing.T) {
			records, err := c.open()
			if err != nil {
				t.Fatal(err)
			}
			if got := count(t, records); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// count decodes every record and replays what is committed, in the order of versions.
func count(t *testing.T, records []talostest.Record) census {
	t.Helper()
	var got census
	candidates := map[talos.Version]*talos.Candidate{}
	first := map[talos.Version]talos.Decision{}
	var previous talos.Version
	for i := range records {
		r := &records[i]
		switch kind, reason := talos.Classify(r.Header, r.Value); kind {
		case talos.CandidateKind:
			c := new(talos.Candidate)
			if err := talos.DecodeCandidate(talos.Version(r.Position), r.Value, c); err != nil {
				t.Fatalf("candidate %v: %v", r.Position, err)
			}
			compareCandidate(t, c)
			candidates[c.Version] = c
			got.candidates++
			got.readVers += countTrue(!bytes.Contains(r.Value, []byte(`"readvers":[]`)))
			got.onCommit += countTrue(bytes.Contains(r.Value, []byte(`"onCommit":{`)))
		case talos.DecisionKind:
			var d talos.Decision
			if err := talos.DecodeDecision(r.Value, &d); err != nil {
				t.Fatalf("decision at %v: %v", r.Position, err)
			}
			compareDecision(t, r, &d)
			got.committed += countTrue(d.Outcome == talos.Committed)
			got.aborted += countTrue(d.Outcome == talos.Aborted)
			got.safepoints += countTrue(d.HasSafepoint)
			got.safepointZero += countTrue(d.HasSafepoint && d.Safepoint == 0)
			got.conflicts += countTrue(d.ConflictVersion > 0)
			got.outOfOrder += countTrue(d.Version < previous)
			got.suffixStartsOtherThan1 += uint64(countTrue(d.SuffixStart != 1))
			previous = d.Version
			first[d.Version] = d
		default:
			t.Fatalf("record %v is %v: %s", r.Position, kind, reason)
		}
	}
	got.replay(t, candidates, first)
	return got
}

func (got *census) replay(t *testing.T, candidates map[talos.Version]*talos.Candidate, first map[talos.Version]talos.Decision) {
	balances, versions := map[string]*big.Rat{}, map[string]talos.Version{}
	folds, keys := map[string][]byte{}, map[string]bool{}
	var before talos.Version
	for _, v := range slices.Sorted(maps.Keys(first)) {
		c, d := candidates[v], first[v]
		for _, key := range slices.Concat(c.ReadSet, c.WriteSet) {
			keys[key] = true
		}
		if d.Outcome != talos.Committed {
			continue
		}
		got.lowerSafepoint += countTrue(d.Safepoint < before)
		got.equalSafepoint += countTrue(d.Safepoint == before && got.highest > 0)
		got.namesAborted += countTrue(first[d.Safepoint].Outcome == talos.Aborted)
		got.safepointMax = max(got.safepointMax, uint64(d.Safepoint))
		before, got.highest = d.Safepoint, uint64(v)
		transfer(t, c, balances, versions)
		foldIn(folds, c)
	}
	got.keys = len(keys)
	got.bank, got.fold = bankDigest(balances, versions), foldDigest(folds)
}

// transfer moves the money of one candidate between accounts that begin with 100,000.
func transfer(t *testing.T, c *talos.Candidate, balances map[string]*big.Rat, versions map[string]talos.Version) {
	t.Helper()
	if len(c.Items) != 1 || c.Items[0].Action != "TRANSFER" {
		t.Fatalf("candidate %v has items %q", c.Version, c.Items)
	}
	var order struct {
		From, To string
		Amount   json.Number
	}
	if err := json.Unmarshal(c.Items[0].Payload, &order); err != nil {
		t.Fatal(err)
	}
	amount, ok := new(big.Rat).SetString(order.Amount.String())
	if !ok {
		t.Fatalf("amount %q", order.Amount)
	}
	for account, delta := range map[string]*big.Rat{order.From: new(big.Rat).Neg(amount), order.To: amount} {
		if balances[account] == nil {
			balances[account] = big.NewRat(100_000, 1)
		}
		balances[account].Add(balances[account], delta)
		versions[account] = c.Version
	}
}

func bankDigest(balances map[string]*big.Rat, versions map[string]talos.Version) string {
	var rows []talostest.BankRow
	for account, balance := range balances {
		rows = append(rows, talostest.BankRow{Account: account, Balance: balance.FloatString(5), Version: versions[account]})
	}
	return talostest.BankDigest(rows)
}

// foldIn chains the candidate's statemap, as its bytes stand on the wire, to each written key.
func foldIn(folds map[string][]byte, c *talos.Candidate) {
	var wire struct{ Statemap json.RawMessage }
	if err := json.Unmarshal(c.Value, &wire); err != nil {
		panic(err)
	}
	for _, key := range slices.Compact(slices.Sorted(slices.Values(c.WriteSet))) {
		h := sha256.New()
		h.Write(folds[key])
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(c.Version)))
		h.Write(wire.Statemap)
		folds[key] = h.Sum(nil)
	}
}

func foldDigest(folds map[string][]byte) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(folds)) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(key))))
		h.Write([]byte(key))
		h.Write(folds[key])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// compareCandidate holds a candidate against what encoding/json makes of its value.
func compareCandidate(t *testing.T, c *talos.Candidate) {
	t.Helper()
	var want struct {
		XID, Agent, Cohort                                    string
		ReadSet, WriteSet                                     []string
		Snapshot                                              uint64
		CertificationStartedAt, RequestCreatedAt, PublishedAt int64
		Statemap                                              []map[string]json.RawMessage
	}
	if err := json.Unmarshal(c.Value, &want); err != nil {
		t.Fatal(err)
	}
	if c.XID != want.XID || c.Agent != want.Agent || c.Cohort != want.Cohort || c.Snapshot != want.Snapshot ||
		!slices.Equal(c.ReadSet, want.ReadSet) || !slices.Equal(c.WriteSet, want.WriteSet) ||
		c.CertificationStartedAt != want.CertificationStartedAt || c.RequestCreatedAt != want.RequestCreatedAt ||
		c.PublishedAt != want.PublishedAt || c.Unreadable != nil || len(c.Items) != len(want.Statemap) {
		t.Fatalf("candidate %v: got %+v, want %+v", c.Version, c, want)
	}
	for i, element := range want.Statemap {
		if item := c.Items[i]; !bytes.Equal(item.Payload, element[item.Action]) {
			t.Fatalf("candidate %v: item %d is %q, want %q", c.Version, i, item, element)
		}
	}
}

// compareDecision holds a decision against what encoding/json makes of its value.
func compareDecision(t *testing.T, r *talostest.Record, d *talos.Decision) {
	t.Helper()
	var want struct {
		XID, Agent, Cohort, Decision, Time    string
		Version, SuffixStart, ConflictVersion uint64
		Safepoint                             *uint64
	}
	if err := json.Unmarshal(r.Value, &want); err != nil {
		t.Fatal(err)
	}
	if d.XID != want.XID || d.Agent != want.Agent || d.Cohort != want.Cohort || d.Outcome.String() != want.Decision ||
		d.Time != want.Time || uint64(d.Version) != want.Version || d.Version != d.Original || d.Duplicate ||
		d.SuffixStart != want.SuffixStart || uint64(d.ConflictVersion) != want.ConflictVersion ||
		d.HasSafepoint != (want.Safepoint != nil) || d.HasSafepoint && uint64(d.Safepoint) != *want.Safepoint ||
		d.Contradictory() || d.Version.String() != string(r.Header("certVersion")) {
		t.Fatalf("decision at %v: got %+v, want %+v", r.Position, d, want)
	}
}

func countTrue(holds bool) int {
	if holds {
		return 1
	}
	return 0
}
