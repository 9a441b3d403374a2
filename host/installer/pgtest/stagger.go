//go:build unix

package pgtest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Stagger says how much later answers come at most that a proxy delays. Each is delayed by a time of its own, so that one
// overtakes another that came before it.
type Stagger struct {
	Login  time.Duration // those that let a client in
	Commit time.Duration // those of COMMIT
	User   string        // whose; empty is everybody
	Seed   uint64        // of the times
}

// held is a kind of answer that is delayed.
type held int

const (
	logins held = iota
	commits
)

// staggering is what a proxy does with the answers of both kinds. Its methods may be called from any goroutine.
type staggering struct {
	mu      sync.Mutex
	most    [2]time.Duration // by kind; 0 is no delay
	user    string           // whose answers; empty is everybody
	random  *rand.Rand       // nil before the first Stagger
	came    int              // how many answers came to be delayed
	waiting map[int]held     // those that wait now, by when they came
	crossed [2]int           // by kind: how often one overtook one of the other kind
}

// Stagger delays answers of both kinds from now on; the zero Stagger delays none.
func (p *Proxy) Stagger(s Stagger) {
	g := &p.staggering
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most, g.user = [2]time.Duration{logins: s.Login, commits: s.Commit}, s.User
	g.random = rand.New(rand.NewPCG(s.Seed, 0))
}

// Crossed returns how often until now an answer that let a client in overtook one of a COMMIT that had come before it, and how
// often the other way round.
func (p *Proxy) Crossed() (byLogins, byCommits int) {
	g := &p.staggering
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.crossed[logins], g.crossed[commits]
}

// hold waits for as long as an answer to a user is delayed that came now.
func (g *staggering) hold(kind held, user string) {
	g.mu.Lock()
	most := g.most[kind]
	if most <= 0 || g.user != "" && g.user != user {
		g.mu.Unlock()
		return
	}
	if g.waiting == nil {
		g.waiting = map[int]held{}
	}
	number, delay := g.came, time.Duration(g.random.Int64N(int64(most)))
	g.came++
	g.waiting[number] = kind
	g.mu.Unlock()
	time.Sleep(delay)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.waiting, number)
	for earlier, other := range g.waiting {
		if earlier < number && other != kind {
			g.crossed[kind]++
			return
		}
	}
}
