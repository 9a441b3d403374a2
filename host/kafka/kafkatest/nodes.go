package kafkatest

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
)

// errOneNode says that a broker is none of several in this process.
var errOneNode = errors.New("only an embedded broker moves its leaders and loses its nodes")

// MoveLeader makes the next node of an embedded cluster the leader of partition 0 of a topic.
func (b *Broker) MoveLeader(topic string) error {
	e, ok := b.server.(*embedded)
	if !ok {
		return errOneNode
	}
	var alive []int32
	for i, n := range e.nodes {
		if !n.away() {
			alive = append(alive, int32(i))
		}
	}
	at := slices.Index(alive, e.cluster.LeaderFor(topic, 0))
	return e.cluster.MoveTopicPartition(topic, 0, alive[(at+1)%len(alive)])
}

// StopNode takes a node out of an embedded cluster: nobody can connect to it, whoever was connected is cut off,
// and others lead what it led.
func (b *Broker) StopNode(number int) error {
	e, ok := b.server.(*embedded)
	if !ok {
		return errOneNode
	}
	if err := e.cluster.RemoveNode(int32(number)); err != nil {
		return fmt.Errorf("stop node %d: %w", number, err)
	}
	e.nodes[number].cut()
	return nil
}

// StartNode brings a node back that was stopped, at its port.
func (b *Broker) StartNode(number int) error {
	e, ok := b.server.(*embedded)
	if !ok {
		return errOneNode
	}
	if _, _, err := e.cluster.AddNode(int32(number), e.options.Ports[number]); err != nil {
		return fmt.Errorf("start node %d: %w", number, err)
	}
	return nil
}

// node is the listener of a node and the connections that it has taken, which a node that ends takes with it.
type node struct {
	net.Listener
	wrap func(net.Conn) net.Conn // nil is a good network

	mu   sync.Mutex
	open map[*taken]struct{} // nil when the node was stopped
}

// listen returns a node's listener; kfake asks for them in the order of the nodes, and again for one that comes back.
func (e *embedded) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	n := &node{Listener: l, wrap: e.options.Wrap, open: map[*taken]struct{}{}}
	if number := slices.Index(e.options.Ports, l.Addr().(*net.TCPAddr).Port); number < len(e.nodes) {
		e.nodes[number] = n
	} else {
		e.nodes = append(e.nodes, n)
	}
	return n, nil
}

// taken is a connection that a node has taken.
type taken struct {
	net.Conn
	node *node
}

// Accept implements net.Listener.
func (n *node) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if n.wrap != nil {
		conn = n.wrap(conn)
	}
	t := &taken{Conn: conn, node: n}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open == nil { // it was on its way when the node ended
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	n.open[t] = struct{}{}
	return t, nil
}

// Close implements net.Conn.
func (t *taken) Close() error {
	t.node.mu.Lock()
	delete(t.node.open, t)
	t.node.mu.Unlock()
	return t.Conn.Close()
}

// cut ends every connection of a node whose listener is closed.
func (n *node) cut() {
	n.mu.Lock()
	open := slices.Collect(maps.Keys(n.open))
	n.open = nil
	n.mu.Unlock()
	for _, t := range open {
		_ = t.Close() // whatever became of it
	}
}

// away reports whether the node was stopped.
func (n *node) away() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open == nil
}
