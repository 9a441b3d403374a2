package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/talos"
)

// guests holds the generations that are loaded, and what became of each file that was seen.
// It is safe for use by several goroutines.
type guests struct {
	opts    GuestOptions
	names   []string         // of the guests; the index is the core's
	index   map[string]int32 // by cohort
	store   *installer.Installer
	metrics *guest.Metrics
	log     *slog.Logger

	mu        sync.Mutex
	byID      map[int32]*loaded
	spare     map[string]*guest.Generation // loaded by prepare and not in use yet, by digest
	nextID    int32
	newest    []string // the digest that was last armed, by guest
	templates map[templateKey]*installer.Template
	rejected  map[string]Rejection // by guest: the newest file that was not taken
}

// loaded is a generation with what the host needs of it. It never changes.
type loaded struct {
	id         int32
	guest      int32
	name       string
	digest     string
	version    string // the manifest's
	from       talos.Version
	generation *guest.Generation
	templates  map[uint32]*installer.Template
}

// templateKey is what makes two templates of different generations the same statement, so
// that a lane prepares it once.
type templateKey struct {
	sql  string
	rows int
}

// Rejection is a guest file that could not be loaded: the generation before goes on.
type Rejection struct {
	Digest string `json:"digest"`
	Reason string `json:"reason"`
	At     int64  `json:"at_ns"`
}

func newGuests(opts GuestOptions, store *installer.Installer, metrics *guest.Metrics, log *slog.Logger) *guests {
	names, index := opts.routes()
	return &guests{
		opts: opts, names: names, index: index, store: store, metrics: metrics, log: log,
		byID: map[int32]*loaded{}, spare: map[string]*guest.Generation{}, newest: make([]string, len(names)),
		templates: map[templateKey]*installer.Template{}, rejected: map[string]Rejection{},
	}
}

// prepare loads the guests that the routes name and puts their SQL to the database, so that start
// finds them and nothing is left that could refuse.
func (g *guests) prepare(ctx context.Context) error {
	g.close() // of a session before
	for _, name := range g.names {
		wasm, err := g.read(name)
		if err != nil {
			return err
		}
		generation, err := guest.Load(ctx, name, wasm, g.opts.Limits, g.log, g.metrics)
		if err != nil {
			return err
		}
		if err := tryTemplates(ctx, g.store, generation); err != nil {
			g.free(generation)
			return err
		}
		g.mu.Lock()
		g.spare[name+generation.Digest().String()] = generation
		g.mu.Unlock()
	}
	return nil
}

// take returns the generation of a module, as prepare loaded it or else loaded now.
func (g *guests) take(ctx context.Context, name string, wasm []byte) (*guest.Generation, error) {
	key := name + guest.DigestOf(wasm).String()
	g.mu.Lock()
	generation := g.spare[key]
	delete(g.spare, key)
	g.mu.Unlock()
	if generation != nil {
		return generation, nil
	}
	return guest.Load(ctx, name, wasm, g.opts.Limits, g.log, g.metrics)
}

// start returns which generation of each guest converts what: those of the files, and those
// that the history asks for.
func (g *guests) start(ctx context.Context, state installer.State) ([][]replicator.Cut, error) {
	cuts := make([][]replicator.Cut, len(g.names))
	for i, name := range g.names {
		wasm, err := g.read(name)
		if err != nil {
			return nil, err
		}
		cuts[i], err = g.plan(ctx, int32(i), wasm, state)
		if err != nil {
			return nil, err
		}
	}
	return cuts, nil
}

// read returns the file of a guest; a *guest.FileError if there is none that can be one.
func (g *guests) read(name string) ([]byte, error) {
	wasm, err := guest.ReadFile(g.opts.path(name))
	if err != nil {
		return nil, fmt.Errorf("guest %s: %w", name, err)
	}
	return wasm, nil
}

// plan says which generation of a guest converts from which version on: what the history says
// of versions that may not be installed yet, and from there on the file.
func (g *guests) plan(ctx context.Context, index int32, wasm []byte, state installer.State) ([]replicator.Cut, error) {
	name, digest := g.names[index], guest.DigestOf(wasm).String()
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
	var cuts []replicator.Cut
	for _, u := range rows {
		module := wasm
		if u.Digest != digest {
			var err error
			if module, err = g.store.LoadModule(ctx, name, u.Digest); err != nil {
				return nil, err
			}
		}
		l, err := g.load(ctx, index, module)
		if err != nil {
			return nil, err
		}
		l.from = u.From
		cuts = append(cuts, replicator.Cut{From: u.From, Generation: l.id, Recorded: slices.Contains(state.History, u)})
	}
	return cuts, nil
}

// load brings a module up beside whatever runs, and keeps it where every host finds it.
func (g *guests) load(ctx context.Context, index int32, wasm []byte) (*loaded, error) {
	name := g.names[index]
	generation, err := g.take(ctx, name, wasm)
	if err != nil {
		return nil, err
	}
	l := &loaded{
		guest: index, name: name, digest: generation.Digest().String(), version: generation.Manifest().Version,
		generation: generation, templates: map[uint32]*installer.Template{},
	}
	if err := tryTemplates(ctx, g.store, generation); err != nil {
		g.free(generation)
		return nil, err
	}
	// BEFORE anything it converts is installed, the module is durable.
	if err := g.store.StoreModule(ctx, name, l.digest, wasm); err != nil {
		g.free(generation)
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range generation.Manifest().Templates {
		key := templateKey{t.SQL, installer.AnyRows}
		if t.Rows != abi.AnyRows {
			key.rows = int(t.Rows)
		}
		if g.templates[key] == nil {
			g.templates[key] = &installer.Template{SQL: key.sql, Rows: key.rows}
		}
		l.templates[t.ID] = g.templates[key]
	}
	l.id = g.nextID
	g.nextID++
	g.byID[l.id] = l
	g.newest[index] = l.digest
	delete(g.rejected, name)
	g.log.Info("guest loaded", "guest", name, "digest", generation.Digest().Short(), "version", l.version)
	return l, nil
}

// tryTemplates gives a guest's templates to the database.
func tryTemplates(ctx context.Context, store *installer.Installer, generation *guest.Generation) error {
	var declared []installer.Declared
	for _, t := range generation.Templates() {
		declared = append(declared, installer.Declared{ID: t.ID, Name: t.Name, SQL: t.SQL, Params: t.Params})
	}
	err := store.Try(ctx, declared)
	var refused *installer.TemplateError
	if errors.As(err, &refused) {
		return &guest.LoadError{Guest: generation.Name(), Step: guest.StepDatabase, What: "the database does not take its SQL", Err: err}
	}
	return err
}

// get returns a generation that is in use, or nil.
func (g *guests) get(id int32) *loaded {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byID[id]
}

// active notes from which version on a generation converts.
func (g *guests) active(id int32, from talos.Version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := *g.byID[id]
	l.from = from
	g.byID[id] = &l
	g.log.Info("guest swapped", "guest", l.name, "digest", l.digest[:12], "from", from)
}

// retire closes a generation that nothing needs any more.
func (g *guests) retire(id int32) {
	g.mu.Lock()
	l := g.byID[id]
	delete(g.byID, id)
	g.mu.Unlock()
	g.free(l.generation)
}

// close closes every generation.
func (g *guests) close() {
	g.mu.Lock()
	all, spare := g.byID, g.spare
	g.byID, g.spare = map[int32]*loaded{}, map[string]*guest.Generation{}
	g.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(spare)) {
		g.free(spare[key])
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		g.free(all[id].generation)
	}
}

// free closes a generation after its last call. It has nothing to wait for long: a call is
// bounded.
func (g *guests) free(generation *guest.Generation) {
	if err := generation.Close(context.Background()); err != nil {
		g.log.Warn("a guest was not closed cleanly", "guest", generation.Name(), "digest", generation.Digest().Short(), "error", err)
	}
}

// reject notes a file that is not taken; it reports false when that is known already.
func (g *guests) reject(name, digest string, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rejected[name].Digest == digest {
		return false
	}
	g.rejected[name] = Rejection{Digest: digest, Reason: err.Error(), At: now()}
	return true
}

// GuestStatus is one generation for people.
type GuestStatus struct {
	Guest    string        `json:"guest"`
	Digest   string        `json:"digest"`
	Version  string        `json:"version"`
	From     talos.Version `json:"from"`
	Rejected *Rejection    `json:"rejected,omitempty"` // the newest file that was not taken
}

// status returns the generations in use, oldest first.
func (g *guests) status() []GuestStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []GuestStatus
	for _, id := range slices.Sorted(maps.Keys(g.byID)) {
		l := g.byID[id]
		s := GuestStatus{Guest: l.name, Digest: l.digest, Version: l.version, From: l.from}
		if r, ok := g.rejected[l.name]; ok && l.digest == g.newest[l.guest] {
			s.Rejected = &r
		}
		all = append(all, s)
	}
	return all
}
