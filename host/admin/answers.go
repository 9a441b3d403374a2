package admin

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Journeys are the ways of versions.
type Journeys struct {
	Recent  []*timing.Journey `json:"recent"`  // the newest first
	Slowest []*timing.Journey `json:"slowest"` // the slowest first
}

// XID are the versions of the candidates with an xid, ascending.
type XID struct {
	XID      string           `json:"xid"`      // as it was asked for
	Versions []status.Version `json:"versions"` // of its candidates, ascending: one that was sent again has several
}

// Samples are what a host measured of itself, oldest first.
type Samples struct {
	Samples []status.Sample `json:"samples"` // one a second, of the latest quarter of an hour at most
}

// Quarantine is what is held, ascending.
type Quarantine struct {
	Versions []installer.Held `json:"versions"` // as many as were asked for
	// Next is the version after which the rest follows, 0 for none.
	Next talos.Version `json:"next,omitempty"`
	// Reasons are those for which versions are held, of all that were asked for, also where they are not shown.
	Reasons []HeldReason `json:"reasons"`
}

// HeldReason is how many versions are held for one reason.
type HeldReason struct {
	Kind     string `json:"kind"`           // as of Held
	Code     string `json:"code,omitempty"` // as of Held
	Versions int    `json:"versions"`       // so many are held for it
	// Hash is of them all: what a skip of all that are held for it needs in If-Match.
	Hash string `json:"hash"`
}

// reasonsOf says why versions are held, by kind and code.
func reasonsOf(held []installer.Held) []HeldReason {
	by := map[[2]string][]installer.Held{}
	var order [][2]string
	for i := range held {
		h := &held[i]
		if !h.Held {
			continue
		}
		key := [2]string{h.Kind, h.Code}
		if by[key] == nil {
			order = append(order, key)
		}
		by[key] = append(by[key], *h)
	}
	reasons := make([]HeldReason, len(order))
	for i, key := range order {
		reasons[i] = HeldReason{Kind: key[0], Code: key[1], Versions: len(by[key]), Hash: installer.HashOf(by[key])}
	}
	slices.SortStableFunc(reasons, func(a, b HeldReason) int { return b.Versions - a.Versions })
	return reasons
}

// HeldVersion is everything that is known of a version in the quarantine.
type HeldVersion struct {
	*installer.Held
	Reads    []string        `json:"reads,omitempty"`    // its keys
	Writes   []string        `json:"writes,omitempty"`   // its keys
	Statemap json.RawMessage `json:"statemap,omitempty"` // as it stands in the log, any JSON
	// Converted is what the guest that converted it makes of it now, NotConverted why that is not known.
	Converted    *guest.Outcome  `json:"converted,omitempty"`
	NotConverted string          `json:"not_converted,omitempty"` // for people
	Stands       *status.Version `json:"stands,omitempty"`        // what the running host says
	NoHost       string          `json:"no_host,omitempty"`       // why the host says nothing, for people
	Retry        string          `json:"retry"`                   // what it would do
	Skip         string          `json:"skip"`                    // what it would do
}

// ReadCandidate takes keys and statemap from the record, as far as it can be read.
func (h *HeldVersion) ReadCandidate() {
	var candidate talos.Candidate
	if h.Candidate == nil || talos.DecodeCandidate(h.Version, h.Candidate, &candidate) != nil {
		return
	}
	h.Writes = slices.Clone(candidate.WriteSet)
	for _, key := range candidate.ReadSet {
		if !slices.Contains(h.Writes, key) {
			h.Reads = append(h.Reads, key)
		}
	}
	var fields struct {
		Statemap json.RawMessage `json:"statemap"`
	}
	if json.Unmarshal(h.Candidate, &fields) == nil {
		h.Statemap = fields.Statemap
	}
}

// Foresee says what retry and skip would do.
func (h *HeldVersion) Foresee() {
	h.Retry, h.Skip = Would("retry", h.Held, h.Stands), Would("skip", h.Held, h.Stands)
}

// Would says what a verb, retry or skip, would do with a held version, given what a running host says of it, nil
// where none does.
func Would(verb string, h *installer.Held, v *status.Version) string {
	switch {
	case !h.Held:
		return "nothing: it holds nothing"
	case h.Asked != "" && h.Asked != verb:
		return "a " + h.Asked + " is asked for already"
	case verb == "retry" && slices.Contains([]string{replicator.KindUnreadable, replicator.KindUnrouted, replicator.KindContradiction, replicator.KindMissing}, h.Kind):
		return "is refused: no guest can be given it (" + h.Kind + ")"
	case verb == "retry":
		by := "the guest"
		if h.Digest != "" {
			by = fmt.Sprintf("the guest, %.12s or a newer one,", h.Digest)
		}
		return "its record is read again, " + by + " converts it, and it is tried at once"
	case v == nil || v.Radius == nil:
		return "it settles without effects, and what waits for it goes on over rows that lack them"
	}
	return fmt.Sprintf("it settles without effects, and %d versions go on over rows that lack them", v.Radius.Free)
}

// Requests are what operators asked for.
type Requests struct {
	Requests []installer.Request `json:"requests"` // those that were asked for, or the newest first
}

// Audit is what people did, the newest first.
type Audit struct {
	Audit []installer.AuditRow `json:"audit"` // the rows of ichor.audit
}

// Guests are the guests and what became of their modules.
type Guests struct {
	Guests []status.Guest         `json:"guests"` // the generations in use, oldest first
	Ranges []rollout.Range        `json:"ranges"` // by guest, ascending
	Events []installer.GuestEvent `json:"events"` // the newest first
}
