package rollout

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Guests are the generations that are loaded, and what became of each file that was seen. New makes
// them; they are safe for use by several goroutines.
type Guests struct {
	opts    Options
	names   []string // of the guests; the index is the core's
	routes  routing
	store   *installer.Installer
	metrics *guest.Metrics
	log     *slog.Logger
	chosen  []trust.Module    // by guest: the one that prepare found to be good, until start takes it
	absent  []string          // by guest: why it cannot be had, empty for one that can
	taken   map[string]string // by guest: the digest of a file that is taken for the first time, until start says so

	mu        sync.Mutex
	byID      map[cohort.Generation]*Loaded
	holds     map[*guest.Generation]int // how many need it: closed when nobody does
	spare     map[string]spare          // ready and not in use yet, by name and digest
	warm      []*Loaded                 // by guest: the last one that converted, to go back to at once; nil for none
	nextID    cohort.Generation
	newest    []string // the digest that was last armed, by guest
	templates templates
	refused   map[string]refusal            // by guest: the newest file that was not taken
	lacking   map[string]lacking            // by guest: the file that could not be brought
	lay       map[string]bool               // by guest: a file was seen in its place
	passed    map[string]string             // by guest: the digest of the file that is passed over, for another module is wanted
	again     map[string]string             // by guest: the digest of one that was passed over, and is asked for again as soon as the database says so
	received  map[string]received           // by guest: the newest that is checked, until one converts
	judged    map[string][]status.Judgement // by guest: of the modules that lie beside its file
	brings    []*replicator.Bring           // that are to be brought
	arming    []cohort.Generation           // by guest: the one that is armed and does not convert yet, cohort.NoGeneration for none
	answers   []Armed                       // to requests, that Watch has yet to give
	events    []installer.GuestEvent        // that are to be written
	woken     chan struct{}                 // has something when there is one of these
	endTurn   context.CancelFunc            // ends what Watch does with files now; nil before it began
	shadows   []*shadowing                  // by guest: the file's module that is compared, nil for none
	shadowed  atomic.Bool                   // there may be one
	beside    chan besides
}

// spare is a generation that is ready, and how long each step of its check took; empty if it was loaded already.
type spare struct {
	*guest.Generation
	steps string
}

// New returns guests of which none is loaded. A store that is nil is a database that cannot be asked:
// then only Check may be called.
func New(opts Options, store *installer.Installer, metrics *guest.Metrics, log *slog.Logger) *Guests {
	names := opts.names()
	if store != nil {
		opts.Limits.Passes = passes{store}
	}
	for _, name := range names {
		metrics.Expect(name)
	}
	return &Guests{
		opts: opts, names: names, routes: routingOf(opts.Routes, names), store: store, metrics: metrics, log: log, chosen: make([]trust.Module, len(names)), absent: make([]string, len(names)),
		byID: map[cohort.Generation]*Loaded{}, holds: map[*guest.Generation]int{}, spare: map[string]spare{}, warm: make([]*Loaded, len(names)), newest: make([]string, len(names)),
		templates: templates{}, refused: map[string]refusal{}, lacking: map[string]lacking{}, lay: map[string]bool{}, passed: map[string]string{}, again: map[string]string{}, received: map[string]received{}, judged: map[string][]status.Judgement{}, taken: map[string]string{}, woken: make(chan struct{}, 1),
		arming: slices.Repeat([]cohort.Generation{cohort.NoGeneration}, len(names)), shadows: make([]*shadowing, len(names)), beside: make(chan besides, 1),
	}
}

// read returns the file of a guest; a *guest.FileError if there is none that can be one.
func (g *Guests) read(name string) (trust.Module, error) {
	module, err := trust.Read(g.opts.path(name))
	if err != nil {
		return module, fmt.Errorf("guest %s: %w", name, err)
	}
	g.saw(name)
	return module, nil
}

// saw notes that a file lies in a guest's place, and reports whether it is the first that does.
func (g *Guests) saw(name string) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first = !g.lay[name]
	g.lay[name] = true
	return first
}

// digest returns that of the file of a guest, without keeping the file; errors as read.
func (g *Guests) digest(name string) (string, error) {
	digest, err := guest.DigestFile(g.opts.path(name))
	if err != nil {
		return "", fmt.Errorf("guest %s: %w", name, err)
	}
	return digest.String(), nil
}

// ready makes a generation of a module that is trusted, and puts its SQL to the database. steps says how long each step
// took.
func (g *Guests) ready(ctx context.Context, name string, module trust.Module) (generation *guest.Generation, steps string, err error) {
	generation, err = guest.Load(ctx, name, module.Bytes, g.opts.Limits, g.log, g.metrics)
	if err != nil {
		return nil, "", err
	}
	g.mu.Lock()
	g.holds[generation] = 1
	g.mu.Unlock()
	took, err := g.tryStatements(ctx, generation)
	if err != nil {
		return nil, "", err
	}
	steps = fmt.Sprintf("%s, %s %v", cmp.Or(generation.Checked(), "passed before"), guest.StepDatabase, took)
	return generation, steps, nil
}

// tryStatements puts a generation's statements to the database, and frees it where it cannot be told that they are taken.
func (g *Guests) tryStatements(ctx context.Context, generation *guest.Generation) (took time.Duration, err error) {
	begun := time.Now()
	told, err := TryTemplates(ctx, g.store, generation)
	if err != nil {
		g.free(generation)
		return 0, err
	}
	if len(told) > 0 {
		g.log.Info("the guest's statements have effects beside what they say", "guest", generation.Name(), "effects", strings.Join(told, "; "))
	}
	return time.Since(begun).Round(time.Millisecond), nil
}

// keepSpare makes a generation ready for a later take, if the module is trusted.
func (g *Guests) keepSpare(ctx context.Context, name string, module trust.Module) error {
	if _, err := g.opts.Trust.Check(name, module); err != nil {
		return err
	}
	if g.isSpare(name, module.Digest.String()) {
		return nil
	}
	generation, steps, err := g.take(ctx, name, module)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spare[name+module.Digest.String()] = spare{generation, steps}
	return nil
}

// isSpare reports whether a module is ready for a later take.
func (g *Guests) isSpare(name, digest string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.spare[name+digest].Generation != nil
}

// take returns the generation of a module whose statements the database takes, one that is loaded already or one that is
// made ready now, for somebody who frees it; and how long each step of its check took, empty if it is in use already.
func (g *Guests) take(ctx context.Context, name string, module trust.Module) (generation *guest.Generation, steps string, err error) {
	generation, steps = g.takeLoaded(name, module.Digest.String())
	if generation == nil {
		return g.ready(ctx, name, module)
	}
	if _, err := g.tryStatements(ctx, generation); err != nil { // the tables may be others since it was loaded
		return nil, "", err
	}
	return generation, steps, nil
}

// takeLoaded returns a spare generation, one that is in use, or the one of before; nil if none of them is of the module.
func (g *Guests) takeLoaded(name, digest string) (generation *guest.Generation, steps string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if is := g.spare[name+digest]; is.Generation != nil {
		delete(g.spare, name+digest)
		return is.Generation, is.steps
	}
	for _, l := range g.byID { // any of them: they share it
		if l.Name == name && l.Digest == digest {
			g.holds[l.Generation]++
			return l.Generation, ""
		}
	}
	for i, l := range g.warm {
		if l != nil && l.Name == name && l.Digest == digest {
			g.warm[i] = nil
			return l.Generation, ""
		}
	}
	return nil, ""
}

// load brings a module up beside whatever runs, to convert from a version on that is 0 while it
// is not known, and keeps it where every host finds it. steps says how long its check took, empty where there was none.
func (g *Guests) load(ctx context.Context, index cohort.GuestID, module trust.Module, from talos.Version) (l *Loaded, steps string, err error) {
	name := g.names[index]
	// Again, although it is ready: it may be so by another file, that was signed.
	signature, err := g.opts.Trust.Check(name, module)
	if err != nil {
		return nil, "", err
	}
	generation, steps, err := g.take(ctx, name, module)
	if err != nil {
		return nil, "", err
	}
	l = &Loaded{
		Guest: index, Name: name, Digest: generation.Digest().String(), Version: generation.Manifest().Version,
		From: from, Generation: generation,
	}
	// BEFORE anything it converts is installed, the module is durable.
	if err := g.keep(ctx, l, module, signature); err != nil {
		g.free(generation)
		return nil, "", err
	}
	crash.At("module-stored")
	g.mu.Lock()
	defer g.mu.Unlock()
	l.Templates, l.NameOf = g.templates.of(generation), namesOf(generation)
	l.ID = g.nextID
	g.nextID++
	g.byID[l.ID] = l
	switch {
	case signature != nil:
		g.log.Info("guest loaded", "guest", name, "digest", l.Short(), "version", l.Version, "signed_by", signature.KeyID)
	case len(g.opts.Trust.Keys) > 0:
		g.log.Warn("GUEST LOADED THAT NO KEY SIGNED, because of --dev: never do that where it counts", "guest", name, "digest", l.Short(), "version", l.Version)
	default:
		g.log.Info("guest loaded", "guest", name, "digest", l.Short(), "version", l.Version)
	}
	return l, steps, nil
}

// keep has the database keep a module and its signature, and no more of the guest's earlier ones than
// are needed.
func (g *Guests) keep(ctx context.Context, l *Loaded, module trust.Module, signature *trust.Signature) error {
	stored := installer.Module{Guest: l.Name, Digest: l.Digest, Bytes: module.Bytes}
	if signature != nil {
		stored.Signatures = signature.String()
	}
	if err := g.store.StoreModule(ctx, stored); err != nil {
		return err
	}
	inUse := []string{l.Digest}
	if g.opts.Probation {
		history, err := g.store.History(ctx)
		if err != nil {
			return err
		}
		earlier, err := g.goesBackTo(ctx, l.Name, l.Digest, history)
		if err != nil {
			return err
		}
		inUse = append(inUse, earlier)
	}
	g.mu.Lock()
	for _, other := range g.allLocked() {
		inUse = append(inUse, other.Digest)
	}
	g.mu.Unlock()
	pruned, err := g.store.Prune(ctx, l.Name, g.opts.Keep, eventsKept*g.opts.Keep, inUse)
	if pruned > 0 {
		g.log.Info("modules that no version needs are pruned from the database", "guest", l.Name, "modules", pruned)
	}
	return err
}

// eventsKept is how many events of a guest are kept for each module of it that is.
const eventsKept = 100

// Route returns the guest that converts a candidate, if there is one.
func (g *Guests) Route(c *talos.Candidate) (index cohort.GuestID, routed Routed) {
	return g.routes.of(c)
}

// Get returns a generation that is in use, or nil.
func (g *Guests) Get(id cohort.Generation) *Loaded {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byID[id]
}

// Activated notes from which version on a generation converts; why says what the one after it did worse,
// when it is back.
func (g *Guests) Activated(id cohort.Generation, from talos.Version, why string) {
	crash.At("cut-over")
	g.mu.Lock()
	defer g.mu.Unlock()
	l := *g.byID[id]
	l.From = from
	defer g.drainingLocked(&l) // it is because this one converts
	g.byID[id] = &l
	g.arming[l.Guest] = cohort.NoGeneration
	delete(g.received, l.Name)
	e := installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestActive, From: from, Who: installer.WhoIchor}
	if why == "" {
		g.metrics.Swap(l.Name, guest.SwapActivated)
		g.log.Info("guest swapped", "guest", l.Name, "digest", l.Short(), "from", from)
		e.Reason = "it was armed"
		g.noteLocked(e)
		return
	}
	worse := g.newest[l.Guest]
	g.metrics.Swap(l.Name, guest.SwapTakenBack)
	g.log.Error("the new guest is taken back: the one before converts again", "guest", l.Name, "new", worse[:12], "digest", l.Short(), "from", from, "because", why)
	e.State, e.Reason = installer.GuestBack, fmt.Sprintf("%.12s is taken back: %s", worse, why)
	g.noteLocked(e)
	g.noteLocked(installer.GuestEvent{Guest: l.Name, Digest: worse, State: installer.GuestGone, Who: installer.WhoIchor, Reason: why})
	g.newest[l.Guest] = l.Digest
	g.passed[l.Name] = worse // also once it was removed and put there again
	g.refused[l.Name] = refusal{Refusal: status.Refusal{Digest: worse, Reason: fmt.Sprintf("%.12s was taken back on probation: %s", worse, why), At: status.Now()}}
}

// Proven notes that the probation of a generation is over.
func (g *Guests) Proven(id cohort.Generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.byID[id]
	g.log.Info("the guest's probation is over", "guest", l.Name, "digest", l.Short())
	g.noteLocked(installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestProven, Who: installer.WhoIchor, Reason: "its probation is over: it did no worse than the one before"})
}

// drainingLocked notes that the generation which converted until now finishes what it was given, as another takes over.
// g.mu is held.
func (g *Guests) drainingLocked(by *Loaded) {
	var last *Loaded
	for _, l := range g.byID { // the latest of them, in any order
		if l.Guest == by.Guest && l.ID != by.ID && l.From > 0 && l.Digest != "" && (last == nil || l.From > last.From) {
			last = l
		}
	}
	if last != nil {
		g.noteLocked(installer.GuestEvent{Guest: last.Name, Digest: last.Digest, State: installer.GuestDraining, Who: installer.WhoIchor, Reason: fmt.Sprintf("%s converts from version %d on", by.Short(), by.From)})
	}
}

// Release takes out of use a generation that no version needs any more. The last one that converted stays loaded,
// so that one may go back to it at once, until there is another such.
func (g *Guests) Release(id cohort.Generation) {
	g.mu.Lock()
	l := g.byID[id]
	delete(g.byID, id)
	over := l
	switch {
	case l.Generation == nil || g.holds[l.Generation] > 1: // it converts again already, or is about to
	case l.From > 0 && g.refused[l.Name].Digest != l.Digest:
		g.noteLocked(installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestWarm, Who: installer.WhoIchor, Reason: "what it converted is settled; it stays loaded, to go back to"})
		if over, g.warm[l.Guest] = g.warm[l.Guest], l; over != nil {
			g.retiredLocked(over)
		}
	default:
		g.retiredLocked(l)
	}
	g.dropLocked()
	g.mu.Unlock()
	if over != nil {
		g.free(over.Generation)
	}
}

// retiredLocked notes that a module is closed. g.mu is held.
func (g *Guests) retiredLocked(l *Loaded) {
	g.noteLocked(installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestRetired, Who: installer.WhoIchor, Reason: "nothing needs it any more"})
}

// forget takes out a generation that never converted anything, and frees it; one that is out already stays so.
func (g *Guests) forget(l *Loaded) {
	g.mu.Lock()
	_, in := g.byID[l.ID]
	delete(g.byID, l.ID)
	g.dropLocked()
	g.mu.Unlock()
	if in {
		g.free(l.Generation)
	}
}

// dropLocked drops the statements that no generation has. g.mu is held.
func (g *Guests) dropLocked() {
	had := map[*installer.Template]bool{}
	for _, l := range g.allLocked() {
		for _, t := range l.Templates {
			had[t] = true
		}
	}
	maps.DeleteFunc(g.templates, func(_ templateKey, t *installer.Template) bool {
		if !had[t] {
			t.Drop()
		}
		return !had[t]
	})
}

// allLocked returns the generations that are in use, the oldest first, and those of before. g.mu is held.
func (g *Guests) allLocked() (all []*Loaded) {
	for _, id := range slices.Sorted(maps.Keys(g.byID)) {
		all = append(all, g.byID[id])
	}
	for _, l := range g.warm {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// Close closes every generation.
func (g *Guests) Close() {
	g.mu.Lock()
	all := g.allLocked()
	clear(g.byID)
	clear(g.warm)
	clear(g.newest) // who owns the cohort next may swap: what converts is what the database says
	g.dropLocked()
	clear(g.shadows)
	g.shadowed.Store(false)
	for i := range g.arming {
		g.arming[i] = cohort.NoGeneration
	}
	g.brings, g.answers = nil, nil // who owns the cohort next is told of what stands
	g.mu.Unlock()
	g.freeSpare(nil)
	for _, l := range all {
		g.free(l.Generation)
	}
}

// dropSpare closes a generation that is not in use.
func (g *Guests) dropSpare(name, digest string) {
	g.mu.Lock()
	is := g.spare[name+digest]
	delete(g.spare, name+digest)
	g.mu.Unlock()
	g.free(is.Generation)
}

// freeSpare closes the generations that are not in use, but for those of keep, by name and digest.
func (g *Guests) freeSpare(keep map[string]bool) {
	var all []*guest.Generation
	g.mu.Lock()
	for _, key := range slices.Sorted(maps.Keys(g.spare)) {
		if !keep[key] {
			all = append(all, g.spare[key].Generation)
			delete(g.spare, key)
		}
	}
	g.mu.Unlock()
	for _, generation := range all {
		g.free(generation)
	}
}

// free closes a generation that nobody else needs, after its last call; nil for none. It has nothing to wait for long: a
// call is bounded.
func (g *Guests) free(generation *guest.Generation) {
	if generation == nil {
		return
	}
	g.mu.Lock()
	g.holds[generation]--
	needed := g.holds[generation] > 0
	if !needed {
		delete(g.holds, generation)
	}
	g.mu.Unlock()
	if needed {
		return
	}
	if err := generation.Close(context.Background()); err != nil {
		g.log.Warn("a guest was not closed cleanly", "guest", generation.Name(), "digest", generation.Digest().Short(), "error", err)
	}
}
