package certification

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

// How often the generator makes what has nothing to do with the example, of all candidates.
const (
	shareCopied   = 0.01  // sent twice
	shareTraced   = 0.1   // with a trace context
	shareOnCommit = 0.7   // with a message to be published
	shareOther    = 0.003 // records that are no candidates

	replayEvery      = 2_000 // candidates between two starts of the certifier
	replayLength     = 60    // decisions that it then publishes again
	shareDecidedAnew = 0.05  // of these, with a later safepoint
	staleBy          = 300   // positions that a stale snapshot lies behind, at most, with four times Prune
)

// Source makes the requests of an example. Its methods are called by the generator alone.
type Source interface {
	// Request returns one of any kind, by the generator's Draft.
	Request(g *Generator) Request
	// Plain returns one of the commonest kind, which has a statemap. The last one of a log is such a one.
	Plain(g *Generator) Request
	// Committed tells that a request is committed, when the decision about it is published. A
	// request that is decided twice is told once.
	Committed(r *Request)
}

// Request is what a candidate asks for before it is sent: what is certified, and what is to be installed.
type Request struct {
	ReadSet, WriteSet []string
	ReadVers          []talos.Version
	Snapshot          uint64

	Statemap json.RawMessage // nil when there is none
	Writes   []string        // keys of the rows that it changes
	Counts   bool            // towards the goal
	Change   any             // the source's own

	xid, agent, trace string
	onCommit          json.RawMessage
}

// Rand is the source of everything that is random in the messages.
func (g *Generator) Rand() *rand.Rand { return g.rng }

// Plain reports whether nothing but plain requests is asked for.
func (g *Generator) Plain() bool { return g.options.Plain }

// Draft returns a request that writes and reads keys, as an initiator sends it that has read the rows.
func (g *Generator) Draft(writes, reads []string) Request {
	snapshot, readVers := g.cohort.read(writes)
	r := Request{
		xid: g.UUID(), agent: g.options.Cohort + "-agent-" + string('1'+byte(g.rng.IntN(3))), Writes: writes, Snapshot: snapshot,
		ReadSet: append([]string{}, reads...), WriteSet: append([]string{}, writes...), ReadVers: append([]talos.Version{}, readVers...),
	}
	if g.rng.Float64() < shareOnCommit {
		r.onCommit = json.RawMessage(onCommit)
	}
	if g.rng.Float64() < shareTraced {
		r.trace = "00-" + strings.ReplaceAll(g.UUID(), "-", "") + "-00f067aa0ba902b7-01"
	}
	return r
}

// Stale has a request read at an older snapshot than there is.
func (g *Generator) Stale(r *Request) {
	r.Snapshot -= min(r.Snapshot, uint64(g.rng.IntN(staleBy+4*g.options.Prune)))
	r.ReadVers = []talos.Version{}
}

// Idle returns a request that changes no row, with a statemap or none.
func (g *Generator) Idle(statemap json.RawMessage) Request {
	r := g.Draft(nil, nil)
	r.WriteSet = []string{"settings:limits"}
	r.Statemap = statemap
	return r
}

const onCommit = `{"publish":{"kafka":[{"cluster":"","headers":null,"key":null,"keyEncoding":"","partition":null,` +
	`"topic":"feedback","value":{"done":true},"valueEncoding":""}]}}`

// UUID returns a random one.
func (g *Generator) UUID() string {
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
	key := []byte(g.UUID())
	candidate := []Header{{"messageType", []byte("Candidate")}, {"certAgent", []byte(g.options.Cohort + "-agent-1")}}
	switch g.rng.IntN(4) {
	case 0:
		return Message{Key: key, Headers: []Header{{"messageType", []byte("Heartbeat")}}, Value: []byte(`{}`)}
	case 1:
		return Message{Key: key, Value: []byte(`{}`)}
	case 2:
		return Message{Key: key, Headers: candidate, Value: []byte(`{"xid":`)}
	}
	r := g.source.Plain(g)
	r.ReadSet = nil // null on the wire
	return Message{Key: key, Headers: candidate, Value: JSON(r.wire(g.options.Cohort, g.now()))}
}

func (r *Request) wire(cohort string, now time.Time) *candidateWire {
	return &candidateWire{
		Type: "CandidateMessage", XID: r.xid, Agent: r.agent, Cohort: cohort, ReadSet: r.ReadSet, ReadVers: r.ReadVers,
		Snapshot: r.Snapshot, WriteSet: r.WriteSet, Statemap: r.Statemap, OnCommit: r.onCommit,
		CertificationStartedAt: now.Add(-2 * time.Millisecond).UnixNano(), RequestCreatedAt: now.Add(-time.Millisecond).UnixNano(),
		PublishedAt: now.UnixNano(),
	}
}

func (r *Request) headers() []Header {
	headers := []Header{{"messageType", []byte("Candidate")}, {"certAgent", []byte(r.agent)}}
	if r.trace != "" {
		headers = append(headers, Header{"traceparent", []byte(r.trace)}, Header{"tracestate", []byte{}})
	}
	return headers
}
