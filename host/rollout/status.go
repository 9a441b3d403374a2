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
	for i, name := range g.names {
		if l, lacks := g.lacking[name]; lacks && g.absent[i] == "" {
			all = append(all, fmt.Sprintf("guest %s lacks the file that guests.pull names, and what it had goes on: %v; it is tried again", name, l.err))
		}
		r, ok := g.refused[name]
		switch {
		case !ok || r.wished:
		case g.newest[i] != "":
			said := fmt.Sprintf("guest %s goes on with %.12s: %s", name, g.newest[i], r.Reason)
			if r.Again {
				said += "; its file is tried again"
			} else {
				said += "; its file is not taken until another lies there or ichor guest swap asks for it"
			}
			all = append(all, said)
		case g.absent[i] != "":
			all = append(all, fmt.Sprintf("guest %s cannot be had, and the versions of its cohorts are held: %s", name, r.Reason))
		}
	}
	if err := installer.Refused(g.statementsLocked()); err != nil {
		all = append(all, "the database changed, and versions wait whose statements it would not take by now: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return strings.Join(all, "; ")
}
