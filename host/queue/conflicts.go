package queue

import "github.com/ichor-replicator/ichor/host/talos"

// conflicts is the lock table of the unsettled versions: for each key the versions that touch it, in
// version order. A touch is granted when no touch before it conflicts, as two do of which either
// writes; an entry is free when all its touches are granted, which is when everything below it that
// conflicts with it has settled. Adding and removing an entry costs O(keys), amortised; nothing scans.
//
// It is kept only from the first time on that somebody asks what may go ahead, until the queue is
// empty: what goes in version order needs none.
type conflicts struct {
	on    bool
	lines map[uint64]*line // by the key's hash
	spare []*line          // that have no touch
	// keyless are the unsettled entries without keys, ascending: each conflicts with everything.
	keyless []*Entry
}

// line is the touches of one key.
type line struct {
	hash        uint64
	first, last *touch
	waiting     *touch // the first that is not granted
	write       *touch // the last that writes
}

// touch is one entry's place in a line.
type touch struct {
	entry      *Entry
	line       *line
	prev, next *touch
	writes     bool
}

// add enters an entry behind those that are in the table.
func (c *conflicts) add(e *Entry) {
	if len(e.Keys) == 0 {
		c.keyless = append(c.keyless, e)
		return
	}
	e.touches = make([]touch, len(e.Keys))
	for i, k := range e.Keys {
		l := c.lines[k.Hash()]
		if l == nil {
			l = c.newLine(k)
		}
		t := &e.touches[i]
		*t = touch{entry: e, line: l, prev: l.last, writes: k.Writes()}
		if l.last == nil {
			l.first = t
		} else {
			l.last.next = t
		}
		l.last = t
		if l.waiting == nil && !t.grantable() {
			l.waiting = t
		}
		if l.waiting != nil {
			e.waits++
		}
		e.behind = max(e.behind, t.behind())
		if t.writes {
			l.write = t
		}
	}
}

func (c *conflicts) newLine(k talos.Key) *line {
	l := &line{}
	if n := len(c.spare); n > 0 {
		l, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	*l = line{hash: k.Hash()}
	c.lines[l.hash] = l
	return l
}

// behind returns the highest version before a touch that was just added that conflicts with it; 0 for
// none.
func (t *touch) behind() talos.Version {
	switch {
	case t.writes && t.prev != nil:
		return t.prev.entry.Version
	case !t.writes && t.line.write != nil:
		return t.line.write.entry.Version
	}
	return 0
}

// grantable reports whether nothing before the first waiting touch of a line conflicts with it.
func (t *touch) grantable() bool { return t.prev == nil || !t.writes && !t.prev.writes }

// remove takes a settled entry out, and calls free for each entry that this was the last to wait for.
func (c *conflicts) remove(e *Entry, free func(*Entry)) {
	if len(e.Keys) == 0 {
		for len(c.keyless) > 0 && c.keyless[0].state == Settled {
			c.keyless = c.keyless[1:]
		}
		return
	}
	for i := range e.touches {
		t := &e.touches[i]
		l := t.line
		if t.prev == nil {
			l.first = t.next
		} else {
			t.prev.next = t.next
		}
		if t.next == nil {
			l.last = t.prev
		} else {
			t.next.prev = t.prev
		}
		if l.waiting == t {
			l.waiting = t.next
		}
		if l.write == t {
			for l.write = t.prev; l.write != nil && !l.write.writes; l.write = l.write.prev {
			}
		}
		if l.first == nil {
			delete(c.lines, l.hash)
			c.spare = append(c.spare, l)
		}
		for w := l.waiting; w != nil && w.grantable(); w = l.waiting {
			l.waiting = w.next
			if w.entry.waits--; w.entry.waits == 0 {
				free(w.entry)
			}
		}
	}
	e.touches, e.waits = nil, 0
}

// search bounds how much a group looks for those that wait for its members: what it does not come to
// goes with a later group.
type search struct {
	group *Group
	found Heap // that wait for members, and perhaps for others
	steps int  // that are left
}

// searchSteps is how much is looked at for a group, beside a share for each of its entries.
const searchSteps = 1 << 12

// precedes reports whether every version that conflicts with the entry and is below it is settled or in
// the group; false also when that takes too long to find out.
func (s *search) precedes(e *Entry) bool {
	for i := range e.touches {
		t := &e.touches[i]
		for p := t.prev; p != nil; p = p.prev {
			if s.steps--; s.steps < 0 || (t.writes || p.writes) && p.entry.group != s.group {
				return false
			}
			if p.writes || !t.writes && p.entry.group == s.group { // what is before p conflicts with p too
				break
			}
		}
	}
	return true
}

// follow notes the entries that come next to a member in a line that they share, each once.
func (s *search) follow(e *Entry) {
	for i := range e.touches {
		for n := e.touches[i].next; n != nil; n = n.next {
			if s.steps--; s.steps < 0 {
				return
			}
			if n.entry.found != s.group {
				n.entry.found = s.group
				s.found.Push(n.entry)
			}
			if n.writes {
				break
			}
		}
	}
}

// barred reports whether an unsettled entry without keys is below e.
func (c *conflicts) barred(e *Entry) bool {
	return len(c.keyless) > 0 && c.keyless[0].Version <= e.Version
}
