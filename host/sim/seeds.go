package sim

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Batch is what came of many seeds.
type Batch struct {
	Seeds      int
	Candidates int
	Faults     int
	Steps      int
	Sometimes  map[string]int
	Failed     []Failed // ascending
}

// Failed is a seed that showed a bug.
type Failed struct {
	Seed      uint64
	Violation string
}

// Seeds plays n seeds from the first on, on so many processors. It ends early after most failures.
func Seeds(first uint64, n, processors, most int) Batch {
	all := Batch{Sometimes: map[string]int{}}
	var (
		next   atomic.Uint64
		failed atomic.Int64
		lock   sync.Mutex
		group  sync.WaitGroup
	)
	for range processors {
		group.Go(func() {
			for failed.Load() < int64(most) {
				seed := first + next.Add(1) - 1
				if seed >= first+uint64(n) {
					return
				}
				r := Play{Seed: seed}.Run()
				if r.Violation != "" {
					failed.Add(1)
				}
				lock.Lock()
				all.add(seed, &r)
				lock.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(all.Failed, func(a, b Failed) int { return int(int64(a.Seed) - int64(b.Seed)) })
	return all
}

func (b *Batch) add(seed uint64, r *Result) {
	b.Seeds++
	b.Candidates += r.Candidates
	b.Faults += r.Faults
	b.Steps += r.Steps
	for what, n := range r.Sometimes {
		b.Sometimes[what] += n
	}
	if r.Violation != "" {
		b.Failed = append(b.Failed, Failed{seed, r.Violation})
	}
}
