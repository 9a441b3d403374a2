package kafkatest

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Network stands between an embedded broker and its clients, and does to the answers to fetches what bad networks and busy brokers
// do. The zero value does nothing. What it is told holds for the connections that are there and for those to come. Its methods may be
// called from any goroutine.
type Network struct {
	mu              sync.Mutex
	fastest, latest time.Duration
	hangs, cuts     bool
}

// SlowFetches has each answer to a fetch come so much later, at random between the two; 0 ends that.
func (n *Network) SlowFetches(fastest, latest time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fastest, n.latest = fastest, latest
}

// HangFetches has no answer to a fetch come before that is taken back. To be taken back before the broker is stopped.
func (n *Network) HangFetches(hangs bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hangs = hangs
}

// CutFetches has half of the answers to fetches end somewhere in the middle, and their connections with them.
func (n *Network) CutFetches(cuts bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts = cuts
}

// Wrap is EmbeddedOptions.Wrap.
func (n *Network) Wrap(c net.Conn) net.Conn {
	return &fetching{Conn: c, network: n, fetches: map[uint32]bool{}}
}

// The bytes of a request before its body, and what the first of them say: length | key | version | correlation id.
const (
	requestHead = 12
	fetchKey    = 1
)

// fetching is a connection that knows which answers are those to fetches.
type fetching struct {
	net.Conn
	network *Network

	head []byte // of the request that has begun
	left int    // of its body

	mu      sync.Mutex
	fetches map[uint32]bool // that have no answer yet, by correlation id
}

// Read implements net.Conn.
func (f *fetching) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	for rest := b[:n]; len(rest) > 0; {
		rest = f.request(rest)
	}
	return n, err
}

// request takes what has come of one request, and returns the rest.
func (f *fetching) request(b []byte) []byte {
	if f.left > 0 {
		passed := min(f.left, len(b))
		f.left -= passed
		return b[passed:]
	}
	passed := min(requestHead-len(f.head), len(b))
	f.head = append(f.head, b[:passed]...)
	if len(f.head) == requestHead {
		if binary.BigEndian.Uint16(f.head[4:]) == fetchKey {
			f.mu.Lock()
			f.fetches[binary.BigEndian.Uint32(f.head[8:])] = true
			f.mu.Unlock()
		}
		f.left, f.head = int(binary.BigEndian.Uint32(f.head))+4-requestHead, f.head[:0]
	}
	return b[passed:]
}

// Write implements net.Conn. The broker writes an answer at once: length | correlation id | body.
func (f *fetching) Write(b []byte) (int, error) {
	if !f.answers(b) {
		return f.Conn.Write(b)
	}
	f.network.wait()
	if f.network.takesCut() {
		if _, err := f.Conn.Write(b[:rand.IntN(len(b))]); err != nil {
			return 0, err
		}
		return 0, f.Close()
	}
	return f.Conn.Write(b)
}

// answers reports whether that is the answer to a fetch.
func (f *fetching) answers(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := binary.BigEndian.Uint32(b[4:])
	found := f.fetches[id]
	delete(f.fetches, id)
	return found
}

// wait returns when an answer may go.
func (n *Network) wait() {
	n.mu.Lock()
	late := n.fastest
	if more := n.latest - n.fastest; more > 0 {
		late += rand.N(more)
	}
	n.mu.Unlock()
	time.Sleep(late)
	for n.hung() {
		time.Sleep(pollInterval)
	}
}

func (n *Network) hung() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hangs
}

// takesCut reports whether an answer is to be cut.
func (n *Network) takesCut() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts && rand.IntN(2) == 0
}
