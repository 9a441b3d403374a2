package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Prepare makes ready what start will need, as far as the database says by now: what can be
// refused is refused BEFORE the cohort is taken over. again says that it was done before, and that the cohort is
// free by now: a file that came meanwhile is not waited for, but looked at when the host runs.
func (g *Guests) Prepare(ctx context.Context, state installer.State, again bool) error {
	if !again {
		g.Close() // of a session before
	}
	clear(g.taken)
	if !again { // who takes over waits for no registry
		g.carry(ctx, state.History)
	}
	var refused []error
	needed := map[string]bool{}
	for i, name := range g.names {
		module, err := g.begin(ctx, name, state.History, again)
		absent := IsRefused(err) && newestOf(state.History, name) == ""
		if l := g.lacks(name); absent && l != nil {
			err = fmt.Errorf("guest %s: %w", name, l)
		}
		g.noteAbsent(i, module, err, absent)
		if absent {
			refused = append(refused, err)
			continue
		}
		if err != nil {
			return err
		}
		g.chosen[i], needed[name+module.Digest.String()] = module, true
		for _, u := range usesOf(state, name, module.Digest.String()) {
			old, err := g.moduleOf(ctx, name, u.Digest, module)
			if err != nil {
				return err
			}
			if err := g.keepSpare(ctx, name, old); err != nil && u.Digest != module.Digest.String() {
				return fmt.Errorf("ichor.guest_history has %.12s for versions from %d on, of which some may not be installed yet: %w; have them installed by the settings of before", u.Digest, u.From, err)
			} else if err != nil {
				return err
			}
			needed[name+u.Digest] = true
		}
	}
	g.freeSpare(needed) // what was made ready before, and another host swapped since
	if len(refused) == len(g.names) {
		return errors.Join(refused...)
	}
	return nil
}

// noteAbsent notes whether a guest cannot be had. One that never converted anything does not keep the others from
// their versions: its own are held until there is a file that can be taken.
func (g *Guests) noteAbsent(i int, module trust.Module, err error, absent bool) {
	g.mu.Lock()
	g.absent[i] = ""
	if absent {
		g.absent[i] = err.Error()
	}
	g.mu.Unlock()
	digest := ""
	if module.Bytes != nil {
		digest = module.Digest.String()
	}
	if absent && g.refuse(g.names[i], digest, err) {
		g.log.Error("the guest has no file that can be taken, and no module before it", "guest", g.names[i], "error", err)
		g.note(installer.GuestEvent{Guest: g.names[i], Digest: digest, State: installer.GuestRefused, Who: installer.WhoFile, Reason: err.Error()})
	}
}

// begin returns the module that a guest begins with.
func (g *Guests) begin(ctx context.Context, name string, history cohort.History, again bool) (trust.Module, error) {
	module, unread := g.read(name)
	digest := ""
	if unread == nil {
		digest = module.Digest.String()
	}
	w, err := wantedBeside(ctx, g.store, name, digest, history)
	if err != nil {
		return trust.Module{}, err
	}
	switch later := g.opts.Shadow.Versions > 0 || again && !g.isSpare(name, digest); {
	case w.passes:
		kept, err := g.goOn(ctx, name, w.GuestEvent)
		if err == nil {
			g.passOver(name, digest, w.GuestEvent)
		}
		return kept, err
	case later && unread == nil && w.Digest != "" && w.Digest != digest:
		return g.goOn(ctx, name, installer.GuestEvent{Digest: w.Digest, Who: installer.WhoIchor, Reason: "the file is looked at when the host runs"})
	}
	chosen, err := g.choose(ctx, name, w.Digest, history)
	if err == nil && unread == nil && chosen.Digest == module.Digest && (digest != w.file || digest != w.Digest) {
		g.taken[name] = digest
	}
	return chosen, err
}

// goOn makes a module of the database ready, which goes on instead of the file's.
func (g *Guests) goOn(ctx context.Context, name string, wanted installer.GuestEvent) (trust.Module, error) {
	kept, err := g.stored(ctx, name, wanted.Digest)
	if err == nil {
		err = g.keepSpare(ctx, name, kept)
	}
	if err != nil {
		return kept, fmt.Errorf("guest %s is to convert by %.12s (%s: %s), and that cannot go on: %w", name, wanted.Digest, wanted.Who, wanted.Reason, err)
	}
	return kept, nil
}

// passOver notes that a guest's file is not what converts, and what is wanted instead.
func (g *Guests) passOver(name, file string, wanted installer.GuestEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed[name] = file
	g.refused[name] = refusal{Refusal: status.Refusal{Digest: file, Reason: fmt.Sprintf("%.12s is wanted instead, by %s: %s", wanted.Digest, wanted.Who, wanted.Reason), At: status.Now()}, wished: wanted.Who != installer.WhoIchor}
}

// choose returns the module that a guest begins with: its file, or when that is refused the one that was wanted before,
// or that the history names last. A typing error in a file must not stop a cohort whose good module is in the database.
func (g *Guests) choose(ctx context.Context, name, wanted string, history cohort.History) (trust.Module, error) {
	module, err := g.read(name)
	if err == nil && !g.isSpare(name, module.Digest.String()) {
		g.log.Info("the guest's file is checked; until then nothing is converted", "guest", name, "digest", module.Digest.Short())
	}
	if err == nil {
		err = g.keepSpare(ctx, name, module)
	}
	if err == nil {
		g.accept(name)
		return module, nil
	}
	digest := ""
	if module.Bytes != nil {
		digest = module.Digest.String()
	}
	before := wanted
	if before == digest {
		before = newestOf(history, name)
	}
	if !IsRefused(err) || before == "" {
		return module, err
	}
	kept, lost := g.stored(ctx, name, before)
	if lost == nil {
		lost = g.keepSpare(ctx, name, kept)
	}
	if lost != nil {
		return module, fmt.Errorf("%v; and the module %.12s before it cannot go on: %w", err, before, lost) //nolint:errorlint // which of the two may pass is for the other to say
	}
	if g.refuse(name, digest, err) {
		g.log.Error("the guest's file is refused: the module before it goes on", "guest", name, "digest", before[:12], "error", err)
	}
	return kept, nil
}

// moduleOf returns the module of a digest: the current one, or one that the database has.
func (g *Guests) moduleOf(ctx context.Context, name, digest string, current trust.Module) (trust.Module, error) {
	if digest == current.Digest.String() {
		return current, nil
	}
	return g.stored(ctx, name, digest)
}

// stored returns a module that the database has.
func (g *Guests) stored(ctx context.Context, name, digest string) (trust.Module, error) {
	stored, err := g.store.LoadModule(ctx, name, digest)
	if err != nil {
		return trust.Module{}, err
	}
	return moduleOfStore(&stored, name, digest)
}

// moduleOfStore returns a row of the store as a module, which must be the one of the digest.
func moduleOfStore(stored *installer.Module, name, digest string) (trust.Module, error) {
	module := trust.NewModule(stored.Bytes, stored.Signatures)
	if is := module.Digest.String(); is != digest {
		return module, fmt.Errorf("ichor.guest_module has for guest %s under digest %s a module with digest %s: put the right file into the guest directory and delete that row", name, digest, is)
	}
	return module, nil
}

// Start returns which generation of each guest converts what: those that Prepare chose, and
// those that the history asks for. After an error it may be called again.
func (g *Guests) Start(ctx context.Context, state installer.State) ([][]replicator.Cut, []replicator.Trial, error) {
	for name, digest := range g.taken { // each for itself, in any order
		e := installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestArmed, Who: installer.WhoFile, Reason: "it lay there when the host began"}
		if err := g.store.AddGuestEvents(ctx, e); err != nil {
			return nil, nil, err
		}
		delete(g.taken, name)
	}
	cuts := make([][]replicator.Cut, len(g.names))
	for i := range g.names {
		var err error
		if cuts[i], err = g.plan(ctx, cohort.GuestID(i), g.chosen[i], state); err != nil {
			g.Close()
			return nil, nil, err
		}
	}
	trials, err := g.trials(ctx, state)
	if err == nil { // a host that stood by put the guests' SQL to the database long ago
		err = g.store.Look(ctx, g.statements())
	}
	if err != nil {
		g.Close()
		return nil, nil, err
	}
	clear(g.chosen)
	g.freeSpare(nil)
	return cuts, trials, nil
}

// trials loads what the guests are taken back to whose probation is not over. Where that cannot be loaded any
// more there is nothing to go back to.
func (g *Guests) trials(ctx context.Context, state installer.State) (trials []replicator.Trial, err error) {
	if !g.opts.Probation {
		return nil, nil
	}
	for i, name := range g.names {
		current := g.newest[i]
		proven, err := g.store.Proven(ctx, name, current)
		if err != nil {
			return nil, err
		}
		if proven {
			continue
		}
		earlier, err := g.goesBackTo(ctx, name, current, state.History)
		if err != nil {
			return nil, err
		}
		if earlier == "" {
			continue
		}
		module, err := g.stored(ctx, name, earlier)
		var l *Loaded
		if err == nil {
			l, _, err = g.load(ctx, cohort.GuestID(i), module, 0)
		}
		if installer.IsTransient(err) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			g.log.Warn("the guest is on probation still, and the one before cannot be taken back", "guest", name, "digest", current[:12], "before", earlier[:12], "error", err)
			continue
		}
		trials = append(trials, replicator.Trial{Guest: cohort.GuestID(i), Before: l.ID})
	}
	return trials, nil
}

// goesBackTo returns the module that one on probation is taken back to, empty for none: the last one that was not on
// probation itself, as the core has it, or the first of all.
func (g *Guests) goesBackTo(ctx context.Context, name, current string, history cohort.History) (digest string, err error) {
	all, err := g.store.ProvenBefore(ctx, name)
	if err != nil {
		return "", err
	}
	gone, err := g.store.Gone(ctx, name)
	if err != nil {
		return "", err
	}
	for _, u := range history {
		if u.Guest == name && !u.Only {
			all = append(all, u.Digest)
		}
	}
	for _, digest := range all {
		if digest != current && !slices.Contains(gone, digest) {
			return digest, nil
		}
	}
	return "", nil
}

// standIn returns the cut of a guest that cannot be had.
func (g *Guests) standIn(index cohort.GuestID, from talos.Version, why string) replicator.Cut {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := &Loaded{ID: g.nextID, Guest: index, Name: g.names[index], From: from, Refused: why}
	g.nextID++
	g.byID[l.ID] = l
	g.newest[index] = ""
	return replicator.Cut{From: from, Generation: l.ID}
}

// noteActive says of a module that a host begins with from which version on it converts, unless that is said. An event is written
// beside the versions, so that a host that was killed may have installed what a module made before it said that it converts.
func (g *Guests) noteActive(ctx context.Context, u *cohort.Use, recorded bool) error {
	why := "the host begins with it"
	if recorded {
		said, err := g.store.SaidToConvert(ctx, u)
		if said || err != nil {
			return err
		}
		why = "the host before ended as it began to convert"
	}
	g.note(installer.GuestEvent{Guest: u.Guest, Digest: u.Digest, State: installer.GuestActive, From: u.From, Who: installer.WhoIchor, Reason: why})
	return nil
}

// plan loads what uses says.
func (g *Guests) plan(ctx context.Context, index cohort.GuestID, current trust.Module, state installer.State) (cuts []replicator.Cut, err error) {
	name := g.names[index]
	if why := g.absent[index]; why != "" {
		return []replicator.Cut{g.standIn(index, state.Snapshot+1, why)}, nil
	}
	for _, u := range usesOf(state, name, current.Digest.String()) {
		module, err := g.moduleOf(ctx, name, u.Digest, current)
		if err != nil {
			return nil, err
		}
		l, _, err := g.load(ctx, index, module, u.From)
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		g.newest[index] = l.Digest // of the last of them
		g.mu.Unlock()
		recorded := slices.Contains(state.History, u)
		if err := g.noteActive(ctx, &u, recorded); err != nil {
			return nil, err
		}
		cuts = append(cuts, replicator.Cut{From: u.From, Generation: l.ID, Recorded: recorded})
	}
	return cuts, nil
}
