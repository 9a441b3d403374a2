package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/guest/trust"
)

// Carrier brings guests' files from elsewhere into their place, each once. It is safe for use by several goroutines.
type Carrier interface {
	// Lacks returns from where the file of a guest is to come that was not brought yet; empty for none.
	Lacks(guest string) (from string)
	// Fetch returns that file's module, and keeps nothing. An *UnavailableError says that it may be had later.
	Fetch(ctx context.Context, guest string) (trust.Module, error)
	// Place puts what Fetch returned into its place, and from then on Lacks is empty.
	Place(guest string, module trust.Module) error
}

// How long a start waits for files that are to be brought, where there are others to go on with, and how long one try may take.
const (
	carryTime = 10 * time.Second
	carryMost = 5 * time.Minute
)

// The pauses between two tries to bring a file to a host that runs double from the first to the longest.
const (
	carryFirst   = time.Second
	carryLongest = time.Minute
)

// lacking is a file that could not be brought.
type lacking struct {
	from   string
	err    error
	before string // the digest of the file that lies there instead; empty for none
}

// carry brings the files that are to be brought, before a start. What cannot be had is noted: what the guest has goes on, if it
// has anything, and Carry tries again.
func (g *Guests) carry(ctx context.Context, history cohort.History) {
	bounded, cancel := context.WithTimeout(ctx, carryTime)
	defer cancel()
	for _, name := range g.names {
		within := bounded
		if _, unread := g.read(name); unread != nil && newestOf(history, name) == "" {
			within = ctx
		}
		g.carryOne(within, name)
	}
}

// comesFrom returns from where a guest's file is to come that was not brought yet; empty for none.
func (g *Guests) comesFrom(name string) string {
	if g.opts.Carrier == nil {
		return ""
	}
	return g.opts.Carrier.Lacks(name)
}

// carryOne brings a guest's file, if it lacks one. Why it cannot be had is logged once.
func (g *Guests) carryOne(ctx context.Context, name string) {
	from := g.comesFrom(name)
	if from == "" {
		g.brought(name)
		return
	}
	bounded, cancel := context.WithTimeout(ctx, carryMost)
	defer cancel()
	module, err := g.opts.Carrier.Fetch(bounded, name)
	if err == nil {
		err = g.opts.Carrier.Place(name, module)
	}
	if err != nil {
		if g.cannotBring(name, from, err) && ctx.Err() == nil {
			g.log.Error("the guest's file cannot be brought; it is tried again", "guest", name, "error", err)
		}
		return
	}
	g.brought(name)
	g.log.Info("the guest's file was brought", "guest", name, "from", from, "digest", module.Digest.Short())
}

// cannotBring notes why a guest's file cannot be had; it reports false when that is known already.
func (g *Guests) cannotBring(name, from string, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, known := g.lacking[name]
	if !known {
		l.before = g.lies(name)
	}
	same := known && l.err.Error() == err.Error()
	l.from, l.err = from, err
	g.lacking[name] = l
	return !same
}

// lacks returns why a guest's file could not be brought; nil where it was, or need not be.
func (g *Guests) lacks(name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lacking[name].err
}

// brought forgets that a guest lacks a file.
func (g *Guests) brought(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.lacking, name)
}

// lies returns the digest of the file that lies in a guest's place; empty where there is none that could be a guest.
func (g *Guests) lies(name string) string {
	digest, err := g.digest(name)
	if err != nil {
		return ""
	}
	return digest
}

// Carry is the goroutine that brings to a host that runs or stands by what its start could not have, until ctx ends; Watch sees it
// come. A file that lies there since stays: somebody wanted it later than the settings' one, which the next start brings.
func (g *Guests) Carry(ctx context.Context) {
	if g.opts.Carrier == nil {
		return
	}
	for pause := carryFirst; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		g.mu.Lock()
		lacks := len(g.lacking) > 0
		g.mu.Unlock()
		if !lacks {
			pause = carryFirst
			continue
		}
		for _, name := range g.names {
			g.carryAgain(ctx, name)
		}
		pause = min(2*pause, carryLongest)
	}
}

// carryAgain tries once more to bring a file that could not be had.
func (g *Guests) carryAgain(ctx context.Context, name string) {
	g.mu.Lock()
	l, lacks := g.lacking[name]
	g.mu.Unlock()
	if !lacks {
		return
	}
	if g.comesFrom(name) == "" { // another host brought it, into a directory that both have
		g.brought(name)
		return
	}
	if g.lies(name) != l.before {
		g.log.Warn("the guest's file is not brought any more: another lies there since; the next start brings it", "guest", name, "from", l.from)
		g.brought(name)
		return
	}
	g.carryOne(ctx, name)
}

// wouldFind returns the module that a start would find in a guest's place, for who only looks, and what there is to tell of it; lacks
// says that it is not the one that should be there.
func (g *Guests) wouldFind(ctx context.Context, name string, timeout time.Duration) (module trust.Module, told string, lacks bool, err error) {
	module, err = g.read(name)
	from := g.comesFrom(name)
	if from == "" {
		return module, "", false, err
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	carried, failed := g.opts.Carrier.Fetch(bounded, name)
	switch {
	case failed == nil:
		return carried, ", which a host brings from " + from + " before it begins", false, nil
	case err != nil:
		return module, "", true, fmt.Errorf("%w; %w", failed, err)
	}
	return module, fmt.Sprintf("; a host begins with this one, and tries again to bring the one that guests.pull names: %v", failed), true, nil
}
