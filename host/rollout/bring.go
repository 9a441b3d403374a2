package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/crash"
	"github.com/ichor-replicator/ichor/host/guest"
	"github.com/ichor-replicator/ichor/host/guest/trust"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
)

// Bring has Watch bring a module that an operator wants.
func (g *Guests) Bring(b *replicator.Bring) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.brings = append(g.brings, b)
	if !b.Deploy && g.endTurn != nil {
		g.endTurn()
	}
	g.wake()
}

// wake has Watch look at what there is to do.
func (g *Guests) wake() {
	select {
	case g.woken <- struct{}{}:
	default:
	}
}

// bringAll brings what is wanted; false when the session ends.
func (g *Guests) bringAll(ctx context.Context, arm func(Armed) bool) bool {
	for {
		g.mu.Lock()
		if len(g.brings) == 0 {
			g.mu.Unlock()
			return true
		}
		b := g.brings[0]
		inFlight := g.inFlightLocked(slices.Index(g.names, b.Guest))
		g.mu.Unlock()
		if inFlight {
			return true // Activated wakes Watch
		}
		is := *b // which names the module, once it is found
		a, err := g.bring(ctx, &is)
		switch {
		case err != nil && (ctx.Err() != nil || installer.IsFenced(err)): // what is asked for stands, for who owns the cohort
			return false
		case err != nil && !IsRefused(err) && installer.IsTransient(err): // it stands, and is tried again
			g.log.Log(ctx, laterLevel(err), "a guest that is wanted cannot be brought now", "guest", b.Guest, "request", b.Request, "error", err)
			return true
		case err != nil:
			a = &Armed{Request: b.Request, Refused: err.Error()}
			if slices.Contains(g.names, b.Guest) { // else it is no guest's, and stands with the request and in the audit alone
				g.metrics.Swap(b.Guest, guest.SwapRefused)
				g.note(installer.GuestEvent{Guest: b.Guest, Digest: is.Digest, State: installer.GuestRefused, Who: b.Who, Reason: err.Error()})
			}
		}
		g.mu.Lock()
		g.brings = slices.Delete(g.brings, 0, 1)
		g.mu.Unlock()
		if a != nil && !arm(*a) {
			return false
		}
	}
}

// answerAll gives the answers that wait; false when the session ends.
func (g *Guests) answerAll(arm func(Armed) bool) bool {
	g.mu.Lock()
	answers := g.answers
	g.answers = nil
	g.mu.Unlock()
	for _, a := range answers {
		if !arm(a) {
			return false
		}
	}
	return true
}

// bring loads a module that the database has; nil for one that is compared first. Where the module before is wanted, it
// says in b which that is.
func (g *Guests) bring(ctx context.Context, b *replicator.Bring) (*Armed, error) {
	index := slices.Index(g.names, b.Guest)
	switch {
	case b.Guest == "":
		return nil, errors.New("the request names no guest: ichor guest rollback NAME writes one that does")
	case index < 0:
		return nil, fmt.Errorf("no route names a guest %q", b.Guest)
	}
	g.mu.Lock()
	current := g.newest[index]
	g.mu.Unlock()
	if b.Digest == "" {
		g.writeEvents(ctx) // it is by them that one goes back
		before, err := g.store.GoesBackTo(ctx, b.Guest, current)
		if err != nil {
			return nil, err
		}
		if before == "" && current == "" {
			return nil, fmt.Errorf("guest %s has converted by no module yet, and so has none to go back to: name one with --to", b.Guest)
		}
		if b.Digest = before; before == "" {
			return nil, fmt.Errorf("guest %s has no module before %.12s to go back to, that is kept and was not taken back, rolled back or gone back over: name one with --to, see ichor guest history", b.Guest, current)
		}
	}
	digest := b.Digest
	if digest == current {
		return nil, fmt.Errorf("guest %s converts by %.12s already", b.Guest, current)
	}
	stored, err := g.store.ModuleOf(ctx, digest)
	if err != nil {
		return nil, err
	}
	module, err := moduleOfStore(&stored, b.Guest, digest)
	if err != nil {
		return nil, err
	}
	by := asked{request: b.Request, who: b.Who, why: b.Why}
	g.receive(ctx, b.Guest, digest, by)
	if b.Deploy && g.opts.Shadow.Versions > 0 && current != "" { // there is one to compare with
		return nil, g.beginShadow(ctx, cohort.GuestID(index), module, by)
	}
	g.endShadow(cohort.GuestID(index), anotherCame)
	also, err := g.passing(ctx, b.Guest, digest, current, by)
	if err != nil {
		return nil, err
	}
	if !b.Deploy { // who goes back knows what they do: it is no trial, also not of the next host
		also = append(also, installer.GuestEvent{Guest: b.Guest, Digest: digest, State: installer.GuestProven, Who: b.Who, Reason: b.Why})
	}
	if !b.Deploy && current != "" {
		also = append(also, installer.GuestEvent{Guest: b.Guest, Digest: current, State: installer.GuestGone, Who: b.Who, Reason: b.Why})
	}
	l, err := g.loadFor(ctx, cohort.GuestID(index), module, b.Who, b.Why, also...)
	if err != nil {
		return nil, err
	}
	g.passOverFile(b.Guest, digest, b.Who, b.Why)
	return &Armed{Guest: l.Guest, Generation: l.ID, Request: b.Request, Believed: l.First || !b.Deploy}, nil
}

// passing is what is written down of a guest's file that does not convert, as another module is armed: it is not wanted,
// and does not come by the next start either. One that was passed over before, or is gone, is known.
func (g *Guests) passing(ctx context.Context, name, digest, current string, by asked) ([]installer.GuestEvent, error) {
	lies := g.lies(name)
	if lies == "" {
		return nil, nil // there is none that could come
	}
	g.mu.Lock()
	known := lies == digest || lies == current || g.passed[name] == lies
	g.mu.Unlock()
	if known {
		return nil, nil
	}
	gone, err := g.store.Gone(ctx, name)
	if err != nil || slices.Contains(gone, lies) {
		return nil, err
	}
	return []installer.GuestEvent{{Guest: name, Digest: lies, State: installer.GuestGone, Who: by.who, Reason: "its file lies there, and another is wanted: " + by.why}}, nil
}

// passOverFile notes that a guest's file, if it is another module than the one that was brought, is not wanted.
func (g *Guests) passOverFile(name, digest, who, why string) {
	if lies := g.lies(name); lies != "" && lies != digest {
		g.passOver(name, lies, installer.GuestEvent{Digest: digest, Who: who, Reason: why})
	}
}

// Newest returns the digest of the module that was last armed for the guest of a name; empty for none.
func (g *Guests) Newest(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.names, name); i >= 0 {
		return g.newest[i]
	}
	return ""
}

// Try has a module that is loaded convert a version, for somebody who wants to see its statements.
func (g *Guests) Try(ctx context.Context, index cohort.GuestID, digest string, record guest.Record) (*guest.Outcome, error) {
	g.mu.Lock()
	var found *Loaded
	for _, l := range g.allLocked() {
		if l.Guest == index && l.Digest == digest {
			found = l
		}
	}
	g.mu.Unlock()
	if found == nil {
		return nil, fmt.Errorf("the module %.12s is not loaded: see ichor quarantine show %d", digest, record.Version)
	}
	var into guest.Conversions
	if err := found.Generation.Convert(ctx, []guest.Record{record}, &into); err != nil {
		return nil, err
	}
	outcome := into.Results[0].Outcome(found.Generation.Manifest())
	return &outcome, nil
}

// Judge says what speaks against a module that asks to take a guest's place, nil for nothing, and has the database
// keep one that may: it is loaded, its vectors run, and its SQL is put to the database. That one is refused, and who sent
// it, is in the history. It may be called from any goroutine, whoever owns the cohort.
func (g *Guests) Judge(ctx context.Context, name string, module trust.Module, who string) error {
	signature, err := g.opts.Trust.Check(name, module)
	var generation *guest.Generation
	if err == nil {
		generation, _, err = g.ready(ctx, name, module)
	}
	if err != nil {
		if IsRefused(err) {
			g.note(installer.GuestEvent{Guest: name, Digest: module.Digest.String(), State: installer.GuestRefused, Who: who, Reason: err.Error()})
		}
		return err
	}
	g.free(generation)
	stored := installer.Module{Guest: name, Digest: module.Digest.String(), Bytes: module.Bytes}
	if signature != nil {
		stored.Signatures = signature.String()
	}
	return g.store.StoreModule(ctx, stored)
}

// loadChecked loads a module that was received, and notes that it was checked.
func (g *Guests) loadChecked(ctx context.Context, index cohort.GuestID, module trust.Module) (*Loaded, error) {
	l, steps, err := g.load(ctx, index, module, 0)
	if err == nil && steps != "" {
		g.note(installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestChecked, Who: installer.WhoIchor, Reason: steps})
	}
	return l, err
}

// loadFor loads a module that somebody wants from now on; that is durable BEFORE it converts, and with it what else is
// true from then on: of either alone the next host would make something else.
func (g *Guests) loadFor(ctx context.Context, index cohort.GuestID, module trust.Module, who, why string, also ...installer.GuestEvent) (*Loaded, error) {
	l, err := g.loadChecked(ctx, index, module)
	if err != nil {
		return nil, err
	}
	g.writeEvents(ctx) // in their order
	armed := installer.GuestEvent{Guest: l.Name, Digest: l.Digest, State: installer.GuestArmed, Who: who, Reason: why}
	err = g.store.AddGuestEvents(ctx, append([]installer.GuestEvent{armed}, also...)...)
	crash.At("armed")
	if err != nil {
		g.forget(l)
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.newest[index] == "" {
		first := *l
		first.First, l = true, &first
		g.byID[l.ID] = l
	}
	g.newest[index] = l.Digest
	g.arming[index] = l.ID
	delete(g.refused, l.Name)
	return l, nil
}

// inFlightLocked reports whether a module of a guest is armed and does not convert yet: until it does no other is
// brought, so that a guest has one swap in flight. g.mu is held.
func (g *Guests) inFlightLocked(index int) bool {
	return index >= 0 && g.arming[index] != cohort.NoGeneration
}

// received is a module that was wanted, and by whom.
type received struct {
	digest string
	by     asked
}

// receive writes down that a module is checked from now on, for its check may take a minute. One that is tried again was
// received before.
func (g *Guests) receive(ctx context.Context, name, digest string, by asked) {
	g.mu.Lock()
	is := received{digest, by}
	again := g.received[name] == is
	g.received[name] = is
	g.mu.Unlock()
	if again {
		return
	}
	g.note(installer.GuestEvent{Guest: name, Digest: digest, State: installer.GuestReceived, Who: by.who, Reason: by.why})
	g.writeEvents(ctx)
}

// eventsMost bounds what is kept while the database is away; what is more is said in the log alone. What converts never
// depends on such an event: where one is lost a rollback may go to a module that was rolled back before, and a probation go
// on that was over.
const eventsMost = 1000

// note keeps an event until Watch writes it.
func (g *Guests) note(e installer.GuestEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noteLocked(e)
}

func (g *Guests) noteLocked(e installer.GuestEvent) {
	if len(g.events) == eventsMost {
		g.log.Error("what became of a guest is not written down: too much waits for the database already", "guest", e.Guest, "digest", e.Digest, "state", e.State, "who", e.Who, "reason", e.Reason)
		return
	}
	e.At = time.Now()
	g.events = append(g.events, e)
	g.wake()
}

// lastWrite is how long the end of a session waits for the database to take the events that wait.
const lastWrite = time.Second

// writeLast writes the events that wait when the session ends, which may be the host's last.
func (g *Guests) writeLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
	defer cancel()
	g.writeEvents(ctx)
}

// writeEvents writes the events that wait; what cannot be written waits on.
func (g *Guests) writeEvents(ctx context.Context) {
	g.mu.Lock()
	events := slices.Clone(g.events)
	g.mu.Unlock()
	if len(events) == 0 {
		return
	}
	err := g.store.AddGuestEvents(ctx, events...)
	if err != nil && !installer.IsFenced(err) { // one that another host superseded has nothing to say any more
		if ctx.Err() == nil {
			g.log.Log(ctx, laterLevel(err), "what became of a guest is written down later", "error", err)
		}
		return
	}
	if err == nil {
		crash.At("event-written")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = slices.Delete(g.events, 0, len(events))
}
