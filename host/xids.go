package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/session"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// scanTime bounds the search for an xid in the log.
const scanTime = 20 * time.Second

// errEnough ends a search.
var errEnough = errors.New("enough was found")

// XID implements admin.Host. A candidate is found among the latest that were read, or else in the log from
// the resume point on, where everything stands that is not settled.
func (v *view) XID(ctx context.Context, id talos.XID) ([]status.Version, error) {
	s := v.running.Load()
	if s == nil {
		return nil, errNotRunning
	}
	found, err := v.confirm(ctx, id, v.xids.Find(id))
	if err == nil && len(found) == 0 {
		found, err = v.scan(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(found)
	answers := make([]status.Version, len(found))
	for i, version := range found {
		if answers[i], err = v.Version(ctx, version); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// confirm returns those of the versions whose record has the xid. One that retention took is believed.
func (v *view) confirm(ctx context.Context, id talos.XID, versions []talos.Version) (found []talos.Version, err error) {
	for _, version := range versions {
		at, is := talos.Position(version), false
		err := v.source.FetchRange(ctx, at, at+1, 1, func(r kafka.Record) error {
			is = hasXID(r, id)
			return nil
		})
		var truncated *kafka.TruncatedError
		if errors.As(err, &truncated) {
			is, err = true, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read position %d again: %w", version, err)
		}
		if is {
			found = append(found, version)
		}
	}
	return found, nil
}

// scan looks for the xid in the log, from the resume point to where it is read; one search at a time.
func (v *view) scan(ctx context.Context, id talos.XID) (found []talos.Version, err error) {
	if !v.scanning.TryLock() {
		return nil, &status.UnknownError{What: "another xid is looked for in the log: ask again"}
	}
	defer v.scanning.Unlock()
	_, condition := v.health.Readiness()
	from, to := condition.Core.Resume, condition.Core.Next
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	at := from
	if from < to {
		err = v.source.FetchRange(ctx, from, to, scanBytes, func(r kafka.Record) error {
			at = r.Position
			if hasXID(r, id) {
				found = append(found, talos.Version(r.Position))
			}
			if len(found) == 10 {
				return errEnough
			}
			return ctx.Err()
		})
	}
	switch {
	case len(found) > 0:
		return found, nil
	case err != nil:
		return nil, fmt.Errorf("it is none of the latest %d candidates that this host has read, and the log could be searched from %d to %d only, not to %d: %w", session.XIDsKept, from, at, to, err)
	}
	return nil, &status.UnknownError{What: fmt.Sprintf("it is none of the latest %d candidates that this host has read, and not in the log from the resume point %d to %d: "+
		"if there is such a candidate it is settled, or not read yet; ask by its version", session.XIDsKept, from, to)}
}

// scanBytes is what a search asks the brokers for at once.
const scanBytes = 4 << 20

func hasXID(r kafka.Record, id talos.XID) bool {
	kind, _ := talos.Classify(func(name string) []byte {
		value, _ := r.Header(name)
		return value
	}, r.Value)
	var c talos.Candidate
	if kind != talos.CandidateKind || talos.DecodeCandidate(talos.Version(r.Position), r.Value, &c) != nil {
		return false
	}
	is, _ := talos.ParseXID(c.XID)
	return is == id
}
