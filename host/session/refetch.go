package session

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// fetchAgain reads the payloads of versions once more. What neither the log nor the quarantine has any
// more is answered as lost; any other failure is tried again, for ever.
func (s *Session) fetchAgain(a *replicator.Refetch) {
	versions := a.Versions
	for wait := 50 * time.Millisecond; len(versions) > 0; wait = min(2*wait, 5*time.Second) {
		rest, err := s.readAgain(versions, a.Bytes)
		versions = rest
		if err == nil || s.life.Err() != nil {
			return
		}
		s.asides.Say(status.Now(), slog.LevelWarn, "payloads cannot be read again yet", "from", versions[0], "error", err)
		select {
		case <-s.life.Done():
			return
		case <-time.After(wait):
		}
	}
}

// readAgain answers as many versions as it can, of that many bytes about, and returns the rest with the
// reason.
func (s *Session) readAgain(versions []talos.Version, bytes int) ([]talos.Version, error) {
	var events []replicator.Event
	var gone []talos.Version // from the log
	next := 0
	lose := func(below talos.Position) {
		for next < len(versions) && talos.Position(versions[next]) < below {
			gone = append(gone, versions[next])
			next++
		}
	}
	from, to := talos.Position(versions[0]), talos.Position(versions[len(versions)-1])+1
	err := s.Source.FetchRange(s.life, from, to, bytes, func(r kafka.Record) error {
		lose(r.Position)
		if next < len(versions) && talos.Position(versions[next]) == r.Position {
			events = append(events, refetched(versions[next], r.Value))
			next++
		}
		return nil
	})
	var truncated *kafka.TruncatedError
	switch {
	case err == nil:
		lose(to)
	case errors.As(err, &truncated):
		lose(truncated.Start)
		if next == len(versions) {
			err = nil
		}
	}
	rest := versions[next:]
	if len(gone) > 0 {
		kept, unread := s.Installer.QuarantinedCandidates(s.life, gone)
		if unread != nil {
			rest, err, gone = slices.Concat(gone, rest), unread, nil
		}
		for _, v := range gone {
			events = append(events, refetched(v, kept[v]))
		}
	}
	if len(events) > 0 {
		s.answer(events...)
	}
	return rest, err
}

// refetched is the answer for a version of what was found at its position; nil, and whatever is no
// candidate, is a payload that is lost.
func refetched(v talos.Version, value []byte) *replicator.Refetched {
	ev, c := &replicator.Refetched{Version: v}, new(talos.Candidate)
	if err := talos.DecodeCandidate(v, value, c); err == nil {
		ev.Payload, ev.Keys = c, talos.Keys(c.ReadSet, c.WriteSet)
		c.ReadSet, c.WriteSet = nil, nil // as in decode: what the core needs are the keys
	}
	return ev
}
