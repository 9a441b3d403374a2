package timing

import (
	"slices"
	"sync"

	"github.com/ichor-replicator/ichor/host/talos"
)

// Book keeps the most recent and the slowest journeys for people to look at. It is safe for
// use by several goroutines.
type Book struct {
	mu      sync.Mutex
	recent  []*Journey // ring
	next    int
	slowest []*Journey // ascending by time from candidate to installation
	keep    int
}

// NewBook returns a book of at most recent recent and slowest slowest journeys; both at least 1.
func NewBook(recent, slowest int) *Book {
	return &Book{recent: make([]*Journey, 0, max(recent, 1)), keep: max(slowest, 1)}
}

// Observe implements Observer.
func (b *Book) Observe(j *Journey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.recent) < cap(b.recent) {
		b.recent = append(b.recent, j)
	} else {
		b.recent[b.next] = j
		b.next = (b.next + 1) % len(b.recent)
	}
	took := duration(j)
	if len(b.slowest) == b.keep && took <= duration(b.slowest[0]) {
		return
	}
	i, _ := slices.BinarySearchFunc(b.slowest, took, func(k *Journey, d int64) int {
		return int(min(max(duration(k)-d, -1), 1))
	})
	b.slowest = slices.Insert(b.slowest, i, j)
	if len(b.slowest) > b.keep {
		b.slowest = slices.Delete(b.slowest, 0, 1)
	}
}

// Recent returns the latest journeys, newest first.
func (b *Book) Recent() []*Journey {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Concat(b.recent[b.next:], b.recent[:b.next])
	slices.Reverse(out)
	return out
}

// Slowest returns the journeys that took longest from candidate to installation, slowest first.
func (b *Book) Slowest() []*Journey {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.slowest)
	slices.Reverse(out)
	return out
}

// Find returns the journey of a version that the book still holds, or nil.
func (b *Book) Find(v talos.Version) *Journey {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, held := range [2][]*Journey{b.recent, b.slowest} {
		for _, j := range held {
			if j.Version == v {
				return j
			}
		}
	}
	return nil
}

func duration(j *Journey) int64 {
	d, _ := j.Between(ReplicatorCandidateReceived, InstallerStatemapInstallationComplete)
	return d
}
