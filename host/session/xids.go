package session

import (
	"encoding/binary"
	"sync"

	"github.com/ichor-replicator/ichor/host/talos"
)

// XIDs remembers which versions the latest candidates have that were read, by their xids. It is bounded:
// the oldest are forgotten. Any goroutine may use it.
type XIDs struct {
	mu   sync.Mutex
	ring []xidOf
	next int // of ring, that is written next once it is full
}

// xidOf is 16 bytes of a candidate. The key is half of an xid folded into the other: what is found by it is
// compared with the record.
type xidOf struct {
	key     uint64
	version talos.Version
}

// XIDsKept is how many candidates are remembered, in 2 MiB.
const XIDsKept = 1 << 17

// latest remembers the xids of the candidates that were read last, for their decisions. One goroutine uses it.
type latest [latestKept]xidOf

// latestKept is how many: decisions come soon after their candidates. It is 256 KiB.
const latestKept = 1 << 14

// add remembers a candidate.
func (l *latest) add(text string, version talos.Version) {
	if id, ok := talos.ParseXID(text); ok {
		l[version%latestKept] = xidOf{keyOf(id), version}
	}
}

// differs reports whether the candidate of a version is remembered with another xid. Two ways to write one UUID
// are the same xid, and what is no UUID says nothing.
func (l *latest) differs(text string, version talos.Version) bool {
	of := l[version%latestKept]
	id, ok := talos.ParseXID(text)
	return version != 0 && of.version == version && ok && of.key != keyOf(id)
}

func keyOf(id talos.XID) uint64 {
	return binary.LittleEndian.Uint64(id[:8]) ^ binary.LittleEndian.Uint64(id[8:])
}

// add remembers a candidate.
func (x *XIDs) add(text string, version talos.Version) {
	id, ok := talos.ParseXID(text)
	if !ok {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	of := xidOf{keyOf(id), version}
	if len(x.ring) < XIDsKept {
		x.ring = append(x.ring, of)
		return
	}
	x.ring[x.next] = of
	x.next = (x.next + 1) % XIDsKept
}

// Find returns the versions of candidates that are remembered and may have the xid, each once, at most ten.
func (x *XIDs) Find(id talos.XID) (versions []talos.Version) {
	x.mu.Lock()
	defer x.mu.Unlock()
	key := keyOf(id)
	seen := map[talos.Version]bool{} // one that was read again is there twice
	for _, of := range x.ring {
		if of.key == key && !seen[of.version] && len(versions) < 10 {
			seen[of.version] = true
			versions = append(versions, of.version)
		}
	}
	return versions
}
