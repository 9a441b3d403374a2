package rollout

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
)

// settleTime is how long a guest file must be left alone before it is read.
const settleTime = 100 * time.Millisecond

// Armed is a generation that may convert, in the core's words.
type Armed struct {
	Guest      cohort.GuestID
	Generation cohort.Generation
	Request    int64  // of an operator, that it answers; 0 for none
	Believed   bool   // the guest had none before that could convert, or an operator goes back to this one
	Refused    string // why there is none for the request
}

// Watch is the goroutine that looks for new guests: when the directory changes, and now and
// then besides, since not every file system tells. The directory is watched and not the files,
// so that a file that is replaced by renaming is seen.
func (g *Guests) Watch(ctx context.Context, arm func(Armed) bool) {
	var changes <-chan fsnotify.Event
	var troubles <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		changes, troubles = watcher.Events, watcher.Errors
		err = watcher.Add(g.opts.Directory)
	}
	if err != nil {
		g.log.Warn("the guest directory cannot be watched; it is looked at now and then", "every", g.opts.Poll, "error", err)
	}
	defer g.writeLast(ctx)
	poll := time.NewTicker(g.opts.Poll)
	defer poll.Stop()
	var settled <-chan time.Time
	for {
		look := false
		select {
		case <-ctx.Done():
			return
		case <-changes:
			settled = time.After(settleTime)
			continue
		case err := <-troubles:
			g.log.Warn("watching the guest directory", "error", err)
			continue
		case <-settled:
			settled = nil
		case <-g.woken:
		case <-poll.C:
			look = true
		}
		if ctx.Err() != nil {
			return // of several that are ready, any may have been taken
		}
		if !g.takeTurn(ctx, arm, look) {
			return
		}
	}
}

// takeTurn does what there is to do, and looks at the guests' tables first if it is time; false is the end.
func (g *Guests) takeTurn(ctx context.Context, arm func(Armed) bool, look bool) bool {
	ctx, done := installer.Sharing(ctx)
	defer done()
	g.writeEvents(ctx)
	if look {
		g.lookAtTables(ctx)
	}
	turn, end := g.beginTurn(ctx)
	defer end()
	return g.bringAll(ctx, arm) && g.lookAtFiles(turn, arm) && g.answerAll(arm)
}

// lookAtFiles loads what lies in the directory; false is the end.
func (g *Guests) lookAtFiles(ctx context.Context, arm func(Armed) bool) bool {
	for i := range g.names {
		g.mu.Lock()
		inFlight := g.inFlightLocked(i)
		g.mu.Unlock()
		if inFlight {
			continue // Activated wakes Watch
		}
		if l := g.loadIfNew(ctx, cohort.GuestID(i)); l != nil && !arm(Armed{Guest: l.Guest, Generation: l.ID, Believed: l.First}) {
			return false
		}
		if a := g.judgeShadow(ctx, cohort.GuestID(i)); a != nil && !arm(*a) {
			return false
		}
		g.judge(ctx, g.names[i])
	}
	return true
}

// beginTurn returns a context for work on files that can wait: Bring ends it for who goes back, since the check of a
// module takes seconds. What was under way is begun anew in the next turn.
func (g *Guests) beginTurn(ctx context.Context) (turn context.Context, end context.CancelFunc) {
	turn, end = context.WithCancel(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.endTurn = end
	return turn, end
}

// loadIfNew loads a guest's file if it is another one than the newest generation; nil when there
// is nothing to arm. A file that is refused changes nothing, and says why once.
func (g *Guests) loadIfNew(ctx context.Context, index cohort.GuestID) *Loaded {
	name := g.names[index]
	digest, err := g.digest(name)
	if err == nil {
		first := g.saw(name)
		g.mu.Lock()
		current, shadow := g.newest[index] == digest, g.opts.Shadow.Versions > 0 && g.newest[index] != "" // there is one to compare with
		last, refused := g.refused[name]
		passed := g.passed[name] == digest
		if !passed {
			delete(g.passed, name) // there is another file since
		}
		g.mu.Unlock()
		if current {
			g.accept(name)
			g.endShadowOf(index) // the file is the one before again
			return nil
		}
		if (passed || refused && last.Digest == digest && !last.Again) && !g.askedAgain(ctx, name, digest) {
			return nil
		}
		if g.keptByShadow(index, digest) || first && g.cameBefore(ctx, name, digest) {
			return nil
		}
		var module trust.Module
		if module, err = g.read(name); err == nil && module.Digest.String() != digest {
			return nil // it was replaced meanwhile, which the next turn sees
		}
		var l *Loaded
		if err == nil {
			l, err = g.loadFile(ctx, index, module, shadow)
		}
		if err == nil {
			g.accept(name)
			return l
		}
	}
	if digest == "" && g.passes(name) {
		return nil // whatever is in its place now, the module before goes on, and why is said
	}
	if ctx.Err() == nil && !installer.IsFenced(err) && g.refuse(name, digest, err) {
		if !IsRefused(err) {
			g.log.Log(ctx, laterLevel(err), "the new guest cannot be taken now, and is tried again; the one before goes on", "guest", name, "error", err)
			return nil
		}
		g.log.Error("the new guest is not taken; the one before goes on", "guest", name, "error", err)
		g.note(installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestRefused, Who: g.putBy(ctx, name, digest).who, Reason: err.Error()})
	}
	return nil
}

// loadFile loads a guest's file, or has it compared first: then there is nothing to arm yet.
func (g *Guests) loadFile(ctx context.Context, index cohort.GuestID, module trust.Module, shadow bool) (*Loaded, error) {
	name, digest := g.names[index], module.Digest.String()
	by := g.putBy(ctx, name, digest)
	g.receive(ctx, name, digest, by)
	if shadow {
		return nil, g.beginShadow(ctx, index, module, by)
	}
	return g.loadFor(ctx, index, module, installer.WhoFile, "")
}

// putBy returns who put a guest's file in its place, and why: an operator who swapped it said so before, else nobody is
// known but the file. It is for people to read and decides nothing.
func (g *Guests) putBy(ctx context.Context, name, digest string) asked {
	e, err := g.store.AskedFor(ctx, name, digest)
	if err != nil && ctx.Err() == nil {
		g.log.Warn("who put a guest's file in its place cannot be read now", "guest", name, "error", err)
	}
	if e.Who == "" {
		return asked{who: installer.WhoFile}
	}
	return asked{who: e.Who, why: e.Reason}
}
