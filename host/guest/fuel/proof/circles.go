package proof

// circles finds the circles of calls: it orders nodes so that each stands behind those that
// it leads to, but for those that lead back to it (Tarjan's strongly connected components).
type circles struct {
	to     [][]int // of each node: the nodes that it leads to
	circle []bool  // of each node: it leads back to itself

	number, low []int // of each node: when it was reached, from 1; the earliest that it leads to
	open        []int // nodes whose component is not complete
	isOpen      []bool
	done        []int
}

// visit is a node whose edges are being followed.
type visit struct{ node, next int }

func (c *circles) order() []int {
	n := len(c.to)
	c.circle, c.isOpen = make([]bool, n), make([]bool, n)
	c.number, c.low = make([]int, n), make([]int, n)
	reached := 0
	var path []visit
	for root := range n {
		if c.number[root] != 0 {
			continue
		}
		path = append(path, visit{node: root})
		for len(path) > 0 {
			v := &path[len(path)-1]
			if c.number[v.node] == 0 {
				reached++
				c.number[v.node], c.low[v.node] = reached, reached
				c.open, c.isOpen[v.node] = append(c.open, v.node), true
			}
			if next, ok := c.follow(v); ok {
				path = append(path, visit{node: next})
				continue
			}
			node := v.node
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := path[len(path)-1].node
				c.low[parent] = min(c.low[parent], c.low[node])
			}
			c.complete(node)
		}
	}
	return c.done
}

// follow returns the next node that was not reached before.
func (c *circles) follow(v *visit) (node int, ok bool) {
	for v.next < len(c.to[v.node]) {
		to := c.to[v.node][v.next]
		v.next++
		if c.number[to] == 0 {
			return to, true
		}
		if c.isOpen[to] {
			c.low[v.node] = min(c.low[v.node], c.number[to])
			c.circle[v.node] = c.circle[v.node] || to == v.node
		}
	}
	return 0, false
}

// complete takes a component off the open ones, if the node was its first.
func (c *circles) complete(node int) {
	if c.low[node] != c.number[node] {
		return
	}
	for at := len(c.open) - 1; ; at-- {
		member := c.open[at]
		c.isOpen[member] = false
		c.circle[member] = c.circle[member] || member != node || at < len(c.open)-1
		c.done = append(c.done, member)
		if member == node {
			c.open = c.open[:at]
			return
		}
	}
}
