package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/status"
)

// Status returns the generations in use, oldest first.
func (g *Guests) Status() []status.Guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []status.Guest
	for _, id := range slices.Sorted(maps.Keys(g.byID)) {
		l := g.byID[id]
		if l.From == 0 && l.Digest != g.newest[l.Guest] {
			continue // it is compared, or ready to be taken back to
		}
		s := status.Guest{Guest: l.Name, Digest: l.Digest, Version: l.Version, From: l.From}
		if l.Generation != nil {
			s.Contract = l.Generation.Contract()
		}
		if l.Digest == g.newest[l.Guest] {
			s.Judged, s.Shadow = g.judged[l.Name], g.shadowStatus(l.Guest)
			if r, ok := g.refused[l.Name]; ok {
				s.Refused = &r.Refusal
			}
		}
		all = append(all, s)
	}
	return all
}

// Degraded says in what the host is not as its operator wants it, although it works: a guest's
// file is not taken, and the module before goes on, or the database would not take its statements by now. That somebody wants another than the file is no such thing. Empty when
// all is well.
func (g *Guests) Degraded() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for i := range g.names {
		all = append(all, g.degradedLocked(i)...)
	}
	if err := installer.Refused(g.statementsLocked()); err != nil {
		all = append(all, "the database changed, and versions wait whose statements it would not take by now: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return strings.Join(all, "; ")
}

// degradedLocked says in what a guest is not as its operator wants it. g.mu is held.
func (g *Guests) degradedLocked(i int) (all []string) {
	name := g.names[i]
	l, lacks := g.lacking[name]
	switch {
	case g.absent[i] != "" && lacks:
		return []string{fmt.Sprintf("guest %s cannot be had, and the versions of its cohorts are held: it lacks the file that guests.pull names: %v; it is tried again", name, l.err)}
	case lacks:
		all = append(all, fmt.Sprintf("guest %s lacks the file that guests.pull names, and what it had goes on: %v; it is tried again", name, l.err))
	}
	r, ok := g.refused[name]
	switch {
	case !ok || r.wished || lacks && r.Digest == "": // that there is no file is said
	case g.absent[i] != "":
		all = append(all, fmt.Sprintf("guest %s cannot be had, and the versions of its cohorts are held: %s", name, r.Reason))
	case g.newest[i] == "" && g.lies(name) == r.Digest: // of a host that stands by, which looks at a file that came since when it takes over
		all = append(all, fmt.Sprintf("guest %s has a file that is not taken, and this host would go on by what the database has: %s", name, r.Reason))
	case g.newest[i] == "":
	case r.Again:
		all = append(all, fmt.Sprintf("guest %s goes on with %.12s: %s; its file is tried again", name, g.newest[i], r.Reason))
	default:
		all = append(all, fmt.Sprintf("guest %s goes on with %.12s: %s; its file is not taken until another lies there or ichor guest swap asks for it", name, g.newest[i], r.Reason))
	}
	return all
}
