package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
)

// Names returns the guests of the routes, in their order.
func (g *Guests) Names() []string { return g.names }

// Check loads a guest as a start does, and puts its templates to the database if there is one, which
// gets so much time for that. It keeps nothing.
func (g *Guests) Check(ctx context.Context, name string, timeout time.Duration) status.Finding {
	begun := time.Now()
	f := g.look(ctx, name, timeout)
	f.Took = time.Since(begun)
	return f
}

func (g *Guests) look(ctx context.Context, name string, timeout time.Duration) status.Finding {
	f := status.Finding{What: "guest " + name}
	module, told, lacks, err := g.wouldFind(ctx, name, timeout)
	if err != nil {
		f.Err = g.goesOn(ctx, name, module, err)
		return f
	}
	limits := g.opts.Limits
	if g.store != nil {
		limits.Passes = LookUp{g.store}
	}
	signature, err := g.opts.Trust.Check(name, module)
	var generation *guest.Generation
	if err == nil {
		generation, err = guest.Load(ctx, name, module.Bytes, limits, g.log, g.metrics)
	}
	if err != nil {
		f.Err = g.goesOn(ctx, name, module, err)
		return f
	}
	defer g.free(generation)
	f.Note = fmt.Sprintf("version %s, digest %s", generation.Manifest().Version, generation.Digest().Short()) + told
	f.Warn = lacks
	if g.store != nil {
		history, err := g.store.History(ctx)
		var w wanted
		if err == nil {
			w, err = wantedBeside(ctx, g.store, name, generation.Digest().String(), history)
		}
		switch {
		case err != nil: // the database's own finding says so
		case w.passes:
			f.Warn = true
			f.Note += fmt.Sprintf("; a host goes on with %.12s instead, which %s wanted (%s), until another file lies here or ichor guest swap asks for this one", w.Digest, w.Who, w.Reason)
		case g.opts.Shadow.Versions > 0 && w.Digest != "" && w.Digest != generation.Digest().String():
			f.Note += fmt.Sprintf("; a host begins with %.12s, and compares this one first (guests.shadow)", w.Digest)
		}
	}
	if signature != nil {
		f.Note += ", signed by key " + signature.KeyID
	}
	if g.store == nil {
		f.Note += "; its SQL was not tried, because the database could not be asked"
		return f
	}
	return status.Timed(ctx, timeout, func(ctx context.Context) status.Finding {
		told, err := TryTemplates(ctx, g.store, generation)
		for _, what := range told {
			f.Note += "; " + what
		}
		if err != nil {
			f.Err = fmt.Errorf("the trial of its templates in the database: %w", err)
		}
		return f
	})
}

// goesOn adds to what is wrong with a guest's file whether a host goes on without it, and by what: see choose.
func (g *Guests) goesOn(ctx context.Context, name string, module trust.Module, err error) error {
	if g.store == nil || !IsRefused(err) {
		return err
	}
	digest := ""
	if module.Bytes != nil {
		digest = module.Digest.String()
	}
	history, unread := g.store.History(ctx)
	var w wanted
	if unread == nil {
		w, unread = wantedBeside(ctx, g.store, name, digest, history)
	}
	before := w.Digest
	if before == digest {
		before = newestOf(history, name)
	}
	if unread != nil || before == "" { // the database's own finding says so; or there is none
		return err
	}
	kept, lost := g.stored(ctx, name, before)
	if lost == nil {
		_, lost = g.opts.Trust.Check(name, kept)
	}
	if lost != nil {
		return fmt.Errorf("%w; and the module %.12s before it cannot go on: %w", err, before, lost)
	}
	return fmt.Errorf("%w; a host starts all the same and goes on with %.12s", err, before)
}

// LookUp asks a database which checks of modules passed, for who only reads: it keeps nothing.
type LookUp struct{ *installer.Installer }

// passes asks again what the database does not answer just now: to check a guest once more because one session was lost takes the
// owner of a cohort seconds, or a minute on a busy machine.
type passes struct{ *installer.Installer }

// Passed implements guest.Passes.
func (p passes) Passed(ctx context.Context, check string) (known bool, err error) {
	err = installer.Patiently(ctx, func() (err error) {
		known, err = p.Installer.Passed(ctx, check)
		return err
	})
	return known, err
}

// KeepPassed implements guest.Passes.
func (p passes) KeepPassed(ctx context.Context, check, guest, digest string) error {
	return installer.Patiently(ctx, func() error { return p.Installer.KeepPassed(ctx, check, guest, digest) })
}

// KeepPassed implements guest.Passes.
func (LookUp) KeepPassed(context.Context, string, string, string) error { return nil }
