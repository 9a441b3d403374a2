package host

import (
	"context"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// prepare makes ready what start will need, as far as the database says by now: what can be
// refused is refused BEFORE the cohort is taken over.
func (g *guests) prepare(ctx context.Context, state installer.State) error {
	g.close() // of a session before
	for i, name := range g.names {
		module, err := g.choose(ctx, name, state.History)
		if err != nil {
			return err
		}
		g.chosen[i] = module
		for _, u := range g.uses(name, guest.DigestOf(module).String(), state) {
			old, err := g.moduleOf(ctx, name, u.Digest, module)
			if err != nil {
				return err
			}
			if err := g.keepSpare(ctx, name, old); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose returns the module that a guest begins with: its file, or when that is refused the
// newest one that the history names. A typing error in a file must not stop a cohort whose good
// module is in the database.
func (g *guests) choose(ctx context.Context, name string, history []installer.Use) ([]byte, error) {
	module, err := g.read(name)
	if err == nil {
		err = g.keepSpare(ctx, name, module)
	}
	if err == nil {
		g.accept(name)
		return module, nil
	}
	newest := newestUse(history, name)
	if !refused(err) || newest == "" {
		return nil, err
	}
	kept, lost := g.stored(ctx, name, newest)
	if lost == nil {
		lost = g.keepSpare(ctx, name, kept)
	}
	if lost != nil {
		return nil, fmt.Errorf("%w; and the module %.12s of the history cannot go on: %w", err, newest, lost)
	}
	digest := ""
	if module != nil {
		digest = guest.DigestOf(module).String()
	}
	if g.reject(name, digest, err) {
		g.log.Error("the guest's file is refused: the newest module of the history goes on", "guest", name, "digest", newest[:12], "error", err)
	}
	return kept, nil
}

// newestUse returns the digest of the module that the history names last, "" if it names none.
func newestUse(history []installer.Use, name string) (digest string) {
	for _, u := range history {
		if u.Guest == name && !u.Only {
			digest = u.Digest
		}
	}
	return digest
}

// moduleOf returns the module of a digest: the current one, or one that the database has.
func (g *guests) moduleOf(ctx context.Context, name, digest string, current []byte) ([]byte, error) {
	if digest == guest.DigestOf(current).String() {
		return current, nil
	}
	return g.stored(ctx, name, digest)
}

// stored returns a module that the database has.
func (g *guests) stored(ctx context.Context, name, digest string) ([]byte, error) {
	module, err := g.store.LoadModule(ctx, name, digest)
	if err != nil {
		return nil, err
	}
	if is := guest.DigestOf(module).String(); is != digest {
		return nil, fmt.Errorf("ichor.guest_module has for guest %s under digest %s a module with digest %s: put the right file into the guest directory and delete that row", name, digest, is)
	}
	return module, nil
}

// start returns which generation of each guest converts what: those that prepare chose, and
// those that the history asks for. After an error it may be called again.
func (g *guests) start(ctx context.Context, state installer.State) ([][]replicator.Cut, error) {
	cuts := make([][]replicator.Cut, len(g.names))
	for i := range g.names {
		var err error
		if cuts[i], err = g.plan(ctx, int32(i), g.chosen[i], state); err != nil {
			g.close()
			return nil, err
		}
	}
	clear(g.chosen)
	g.freeSpare()
	return cuts, nil
}

// uses says which module of a guest converts from which version on: what the history says of
// versions that may not be installed yet, and from there on the one of the digest.
func (g *guests) uses(name, digest string, state installer.State) []installer.Use {
	var rows []installer.Use
	for _, u := range state.History {
		if u.Guest == name && !u.Only {
			rows = append(rows, u)
		}
	}
	above := state.Snapshot + 1
	for len(rows) > 1 && rows[1].From <= above {
		rows = rows[1:]
	}
	highest := state.Snapshot
	if n := len(state.Ledger); n > 0 {
		highest = max(highest, state.Ledger[n-1])
	}
	if n := len(rows); n > 0 && rows[n-1].Digest != digest {
		next := installer.Use{Guest: name, Digest: digest, From: max(highest, rows[n-1].From) + 1}
		if n == 1 && next.From == above {
			rows = nil // nothing is left for the one before
		}
		rows = append(rows, next)
	} else if n == 0 {
		rows = []installer.Use{{Guest: name, Digest: digest, From: above}}
	}
	return rows
}

// plan loads what uses says.
func (g *guests) plan(ctx context.Context, index int32, current []byte, state installer.State) (cuts []replicator.Cut, err error) {
	name := g.names[index]
	for _, u := range g.uses(name, guest.DigestOf(current).String(), state) {
		module, err := g.moduleOf(ctx, name, u.Digest, current)
		if err != nil {
			return nil, err
		}
		l, err := g.load(ctx, index, module, u.From)
		if err != nil {
			return nil, err
		}
		cuts = append(cuts, replicator.Cut{From: u.From, Generation: l.id, Recorded: slices.Contains(state.History, u)})
	}
	return cuts, nil
}
