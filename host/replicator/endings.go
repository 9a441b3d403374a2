package replicator

import (
	"slices"

	"github.com/ichor-replicator/ichor/host/queue"
)

// ends returns the quarantines that a group ends: of its own versions, and for a frontier group
// of those below its snapshot that settled without a transaction, but for what the group that it is
// chained to ends.
func (p *poison) ends(g *queue.Group) []End {
	var ends []End
	for _, e := range g.Entries {
		if t := p.troubles[e.Version]; t != nil && t.recorded {
			ends = append(ends, End{Version: e.Version, How: EndedInstalled, Generation: e.Generation})
		}
	}
	if g.Frontier {
		for _, end := range p.unended {
			if end.Version <= g.Snapshot && (!g.Chained || end.Version > g.From) {
				ends = append(ends, end)
			}
		}
	}
	return ends
}

// ended forgets the troubles that a durable group ended.
func (p *poison) ended(g *queue.Group) {
	for _, e := range g.Entries {
		p.forget(e.Version)
	}
	if g.Frontier {
		p.unended = slices.DeleteFunc(p.unended, func(end End) bool { return end.Version <= g.Snapshot })
	}
}
