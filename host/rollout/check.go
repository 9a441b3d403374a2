package rollout

import (
	"context"
	"fmt"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
)

// Names returns the guests of the routes, in their order.
func (g *Guests) Names() []string { return g.names }

// Check looks at a guest's file as a start would, and keeps nothing.
func (g *Guests) Check(ctx context.Context, name string) status.Finding {
	f := status.Finding{What: "guest " + name}
	module, err := g.read(name)
	if err != nil {
		f.Err = err
		return f
	}
	limits := g.opts.Limits
	if g.store != nil {
		limits.Passes = lookUp{g.store}
	}
	generation, err := guest.Load(ctx, name, module, limits, g.log, g.metrics)
	if err != nil {
		f.Err = err
		return f
	}
	defer g.free(generation)
	f.Note = fmt.Sprintf("version %s, digest %s", generation.Manifest().Version, generation.Digest().Short())
	if g.store != nil {
		var told []string
		told, f.Err = tryTemplates(ctx, g.store, generation)
		for _, what := range told {
			f.Note += "; " + what
		}
	}
	return f
}

// lookUp asks what passed and keeps nothing.
type lookUp struct{ *installer.Installer }

// KeepPassed implements guest.Passes.
func (lookUp) KeepPassed(context.Context, string, string, string) error { return nil }
