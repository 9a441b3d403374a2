package verify

import (
	"context"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/verify/books"
)

// ReadGoing reads the log once more for the keys of what lies above the snapshot, and computes by the
// conflict rule what may be installed while others wait. inOrder says that they go in their order whatever
// their keys are.
func ReadGoing(ctx context.Context, from Source, log *books.Log, e *books.Evidence, inOrder bool) (*books.Going, error) {
	walk := books.NewWalk(log, e, inOrder)
	err := from.Read(ctx, func(r *books.Record) error {
		v := talos.Version(r.Position)
		if !walk.Wants(v) {
			return nil
		}
		var c talos.Candidate
		if err := talos.DecodeCandidate(v, r.Value, &c); err != nil {
			return nil //nolint:nilerr // what the certifier refuses is no version
		}
		walk.Pass(v, talos.Keys(c.ReadSet, c.WriteSet))
		return nil
	})
	return walk.Going(), err
}
