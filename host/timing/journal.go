package timing

import (
	"slices"
	"sync"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Journal keeps the most recent and the slowest journeys for people to look at. It is safe for
// use by several goroutines.
type Journal struct {
	mu      sync.Mutex
	recent  []*Journey // ring
	next    int
	slowest []*Journey // ascending by time from candidate to installation
	keep    int
}

// NewJournal returns a journal that keeps the recent latest and the slowest slowest journeys; a
// number below 1 counts as 1.
func NewJournal(recent, slowest int) *Journal {
	return &Journal{recent: make([]*Journey, 0, max(recent, 1)), keep: max(slowest, 1)}
}

// Observe implements Observer. A version that was installed above the snapshot has two journeys: the later one counts.
func (l *Journal) Observe(j *Journey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent) < cap(l.recent) {
		l.recent = append(l.recent, j)
	} else {
		l.recent[l.next] = j
		l.next = (l.next + 1) % len(l.recent)
	}
	took := duration(j)
	if i := slices.IndexFunc(l.slowest, func(k *Journey) bool { return j.Ahead && k.Version == j.Version }); i >= 0 {
		l.slowest[i] = j
		return
	}
	if len(l.slowest) == l.keep && took <= duration(l.slowest[0]) {
		return
	}
	i, _ := slices.BinarySearchFunc(l.slowest, took, func(k *Journey, d int64) int {
		return int(min(max(duration(k)-d, -1), 1))
	})
	l.slowest = slices.Insert(l.slowest, i, j)
	if len(l.slowest) > l.keep {
		l.slowest = slices.Delete(l.slowest, 0, 1)
	}
}

// Recent returns the latest journeys, newest first.
func (l *Journal) Recent() []*Journey {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newestFirst()
}

// newestFirst returns the later one of each version's. l.mu is held.
func (l *Journal) newestFirst() (out []*Journey) {
	out = slices.Concat(l.recent[l.next:], l.recent[:l.next])
	slices.Reverse(out)
	seen := map[talos.Version]bool{}
	return slices.DeleteFunc(out, func(j *Journey) bool {
		again := seen[j.Version]
		if j.Ahead {
			seen[j.Version] = true
		}
		return again
	})
}

// Slowest returns the journeys that took longest from candidate to installation, slowest first.
func (l *Journal) Slowest() []*Journey {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.slowest)
	slices.Reverse(out)
	return out
}

// Find returns the journey of a version that the journal still holds, or nil.
func (l *Journal) Find(v talos.Version) *Journey {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, held := range [2][]*Journey{l.newestFirst(), l.slowest} {
		for _, j := range held {
			if j.Version == v {
				return j
			}
		}
	}
	return nil
}

// FindXID returns the journeys of an xid that the journal still holds, newest first: a candidate that was sent again
// has several.
func (l *Journal) FindXID(id talos.XID) (found []*Journey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, held := range [2][]*Journey{l.newestFirst(), l.slowest} {
		for _, j := range held {
			if j.Details == nil || slices.Contains(found, j) {
				continue
			}
			if is, _ := talos.ParseXID(j.Details.XID); is == id { // it may be written in several ways
				found = append(found, j)
			}
		}
	}
	slices.SortFunc(found, func(a, b *Journey) int { return int(int64(b.Version) - int64(a.Version)) })
	return found
}

func duration(j *Journey) int64 {
	d, _ := j.Between(ReplicatorCandidateReceived, InstallerStatemapInstallationComplete)
	return d
}
