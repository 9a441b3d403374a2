package workload

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/examples/banking"
	"github.com/ichor-replicator/ichor/host/talos"
)

// How often the generator makes what is not a single transfer, of all candidates.
const (
	shareSeveral  = 0.03  // several items, which may touch an account twice
	shareDeposit  = 0.015 // a deposit
	shareWithdraw = 0.015
	shareBlind    = 0.01 // a deposit that reads nothing
	shareSettings = 0.01 // no statemap at all
	shareEmpty    = 0.01 // an empty statemap
	shareNull     = 0.005
	shareStale    = 0.02  // read at an older snapshot than there is
	shareCopied   = 0.01  // sent twice
	shareTraced   = 0.1   // with a trace context
	shareOnCommit = 0.7   // with a message to be published
	shareOther    = 0.003 // records that are no candidates

	replayEvery      = 2_000 // candidates between two starts of the certifier
	replayLength     = 60    // decisions that it then publishes again
	shareDecidedAnew = 0.05  // of these, with a later safepoint
	staleBy          = 300   // positions that a stale snapshot lies behind, at most, with four times Prune
)

// request is a candidate before it is sent.
type request struct {
	xid, agent string
	accounts   []string // that it changes
	readSet    []string
	readVers   []talos.Version
	snapshot   uint64
	writeSet   []string
	statemap   json.RawMessage
	onCommit   json.RawMessage
	trace      string
	transfer   bool
}

func (r *request) certified() Request {
	return Request{ReadSet: r.readSet, WriteSet: r.writeSet, ReadVers: r.readVers, Snapshot: r.snapshot}
}

func (r *request) wire(now time.Time) *candidateWire {
	return &candidateWire{
		Type: "CandidateMessage", XID: r.xid, Agent: r.agent, Cohort: cohortName, ReadSet: r.readSet, ReadVers: r.readVers,
		Snapshot: r.snapshot, WriteSet: r.writeSet, Statemap: r.statemap, OnCommit: r.onCommit,
		CertificationStartedAt: now.Add(-2 * time.Millisecond).UnixNano(), RequestCreatedAt: now.Add(-time.Millisecond).UnixNano(),
		PublishedAt: now.UnixNano(), transfer: r.transfer,
	}
}

func (r *request) headers() []Header {
	headers := []Header{{"messageType", []byte("Candidate")}, {"certAgent", []byte(r.agent)}}
	if r.trace != "" {
		headers = append(headers, Header{"traceparent", []byte(r.trace)}, Header{"tracestate", []byte{}})
	}
	return headers
}

const cohortName = "banking"

// pick returns a request of any kind.
func (g *Generator) pick() request {
	shares := []struct {
		share float64
		make  func() request
	}{
		{shareSeveral, g.several},
		{shareDeposit, func() request { return g.single("DEPOSIT") }},
		{shareWithdraw, func() request { return g.single("WITHDRAW") }},
		{shareBlind, g.blind},
		{shareSettings, func() request { return g.idle(nil) }},
		{shareEmpty, func() request { return g.idle(json.RawMessage(`[]`)) }},
		{shareNull, func() request { return g.idle(json.RawMessage(`null`)) }},
	}
	at := g.rng.Float64()
	for _, s := range shares {
		if at < s.share {
			return s.make()
		}
		at -= s.share
	}
	return g.plain()
}

// plain returns one transfer between two accounts.
func (g *Generator) plain() request {
	accounts := g.accounts(2)
	r := g.request(accounts, accounts)
	r.transfer = true
	r.statemap = list(movement("TRANSFER", map[string]string{"from": accounts[0], "to": accounts[1]}, g.amount()))
	if !g.options.Plain && g.rng.Float64() < shareStale {
		r.snapshot -= min(r.snapshot, uint64(g.rng.IntN(staleBy+4*g.options.Prune)))
		r.readVers = []talos.Version{}
	}
	return r
}

// several returns two to four movements between a few accounts.
func (g *Generator) several() request {
	accounts := g.accounts(3)
	items := []string{
		movement("TRANSFER", map[string]string{"from": accounts[0], "to": accounts[1]}, g.amount()),
		movement("WITHDRAW", map[string]string{"account": accounts[1]}, g.amount()),
		movement("DEPOSIT", map[string]string{"account": accounts[2]}, g.amount()),
		movement("TRANSFER", map[string]string{"from": accounts[2], "to": accounts[0]}, g.amount()),
	}
	n := 2 + g.rng.IntN(3)
	used := accounts
	if n == 2 {
		used = accounts[:2]
	}
	r := g.request(used, used)
	r.statemap = list(items[:n]...)
	return r
}

// single returns one movement of one account.
func (g *Generator) single(action string) request {
	accounts := g.accounts(1)
	r := g.request(accounts, accounts)
	r.statemap = list(movement(action, map[string]string{"account": accounts[0]}, g.amount()))
	return r
}

// blind returns a deposit that reads nothing, which is always committed.
func (g *Generator) blind() request {
	accounts := g.accounts(1)
	r := g.request(accounts, nil)
	r.statemap = list(movement("DEPOSIT", map[string]string{"account": accounts[0]}, g.amount()))
	return r
}

// idle returns a request that changes nothing in the cohort's tables.
func (g *Generator) idle(statemap json.RawMessage) request {
	r := g.request(nil, nil)
	r.writeSet = []string{"settings:limits"}
	r.statemap = statemap
	return r
}

// request returns a request that writes and reads accounts.
func (g *Generator) request(writes, reads []string) request {
	snapshot, readVers := g.cohort.read(writes)
	r := request{
		xid: g.uuid(), agent: "bank-agent-" + string('1'+byte(g.rng.IntN(3))), accounts: writes, snapshot: snapshot,
		readSet: append([]string{}, reads...), writeSet: append([]string{}, writes...), readVers: append([]talos.Version{}, readVers...),
	}
	if g.rng.Float64() < shareOnCommit {
		r.onCommit = json.RawMessage(onCommit)
	}
	if g.rng.Float64() < shareTraced {
		r.trace = "00-" + strings.ReplaceAll(g.uuid(), "-", "") + "-00f067aa0ba902b7-01"
	}
	return r
}

const onCommit = `{"publish":{"kafka":[{"cluster":"","headers":null,"key":null,"keyEncoding":"","partition":null,` +
	`"topic":"bank.feedback","value":{"done":true},"valueEncoding":""}]}}`

// accounts returns n different accounts, hot ones as often as the options say.
func (g *Generator) accounts(n int) []string {
	picked := make([]string, 0, n)
	seen := make(map[int]bool, n)
	for len(picked) < n {
		i := g.rng.IntN(g.options.Accounts)
		if g.rng.Float64() < g.options.HotShare {
			i = g.rng.IntN(g.options.Hot)
		}
		if !seen[i] {
			seen[i] = true
			picked = append(picked, banking.AccountNumber(i))
		}
	}
	return picked
}

// amount returns up to 100 in hundred-thousandths, mostly whole or in cents.
func (g *Generator) amount() int64 {
	switch g.rng.IntN(4) {
	case 0:
		return unit * (1 + g.rng.Int64N(100))
	case 1:
		return 1 + g.rng.Int64N(100*unit)
	default:
		return unit / 100 * (1 + g.rng.Int64N(10_000))
	}
}

func (g *Generator) uuid() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], g.rng.Uint64())
	binary.BigEndian.PutUint64(b[8:], g.rng.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// other returns a record that the certifier takes for no candidate: of another message type,
// of none, or with a value that its parser refuses.
func (g *Generator) other() Message {
	key := []byte(g.uuid())
	candidate := []Header{{"messageType", []byte("Candidate")}, {"certAgent", []byte("bank-agent-1")}}
	switch g.rng.IntN(4) {
	case 0:
		return Message{Key: key, Headers: []Header{{"messageType", []byte("Heartbeat")}}, Value: []byte(`{}`)}
	case 1:
		return Message{Key: key, Value: []byte(`{}`)}
	case 2:
		return Message{Key: key, Headers: candidate, Value: []byte(`{"xid":`)}
	}
	accounts := g.accounts(2)
	r := g.request(accounts, accounts)
	r.readSet = nil // null on the wire
	r.statemap = list(movement("TRANSFER", map[string]string{"from": accounts[0], "to": accounts[1]}, g.amount()))
	return Message{Key: key, Headers: candidate, Value: mustJSON(r.wire(g.now()))}
}

func list(items ...string) json.RawMessage {
	return json.RawMessage("[" + strings.Join(items, ",") + "]")
}
