package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ichor-replicator/ichor/abi"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/installer"
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
	chosen  [][]byte // by guest: the module that prepare found to be good, until start takes it

	mu        sync.Mutex
	byID      map[int32]*loaded
	spare     map[string]*guest.Generation // ready and not in use yet, by name and digest
	nextID    int32
	newest    []string // the digest that was last armed, by guest
	templates map[templateKey]*installer.Template
	rejected  map[string]Rejection   // by guest: the newest file that was not taken
	judged    map[string][]Judgement // by guest: of the modules that lie beside its file
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
	sql    string
	params string // their types, joined
	rows   int
}

// Rejection is a guest file that could not be loaded: the generation before goes on.
type Rejection struct {
	Digest string `json:"digest"` // empty if the file could not be read
	Reason string `json:"reason"` // for people
	At     int64  `json:"at_ns"`  // when it was refused, nanoseconds since the Unix epoch

	passing bool // it was not the file's fault, and may go better
}

func newGuests(opts GuestOptions, store *installer.Installer, metrics *guest.Metrics, log *slog.Logger) *guests {
	names, index := opts.routes()
	if store != nil {
		opts.Limits.Passes = store
	}
	return &guests{
		opts: opts, names: names, index: index, store: store, metrics: metrics, log: log, chosen: make([][]byte, len(names)),
		byID: map[int32]*loaded{}, spare: map[string]*guest.Generation{}, newest: make([]string, len(names)),
		templates: map[templateKey]*installer.Template{}, rejected: map[string]Rejection{}, judged: map[string][]Judgement{},
	}
}

// read returns the file of a guest; a *guest.FileError if there is none that can be one.
func (g *guests) read(name string) ([]byte, error) {
	module, err := guest.ReadFile(g.opts.path(name))
	if err != nil {
		return nil, fmt.Errorf("guest %s: %w", name, err)
	}
	return module, nil
}

// ready makes a generation of a module and puts its SQL to the database.
func (g *guests) ready(ctx context.Context, name string, module []byte) (*guest.Generation, error) {
	generation, err := guest.Load(ctx, name, module, g.opts.Limits, g.log, g.metrics)
	if err != nil {
		return nil, err
	}
	told, err := tryTemplates(ctx, g.store, generation)
	if err != nil {
		g.free(generation)
		return nil, err
	}
	if len(told) > 0 {
		g.log.Info("the guest's statements have effects beside what they say", "guest", name, "effects", strings.Join(told, "; "))
	}
	return generation, nil
}

// keepSpare makes a generation ready for a later take.
func (g *guests) keepSpare(ctx context.Context, name string, module []byte) error {
	key := name + guest.DigestOf(module).String()
	g.mu.Lock()
	known := g.spare[key] != nil
	g.mu.Unlock()
	if known {
		return nil
	}
	generation, err := g.ready(ctx, name, module)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spare[key] = generation
	return nil
}

// take returns the generation of a module, a spare one or one that is made ready now.
func (g *guests) take(ctx context.Context, name string, module []byte) (*guest.Generation, error) {
	if generation := g.takeSpare(name, guest.DigestOf(module).String()); generation != nil {
		return generation, nil
	}
	return g.ready(ctx, name, module)
}

func (g *guests) takeSpare(name, digest string) *guest.Generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	generation := g.spare[name+digest]
	delete(g.spare, name+digest)
	return generation
}

// load brings a module up beside whatever runs, to convert from a version on that is 0 while it
// is not known, and keeps it where every host finds it.
func (g *guests) load(ctx context.Context, index int32, module []byte, from talos.Version) (*loaded, error) {
	name := g.names[index]
	generation, err := g.take(ctx, name, module)
	if err != nil {
		return nil, err
	}
	l := &loaded{
		guest: index, name: name, digest: generation.Digest().String(), version: generation.Manifest().Version,
		from: from, generation: generation, templates: map[uint32]*installer.Template{},
	}
	// BEFORE anything it converts is installed, the module is durable.
	if err := g.store.StoreModule(ctx, name, l.digest, module); err != nil {
		g.free(generation)
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range generation.Manifest().Templates {
		key := templateKey{t.SQL, strings.Join(t.Params, ","), installer.AnyRows}
		if t.Rows != abi.AnyRows {
			key.rows = int(t.Rows)
		}
		if g.templates[key] == nil {
			g.templates[key] = &installer.Template{SQL: t.SQL, Params: t.Params, Rows: key.rows}
		}
		l.templates[t.ID] = g.templates[key]
	}
	l.id = g.nextID
	g.nextID++
	g.byID[l.id] = l
	g.newest[index] = l.digest
	g.log.Info("guest loaded", "guest", name, "digest", generation.Digest().Short(), "version", l.version)
	return l, nil
}

// tryTemplates gives a guest's templates to the database, and returns what it tells of them.
func tryTemplates(ctx context.Context, store *installer.Installer, generation *guest.Generation) (told []string, err error) {
	var declared []installer.Declared
	for _, t := range generation.Templates() {
		declared = append(declared, installer.Declared{ID: t.ID, Name: t.Name, SQL: t.SQL, Params: t.Params})
	}
	told, err = store.Try(ctx, declared)
	var refused *installer.TemplateError
	if errors.As(err, &refused) {
		return nil, &guest.LoadError{Guest: generation.Name(), Step: guest.StepDatabase, What: "the database does not take its SQL", Err: err}
	}
	return told, err
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
	all := g.byID
	g.byID = map[int32]*loaded{}
	g.mu.Unlock()
	g.freeSpare()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		g.free(all[id].generation)
	}
}

// freeSpare closes the generations that are not in use.
func (g *guests) freeSpare() {
	g.mu.Lock()
	spare := g.spare
	g.spare = map[string]*guest.Generation{}
	g.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(spare)) {
		g.free(spare[key])
	}
}

// free closes a generation after its last call. It has nothing to wait for long: a call is
// bounded.
func (g *guests) free(generation *guest.Generation) {
	if err := generation.Close(context.Background()); err != nil {
		g.log.Warn("a guest was not closed cleanly", "guest", generation.Name(), "digest", generation.Digest().Short(), "error", err)
	}
}

// refused reports whether it is the file's fault, so that only another file will do better.
func refused(err error) bool {
	var module *guest.LoadError
	var file *guest.FileError
	return errors.As(err, &module) || errors.As(err, &file)
}

// reject notes a file that is not taken; it reports false when that is known already.
func (g *guests) reject(name, digest string, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, known := g.rejected[name]
	now := Rejection{Digest: digest, Reason: err.Error(), At: now(), passing: digest == "" || !refused(err)}
	if known && before.Digest == now.Digest && before.Reason == now.Reason {
		return false
	}
	g.rejected[name] = now
	return true
}

// accept forgets a file that was not taken before: there is one in its place that is.
func (g *guests) accept(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.rejected, name)
}

// GuestStatus is one generation for people.
type GuestStatus struct {
	Guest    string        `json:"guest"`              // its name, as the routes say it
	Digest   string        `json:"digest"`             // of its module: SHA-256 in hexadecimal
	Version  string        `json:"version"`            // the manifest's, any text
	From     talos.Version `json:"from"`               // the first version that it converts
	Rejected *Rejection    `json:"rejected,omitempty"` // the newest file that was not taken
	Judged   []Judgement   `json:"judged,omitempty"`   // the modules that lie beside the file
}

// status returns the generations in use, oldest first.
func (g *guests) status() []GuestStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []GuestStatus
	for _, id := range slices.Sorted(maps.Keys(g.byID)) {
		l := g.byID[id]
		s := GuestStatus{Guest: l.name, Digest: l.digest, Version: l.version, From: l.from}
		if l.digest == g.newest[l.guest] {
			s.Judged = g.judged[l.name]
			if r, ok := g.rejected[l.name]; ok {
				s.Rejected = &r
			}
		}
		all = append(all, s)
	}
	return all
}

// degraded says in what the host is not as its operator wants it, although it works: a guest's
// file is not taken, and the module before goes on. Empty when all is well.
func (g *guests) degraded() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for i, name := range g.names {
		if r, ok := g.rejected[name]; ok && g.newest[i] != "" {
			all = append(all, fmt.Sprintf("guest %s goes on with %.12s: %s", name, g.newest[i], r.Reason))
		}
	}
	return strings.Join(all, "; ")
}
