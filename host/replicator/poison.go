package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/queue"
	"github.com/ichor-replicator/ichor/host/talos"
)

// trouble is what is known of a version that failed and has not settled since.
type trouble struct {
	failure  Failure // the latest
	held     int32   // how often it was held
	timeouts int32   // how often its statements ran into the time-out alone
	recorded bool    // ichor.quarantine says that it is held
	noting   bool    // a row that says so is not durable yet
}

// heldVersion is an entry that is held, and when it is tried again by itself.
type heldVersion struct {
	entry   *queue.Entry
	retryAt int64 // ns; 0 is never
}

func (c *Core) troubleOf(v talos.Version) *trouble {
	t := c.troubles[v]
	if t == nil {
		t = &trouble{}
		c.troubles[v] = t
	}
	return t
}

// curable reports whether what the failure complains of may be mended outside, without another
// guest: whatever the database refuses it may take once a column, an enum value, a right, a parent
// row or a trigger is another one, and a record that retention seemed to have taken may be there
// again.
func (f Failure) curable() bool { return f.Kind == KindPayloadLost || f.Kind == KindSQL }

// hold quarantines a version: it stays unsettled, and what depends on it waits. If a newer
// generation is armed already the version is converted by that instead.
func (c *Core) hold(e *queue.Entry, f Failure) {
	c.queue.Hold(e)
	t := c.troubleOf(e.Version)
	t.failure = f
	if convertible(e) && c.generation(e) != e.Generation {
		c.again(e)
		return
	}
	if t.held++; t.held == 1 {
		c.unresolved++
	}
	h := heldVersion{entry: e}
	if f.curable() {
		h.retryAt = c.now + min(int64(cureFirst)<<min(t.held-1, 16), int64(cureMax))
		c.cureAt = earlier(c.cureAt, h.retryAt)
	}
	c.held = append(c.held, h)
	t.noting = true
	c.stats.Poisoned++
	c.note(Poisoned{
		Version: e.Version, Safepoint: e.Safepoint, Failure: f, Generation: e.Generation,
		Candidate: e.Candidate, At: c.now, Held: true,
	})
	c.do(&Notice{Kind: HeldVersion, Version: e.Version, Failure: f})
}

// earlier returns the earlier of two instants, where 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// convertible reports whether a guest may make something of a held version: one whose statemap
// has a meaning and a route.
func convertible(e *queue.Entry) bool { return e.Generation >= 0 }

// again sends a held version back to its conversion, by way of its payload where that was let go.
func (c *Core) again(e *queue.Entry) {
	c.queue.Reconvert(e)
	if e.Candidate != nil {
		c.convert.Push(e)
		return
	}
	c.starved.Push(e)
}

// release tries the held versions again that are due. One whose row of the quarantine is not
// durable yet stays until it is: else the row could be written after the version was installed.
func (c *Core) release(due func(heldVersion) bool) {
	held := c.held
	c.held, c.cureAt = nil, 0
	for _, h := range held {
		noting := c.troubles[h.entry.Version].noting
		if !noting && due(h) {
			c.again(h.entry)
			continue
		}
		c.held = append(c.held, h)
		if !noting {
			c.cureAt = earlier(c.cureAt, h.retryAt)
		}
	}
}

// cure tries the held versions again whose time has come.
func (c *Core) cure() {
	if c.draining || c.cureAt == 0 || c.now < c.cureAt {
		return
	}
	c.release(c.due)
}

// note keeps a poison version to be recorded by the next idle lane.
func (c *Core) note(p Poisoned) { c.notes = append(c.notes, p) }

// noted lets the payloads go of versions whose quarantine is durable: what is held must not fill
// the memory. They are read again when they are tried again.
func (c *Core) noted(rows []Poisoned) {
	for i := range rows {
		if !rows[i].Held {
			continue
		}
		t := c.troubles[rows[i].Version]
		t.recorded, t.noting = true, false
		c.queue.LetGo(c.queue.Find(rows[i].Version))
	}
	c.release(c.due)
}

// outdated reports whether a newer generation than the one that left it may convert a held version.
func (c *Core) outdated(h heldVersion) bool {
	return convertible(h.entry) && c.generation(h.entry) != h.entry.Generation
}

// due reports whether a held version is to be tried again now.
func (c *Core) due(h heldVersion) bool {
	return c.outdated(h) || (h.retryAt != 0 && h.retryAt <= c.now)
}

// End is the end of a version's quarantine, recorded in the transaction that ends it.
type End struct {
	Version    talos.Version
	How        Ending
	Generation int32 // whose conversion ended it, or -1
}

// Ending is how a quarantine ended.
type Ending string

// The endings.
const (
	EndedInstalled Ending = "installed" // its statements took effect
	EndedSkipped   Ending = "skipped"   // the guest says that it has no effects
	EndedPassed    Ending = "passed"    // the snapshot had passed it before this host began
)

// ends returns the quarantines that a group ends: of its own versions, and for a frontier group
// of those below its snapshot that settled without a transaction.
func (c *Core) ends(g *queue.Group) []End {
	var ends []End
	for _, e := range g.Entries {
		if t := c.troubles[e.Version]; t != nil && t.recorded {
			ends = append(ends, End{e.Version, EndedInstalled, e.Generation})
		}
	}
	if g.Frontier {
		for _, end := range c.unended {
			if end.Version <= g.Snapshot {
				ends = append(ends, end)
			}
		}
	}
	return ends
}

// ended forgets the troubles that a durable group ended.
func (c *Core) ended(g *queue.Group) {
	for _, e := range g.Entries {
		c.forgive(e.Version)
	}
	if g.Frontier {
		c.unended = slices.DeleteFunc(c.unended, func(end End) bool { return end.Version <= g.Snapshot })
	}
}

// settleSkipped settles a version that its guest skips.
func (c *Core) settleSkipped(e *queue.Entry) {
	c.stats.SkippedByGuest++
	c.queue.Settle(e)
	if t := c.troubles[e.Version]; t != nil && t.recorded {
		c.unended = append(c.unended, End{e.Version, EndedSkipped, e.Generation})
	}
	c.forgive(e.Version)
}

// forgive forgets what a version that settled did.
func (c *Core) forgive(v talos.Version) {
	if t := c.troubles[v]; t != nil && t.held > 0 {
		c.unresolved--
	}
	delete(c.troubles, v)
}

// breaker tells a database that refuses everything from versions that are poison each for itself:
// the same code for many versions in a row is no property of theirs.
type breaker struct {
	code     string
	run      int   // versions in a row
	failures int   // since it tripped
	until    int64 // nothing is installed before; 0 while it has not tripped
	failure  Failure
}

// tripped counts a version that the database refuses alone; true when it must not be held.
func (c *Core) tripped(e *queue.Entry, f Failure) bool {
	b := &c.breaker
	if f.Kind != KindSQL {
		return false
	}
	if f.Code != b.code {
		*b = breaker{code: f.Code}
	}
	if b.run >= c.opts.PoisonBreaker {
		b.failures++
		b.until, b.failure = c.now+c.backoff(b.failures), f
		c.wakes.add(b.until)
		return true
	}
	if t := c.troubles[e.Version]; t == nil || t.held == 0 { // a version that is tried again counts once
		b.run++
	}
	return false
}

// refuses reports whether the database refuses everything, so that nothing is tried for a while.
func (c *Core) refuses() bool { return c.breaker.until > c.now }

// mended closes the breaker after a group was installed, and tries again what is held for the same
// reason as the breaker or a version of the group was, but not more often than every cureFirst.
func (c *Core) mended(g *queue.Group) {
	code, cured := c.breaker.code, c.breaker.until != 0
	c.breaker = breaker{}
	for _, e := range g.Entries {
		if t := c.troubles[e.Version]; !cured && t != nil && t.held > 0 && t.failure.Kind == KindSQL {
			code, cured = t.failure.Code, true
		}
	}
	if cured && len(c.held) > 0 && c.now-c.mendedAt >= cureFirst {
		c.mendedAt = c.now
		c.release(func(h heldVersion) bool {
			return h.retryAt != 0 && c.troubles[h.entry.Version].failure.Code == code
		})
	}
}
