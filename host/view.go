package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/rollout"
	"github.com/ichor-replicator/ichor/host/session"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/telemetry"
	"github.com/ichor-replicator/ichor/host/timing"
)

// view is what the HTTP listener may ask of a host.
type view struct {
	health  *status.Health
	guests  *rollout.Guests
	journal *timing.Journal
	samples *telemetry.Samples
	source  *kafka.Log
	running *atomic.Pointer[session.Session] // nil while the host does not run
	topic   string
	version string // of the program
	memory  int    // limits.memory, bytes
	xids    *session.XIDs
	store   *installer.Installer

	scanning sync.Mutex // one search of the log at a time
}

var errNotRunning = errors.New("the host does not run yet, or no more: see /readyz")

// readiness says how the host is, and what it is told from.
func (v *view) readiness() (status.Readiness, status.Condition) {
	verdict, condition := v.health.Readiness()
	verdict.Degraded = v.degraded(&condition)
	return verdict, condition
}

// Status implements admin.Host.
func (v *view) Status() status.Status {
	verdict, condition := v.readiness()
	s := status.Of(condition, verdict, v.topic)
	s.Version, s.BytesMost = v.version, v.memory
	s.Guests = append([]status.Guest{}, v.guests.Status()...) // none is none, and not null
	return s
}

// Readiness implements admin.Host.
func (v *view) Readiness() status.Readiness {
	verdict, _ := v.readiness()
	return verdict
}

// degraded says what is not as an operator wants it, although the host works; empty when all is well.
func (v *view) degraded(c *status.Condition) string {
	all := []string{v.guests.Degraded(), v.store.Degraded()}
	if core := &c.Core; c.Phase == status.PhaseRunning && c.Log.Start > core.Resume {
		all = append(all, fmt.Sprintf("the log begins at position %d by now, and no host could begin at the resume point, which is %d: have what holds the snapshot end before this one does, see ichor quarantine list",
			c.Log.Start, core.Resume))
	}
	return strings.Join(slices.DeleteFunc(all, func(said string) bool { return said == "" }), "; ")
}

// Journeys implements admin.Host.
func (v *view) Journeys() admin.Journeys {
	return admin.Journeys{Recent: append([]*timing.Journey{}, v.journal.Recent()...), Slowest: append([]*timing.Journey{}, v.journal.Slowest()...)}
}

// JourneysOf implements admin.Host.
func (v *view) JourneysOf(id talos.XID) []*timing.Journey { return v.journal.FindXID(id) }

// Samples implements admin.Host.
func (v *view) Samples() []status.Sample { return v.samples.Latest() }

// Version implements admin.Host.
func (v *view) Version(ctx context.Context, number talos.Version) (status.Version, error) {
	s := v.running.Load()
	if s == nil {
		if verdict, _ := v.health.Readiness(); verdict.Reason == status.Standby {
			return status.Version{}, fmt.Errorf("this host stands by, and the owner knows: %s", verdict.Detail)
		}
		return status.Version{}, errNotRunning
	}
	x, err := s.Explain(ctx, number)
	if err != nil {
		return status.Version{}, err
	}
	answer := status.VersionOf(x, status.Now(), v.keys(ctx, &x))
	answer.Journey = v.journal.Find(number)
	if l := v.guests.Get(x.Generation); l != nil {
		answer.Guest = l.Digest
	}
	if x.Stands == replicator.BelowSnapshot || x.Stands == replicator.SettledAbove || x.Stands == replicator.NoCandidate {
		v.past(ctx, &answer)
	}
	return answer, nil
}

// keysTime bounds the reading of a candidate for the texts of its keys.
const keysTime = time.Second

// keys returns the texts of the keys that a version waits for, from the log: in memory there are only
// their hashes. What cannot be read now is left out.
func (v *view) keys(ctx context.Context, x *replicator.Explanation) map[uint64]string {
	texts := map[uint64]string{}
	if len(x.For) == 0 {
		return texts
	}
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	at := talos.Position(x.Version)
	_ = v.source.FetchRange(ctx, at, at+1, 1, func(r kafka.Record) error {
		var c talos.Candidate
		if err := talos.DecodeCandidate(x.Version, r.Value, &c); err != nil {
			return err
		}
		for _, text := range append(c.ReadSet, c.WriteSet...) {
			texts[talos.Keys([]string{text}, nil)[0].Hash()] = text
		}
		return nil
	})
	return texts
}

// pastTime bounds the questions about a version that has settled.
const pastTime = 2 * time.Second

// past adds what the database says of a version that has settled: how its quarantine ended, and which guest
// made its statements. What cannot be asked now is left out.
func (v *view) past(ctx context.Context, answer *status.Version) {
	ctx, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	rows, err := v.store.List(ctx, installer.Filter{Version: answer.Version, Ended: true})
	if err == nil && len(rows) == 1 && rows[0].ResolvedAt != nil {
		answer.HeldUntil, answer.HeldEnded = rows[0].ResolvedAt.UnixNano(), rows[0].Resolution
		answer.Guest = rows[0].ResolvedDigest
		return
	}
	if err == nil && len(rows) == 1 && !rows[0].Held { // the fact alone is written down, as of a record that the certifier refuses
		answer.Sentence += fmt.Sprintf("; it took no effect (%s): see ichor quarantine show %d", rows[0].Kind, answer.Version)
		return
	}
	if answer.Outcome != talos.Committed.String() || answer.Duplicate {
		return
	}
	answer.Guest = v.convertedBy(ctx, answer.Version)
}

// convertedBy returns the digest of the module that converted a candidate of the log, by the routes and the history of its
// time; empty where there is none, or where that cannot be asked.
func (v *view) convertedBy(ctx context.Context, version talos.Version) (digest string) {
	at := talos.Position(version)
	_ = v.source.FetchRange(ctx, at, at+1, 1, func(r kafka.Record) error {
		var c talos.Candidate
		if err := talos.DecodeCandidate(version, r.Value, &c); err != nil || len(c.Items) == 0 {
			return err
		}
		by, err := v.guests.ConvertedBy(ctx, &c)
		digest = by.Digest
		return err
	})
	return digest
}
