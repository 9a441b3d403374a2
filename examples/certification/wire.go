package certification

import (
	"encoding/json"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Header is one header of a message.
type Header struct {
	Name  string
	Value []byte
}

// Message is one message of the certification topic.
type Message struct {
	Position talos.Position // where it must come to lie
	Key      []byte
	Headers  []Header
	Value    []byte
}

// candidateWire is a candidate as an agent writes it.
type candidateWire struct {
	Type                   string          `json:"_typ"`
	XID                    string          `json:"xid"`
	Agent                  string          `json:"agent"`
	Cohort                 string          `json:"cohort"`
	ReadSet                []string        `json:"readset"`
	ReadVers               []talos.Version `json:"readvers"`
	Snapshot               uint64          `json:"snapshot"`
	WriteSet               []string        `json:"writeset"`
	Statemap               json.RawMessage `json:"statemap,omitempty"`
	OnCommit               json.RawMessage `json:"onCommit,omitempty"`
	CertificationStartedAt int64           `json:"certificationStartedAt"`
	RequestCreatedAt       int64           `json:"requestCreatedAt"`
	PublishedAt            int64           `json:"publishedAt"`
}

// decisionWire is a decision as the certifier writes it.
type decisionWire struct {
	Type             string         `json:"_typ"`
	XID              string         `json:"xid"`
	Agent            string         `json:"agent"`
	Cohort           string         `json:"cohort"`
	Decision         string         `json:"decision"`
	SuffixStart      talos.Version  `json:"suffixStart"`
	Time             string         `json:"time"`
	Version          talos.Version  `json:"version"`
	DuplicateVersion *talos.Version `json:"duplicateVersion,omitempty"`
	Safepoint        *talos.Version `json:"safepoint,omitempty"`
	ConflictVersion  *talos.Version `json:"conflictVersion,omitempty"`
	Metrics          metricsWire    `json:"metrics"`
}

type metricsWire struct {
	CertificationStarted       int64 `json:"certificationStarted"`
	RequestCreated             int64 `json:"requestCreated"`
	CandidatePublished         int64 `json:"candidatePublished"`
	CandidateReceived          int64 `json:"candidateReceived"`
	CandidateProcessingStarted int64 `json:"candidateProcessingStarted"`
	DecisionCreatedAt          int64 `json:"decisionCreatedAt"`
	DBSaveStarted              int64 `json:"dbSaveStarted"`
	DBSaveEnded                int64 `json:"dbSaveEnded"`
}

// newDecision returns the decision that a ruling asks for.
func newDecision(r Ruling, c *candidateWire, now time.Time) decisionWire {
	d := decisionWire{
		Type: "DecisionMessage", XID: c.XID, Agent: c.Agent, Cohort: c.Cohort, Decision: r.Outcome.String(),
		SuffixStart: r.SuffixStart, Time: now.UTC().Format(time.RFC3339Nano), Version: r.Version,
		Metrics: metricsWire{
			CertificationStarted: c.CertificationStartedAt, RequestCreated: c.RequestCreatedAt, CandidatePublished: c.PublishedAt,
			CandidateReceived: now.UnixNano(), CandidateProcessingStarted: now.UnixNano(), DecisionCreatedAt: now.UnixNano(),
		},
	}
	if r.Outcome == talos.Committed {
		d.Safepoint = &r.Safepoint
	}
	if r.HasConflict {
		d.ConflictVersion = &r.Conflict
	}
	return d
}

// about returns the version that a decision is about.
func (d *decisionWire) about() talos.Version {
	if d.DuplicateVersion != nil {
		return *d.DuplicateVersion
	}
	return d.Version
}

// headers returns the headers of a decision: those of its candidate, then its own.
func (d *decisionWire) headers(carried []Header) []Header {
	headers := []Header{
		{"messageType", []byte("Decision")},
		{"majorVersion", []byte("1")},
		{"messageEncoding", []byte("application/json")},
		{"producer", []byte("talos_certifier")},
		{"certVersion", []byte(d.about().String())},
		{"certXid", []byte(d.XID)},
		{"certAgent", []byte(d.Agent)},
		{"certTime", []byte(d.Time)},
	}
	if d.Safepoint != nil {
		headers = append(headers, Header{"certSafepoint", []byte(d.Safepoint.String())})
	}
	for _, h := range carried {
		if h.Name != "messageType" && h.Name != "certAgent" {
			headers = append(headers, h)
		}
	}
	return headers
}

// JSON encodes a value of a workload, none of which can fail to be encoded.
func JSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}
