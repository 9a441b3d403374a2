package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Past says which module converted which version.
type Past struct {
	History cohort.History
	Routes  []cohort.Routes // that versions went by, the newest last; none is those of the settings
}

// Archive converts versions as they were converted: by the guests that the past names. Nothing is
// written: modules come from what is given, and the store is asked what passed its checks, and not told.
type Archive struct {
	opts    Options
	when    []cohort.Routes // never empty, the newest last
	routes  []pastRoutes    // of the same
	history cohort.History
	module  func(ctx context.Context, digest string) (installer.Module, error)
	metrics *guest.Metrics
	log     *slog.Logger

	loaded    map[string]*Loaded // by digest
	templates templates
}

// pastRoutes are routes that versions went by.
type pastRoutes struct {
	routing
	names   []string // of the guests; the index is the routing's
	ignores bool     // what has no route has no effects
}

// NewArchive returns an archive of which nothing is loaded yet. The caller must Close it.
func NewArchive(opts Options, store *installer.Installer, past Past, module func(context.Context, string) (installer.Module, error), log *slog.Logger) (*Archive, error) {
	opts.Limits.Passes = LookUp{store}
	a := &Archive{
		opts: opts, history: past.History, module: module, metrics: guest.NoMetrics(), log: log,
		loaded: map[string]*Loaded{}, templates: templates{},
	}
	if len(past.Routes) == 0 {
		a.went(cohort.Routes{}, opts)
	}
	for _, r := range past.Routes {
		as, err := routesOf(r.Text)
		if err != nil {
			return nil, err
		}
		a.went(r, as)
	}
	return a, nil
}

// went adds routes that versions went by.
func (a *Archive) went(r cohort.Routes, opts Options) {
	names := opts.names()
	a.when = append(a.when, r)
	a.routes = append(a.routes, pastRoutes{routingOf(opts.Routes, names), names, opts.Unrouted == UnroutedIgnore})
}

// NewCurrent returns an archive of the guests' files as they are, which convert every version: for a
// database that no host has installed anything into.
func NewCurrent(opts Options, store *installer.Installer, log *slog.Logger) (*Archive, error) {
	modules := map[string]installer.Module{}
	var history cohort.History
	for _, name := range opts.names() {
		module, err := trust.Read(opts.path(name))
		if err != nil {
			return nil, fmt.Errorf("guest %s: %w", name, err)
		}
		if _, err := opts.Trust.CheckSignature(name, module); err != nil {
			return nil, err
		}
		digest := module.Digest.String()
		modules[digest] = installer.Module{Guest: name, Digest: digest, Bytes: module.Bytes}
		history = append(history, cohort.Use{Guest: name, Digest: digest})
	}
	return NewArchive(opts, store, Past{History: history}, func(_ context.Context, digest string) (installer.Module, error) { return modules[digest], nil }, log)
}

// Converter is who converts a version.
type Converter struct {
	Guest   string // "" where it has none
	Digest  string // "" where the history does not say
	Divided bool   // it has none, since its items go to several guests, or only in part to one
	Ignored bool   // it has none, and no effects therefore
}

// Of returns who converts a candidate's version.
func (a *Archive) Of(c *talos.Candidate) Converter {
	routes := &a.routes[cohort.WentBy(a.when, c.Version)]
	guest, routed := routes.of(c)
	if routed != OneGuest {
		return Converter{Divided: routed == SeveralGuests, Ignored: routed == NoGuest && routes.ignores}
	}
	name := routes.names[guest]
	return Converter{Guest: name, Digest: a.history.DigestFor(name, c.Version)}
}

// ConvertedBy returns who converted a candidate's version, as the database says by now.
func (g *Guests) ConvertedBy(ctx context.Context, c *talos.Candidate) (Converter, error) {
	history, err := g.store.History(ctx)
	if err != nil {
		return Converter{}, err
	}
	routes, err := g.store.Routes(ctx)
	if err != nil {
		return Converter{}, err
	}
	a, err := NewArchive(g.opts, g.store, Past{history, routes}, nil, g.log)
	if err != nil {
		return Converter{}, err
	}
	return a.Of(c), nil
}

// Digests returns the modules that the history names, each once.
func (a *Archive) Digests() []string {
	var all []string
	for _, u := range a.history {
		if !slices.Contains(all, u.Digest) {
			all = append(all, u.Digest)
		}
	}
	return all
}

// Load loads a module of the history.
func (a *Archive) Load(ctx context.Context, digest string) (*Loaded, error) {
	if l := a.loaded[digest]; l != nil {
		return l, nil
	}
	at := slices.IndexFunc(a.history, func(u cohort.Use) bool { return u.Digest == digest })
	if at < 0 {
		return nil, fmt.Errorf("the history does not name a module %s", digest)
	}
	stored, err := a.module(ctx, digest)
	if err != nil {
		return nil, err
	}
	if is := guest.DigestOf(stored.Bytes).String(); is != digest {
		return nil, fmt.Errorf("ichor.guest_module has under digest %s a module with digest %s", digest, is)
	}
	name := a.history[at].Guest
	// What the settings pin, and whose signature they want, is what may convert now; what converted then, the history says by
	// its digest. Who begins to sign, or changes the keys, can still hold the past against the log.
	generation, err := guest.Load(ctx, name, stored.Bytes, a.opts.Limits, a.log, a.metrics)
	if err != nil {
		return nil, fmt.Errorf("load guest %s of digest %.12s: %w", name, digest, err)
	}
	l := &Loaded{Name: name, Digest: digest, Version: generation.Manifest().Version, Generation: generation, Templates: a.templates.of(generation)}
	a.loaded[digest] = l
	return l, nil
}

// Convert converts versions by one module of the history. The results are in the order of the records,
// and their statements are those that a host would have installed.
func (a *Archive) Convert(ctx context.Context, digest string, records []guest.Record) ([]Converted, error) {
	l, err := a.Load(ctx, digest)
	if err != nil {
		return nil, err
	}
	var out guest.Conversions
	if err := l.Generation.Convert(ctx, records, &out); err != nil {
		return nil, err
	}
	all := make([]Converted, len(out.Results))
	for i := range out.Results {
		c := &out.Results[i]
		all[i] = Converted{Version: c.Version, Status: c.Status}
		if c.Reject != nil {
			all[i].Reason = c.Reject.Message
		}
		for _, st := range c.Statements {
			s := installer.Statement{Template: l.Templates[st.Template], Args: st.Args}
			all[i].Statements = append(all[i].Statements, s)
			if l.guarded(st.Template) {
				all[i].Guarded = append(all[i].Guarded, s)
			}
		}
	}
	return all, nil
}

// Converted is what a version became.
type Converted struct {
	Version    talos.Version
	Status     guest.Status
	Reason     string // why it was rejected
	Statements []installer.Statement
	Guarded    []installer.Statement // those of them that a column guards against a second install
}

// Close closes every guest.
func (a *Archive) Close() error {
	var errs []error
	for _, l := range a.loaded {
		errs = append(errs, l.Generation.Close(context.Background()))
	}
	return errors.Join(errs...)
}
