package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// Version is one version at one instant, as /v1/versions/{version} shows it. Instants are nanoseconds
// since the Unix epoch.
type Version struct {
	Version  talos.Version          `json:"version"`  // the position of the candidate in the log
	Stands   replicator.Whereabouts `json:"stands"`   // one of the words of Whereabouts
	Sentence string                 `json:"sentence"` // the same for people
	// Outcome is committed, aborted or undecided; Duplicate says that the decision is about a copy of an
	// earlier candidate, Safepoint is the decision's, and Decided where in the log it stands.
	Outcome   string         `json:"outcome"`
	Duplicate bool           `json:"duplicate,omitempty"`      // see outcome
	Safepoint talos.Version  `json:"safepoint,omitempty"`      // see outcome
	Decided   talos.Position `json:"decision_at,omitempty"`    // see outcome
	Received  int64          `json:"received_at_ns,omitempty"` // when the host read the candidate
	WaitsFor  []WaitsFor     `json:"waits_for,omitempty"`      // at most ten, the lowest first
	Lane      *int           `json:"lane,omitempty"`           // of a version in a transaction
	// Attempts are the transactions with it that this host began since it read it, those of groups included. How often it
	// was held, by any host, is times of /v1/quarantine: the two need not be the same.
	Attempts uint32 `json:"attempts,omitempty"`
	RetryAt  int64  `json:"retry_at_ns,omitempty"` // when it is tried again by itself
	Failure  string `json:"failure,omitempty"`     // the latest, for people; never a user's row
	// HeldEnded is how its quarantine ended, HeldUntil when, of a version that has settled: installed,
	// skipped (by its guest, or ignored by the routes), skipped_by_operator, passed or adopted.
	HeldEnded string `json:"held_ended,omitempty"`
	HeldUntil int64  `json:"held_until_ns,omitempty"` // see held_ended; nanoseconds since the Unix epoch
	// Abandoned says that an operator abandoned it: the outcome is his.
	Abandoned bool `json:"abandoned,omitempty"`
	// Radius is what waits for a version that is held.
	Radius *Radius `json:"radius,omitempty"`
	Guest  string  `json:"guest,omitempty"` // the digest of the module that converted it
	// Journey is the timed events of a version that the snapshot has passed, while they are kept.
	Journey *timing.Journey `json:"journey,omitempty"`
}

// UnknownError says why nothing is known of what was asked for.
type UnknownError struct{ What string }

// Error implements error.
func (e *UnknownError) Error() string { return e.What }

// Radius is what waits for a version, directly or through others, of those that are decided or passed.
type Radius struct {
	Versions int `json:"versions"` // that share a key with it, or with one that waits for it
	Keys     int `json:"keys"`     // that it and they touch
	// Free is how many of Versions wait for nothing else that cannot go: they go once it settles.
	Free    int  `json:"free"`
	Partial bool `json:"partial,omitempty"` // there may be more: not all was looked at
}

// String says it for people.
func (r *Radius) String() string {
	least := ""
	if r.Partial {
		least = "at least "
	}
	return fmt.Sprintf("%s%d versions over %d keys wait for it, %d of them for nothing else that is stuck", least, r.Versions, r.Keys, r.Free)
}

// WaitsFor is a version that another must come after.
type WaitsFor struct {
	Version talos.Version          `json:"version"` // that is waited for
	Stands  replicator.Whereabouts `json:"stands"`  // where that is
	// Key is one that both touch and either writes: its text, or its hash in hexadecimal where the text
	// could not be read; empty where one of the two has no keys or there is no decision yet.
	Key   string `json:"key,omitempty"`
	Since int64  `json:"since_ns,omitempty"` // when it was read
}

// VersionOf says what the core explains at an instant (ns). Keys are the texts of hashes, as far as they
// are known.
func VersionOf(x replicator.Explanation, at int64, keys map[uint64]string) Version {
	v := Version{
		Version: x.Version, Stands: x.Stands, Outcome: x.Outcome.String(), Duplicate: x.Duplicate, Safepoint: x.Safepoint,
		Decided: x.DecidedAt, Received: x.Received, Attempts: x.Attempts, RetryAt: x.RetryAt,
	}
	if x.Failure.Kind != "" {
		v.Failure = x.Failure.String()
	}
	if x.DecidedAt == replicator.AtOperator {
		v.Decided, v.Abandoned = 0, true
	}
	if x.Stands == replicator.HeldBack {
		v.Radius = &Radius{x.Radius.Versions, x.Radius.Keys, x.Radius.Free, x.Radius.Partial}
	}
	if x.Stands == replicator.InTransaction {
		lane := int(x.Lane)
		v.Lane = &lane
	}
	for _, w := range x.For {
		key := keys[w.Key]
		if key == "" && w.Key != 0 {
			key = fmt.Sprintf("%x", w.Key)
		}
		v.WaitsFor = append(v.WaitsFor, WaitsFor{Version: w.Version, Stands: w.Stands, Key: key, Since: w.Since})
	}
	v.Sentence = v.sentence(&x, at)
	return v
}

// sentence says it for people.
func (v *Version) sentence(x *replicator.Explanation, at int64) string {
	switch x.Stands {
	case replicator.NotRead:
		return fmt.Sprintf("the log is read up to position %d only", x.Next)
	case replicator.NoCandidate:
		return "at this position stands no candidate that the certifier accepts"
	case replicator.AwaitsDecision:
		return fmt.Sprintf("the certifier has not decided it, %s after it was read", since(at, x.Received))
	case replicator.AwaitsEarlier, replicator.AwaitsOthers:
		return fmt.Sprintf("%s, and waits for %s", x.Outcome, v.others(at))
	case replicator.AwaitsPayload:
		return "its statemap was let go for memory, and is read from the log again"
	case replicator.WithGuest:
		return "its guest makes statements of it"
	case replicator.AwaitsRetry:
		return fmt.Sprintf("it is tried again in %s: %s", time.Duration(x.RetryAt-at).Round(time.Millisecond), v.Failure)
	case replicator.AwaitsLane:
		if x.Paused {
			return "converted: it goes when the pause is over, see ichor resume"
		}
		return "converted: it goes as soon as a lane is free"
	case replicator.InTransaction:
		return fmt.Sprintf("lane %d installs it, or finds out whether it did", x.Lane)
	case replicator.HeldBack:
		again := "by another guest or a person"
		if x.RetryAt != 0 {
			again = "in " + time.Duration(max(x.RetryAt-at, 0)).Round(time.Second).String()
		}
		return fmt.Sprintf("it cannot be installed: %s; it is tried again %s; %s; see ichor quarantine show %d", v.Failure, again, v.Radius, v.Version)
	case replicator.InstalledAhead:
		return fmt.Sprintf("its effects are durable; the snapshot, which is %d, has yet to pass it", x.Snapshot)
	case replicator.SettledAbove:
		return fmt.Sprintf("nothing of it is left to do; the snapshot, which is %d, has yet to pass it", x.Snapshot)
	case replicator.BelowSnapshot:
		return fmt.Sprintf("settled: the snapshot is %d", x.Snapshot)
	}
	return string(x.Stands)
}

// others names what a version waits for.
func (v *Version) others(at int64) string {
	var all []string
	for _, w := range v.WaitsFor {
		s := fmt.Sprintf("%d, which is %s", w.Version, strings.ReplaceAll(string(w.Stands), "_", " "))
		if w.Key != "" {
			s += fmt.Sprintf(" and touches %s too", w.Key)
		}
		if w.Since != 0 {
			s += fmt.Sprintf(", read %s ago", since(at, w.Since))
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

func since(at, begun int64) time.Duration {
	return time.Duration(max(at-begun, 0)).Round(time.Millisecond)
}
