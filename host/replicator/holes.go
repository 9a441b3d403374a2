package replicator

import (
	"github.com/ichor-replicator/ichor/host/ring"
	"github.com/ichor-replicator/ichor/host/talos"
)

// holes are the ranges of positions at which the log had nothing when it was read: no record, no
// marker, no aborted record. Only the newest are remembered.
type holes struct{ ranges ring.Ring[Hole] }

func (h *holes) add(r Hole) {
	if n := h.ranges.Len(); n > 0 && r.From < h.ranges.At(n-1).To {
		return // read again after a seek
	}
	h.ranges.Push(r)
	if h.ranges.Len() > holesMax {
		h.ranges.Pop()
	}
}

// find returns the hole that a version lies in.
func (h *holes) find(v talos.Version) (Hole, bool) {
	i := h.ranges.Search(func(r Hole) bool { return r.To > talos.Position(v) })
	if i == h.ranges.Len() || h.ranges.At(i).From > talos.Position(v) {
		return Hole{}, false
	}
	return h.ranges.At(i), true
}
