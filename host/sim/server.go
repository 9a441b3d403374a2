package sim

import (
	"maps"
	"slices"

	"github.com/ichor-replicator/ichor/host/talos"
)

// server is a model of one PostgreSQL server: rows, their locks, and what was committed in which order.
// A copy that was promoted is another server.
type server struct {
	world    *world
	number   int
	timeline timeline
	rows     map[rowKey]any
	changed  map[rowKey]int // after how many commits a row was last changed
	locks    map[rowKey]*transaction
	ledger   []talos.Version // the versions in it, ascending
	requests []int64         // their numbers, ascending
	effects  map[talos.Version]int
	digests  map[talos.Version]int
	commits  []commit
	taken    int // after how many commits it was taken over last
	backends []*backend
	pids     int
	down     bool  // it takes no connections, and has none
	refusing int64 // it refuses the cohort's statements until then, ns
	full     int64 // it has no room for connections until then, ns
}

// commit is what a transaction changed, so that it can be taken back.
type commit struct {
	before  []change
	effects []effect
}

// change is a row before or after it was written; nil is none.
type change struct {
	key rowKey
	row any
}

// transaction is one that is open.
type transaction struct {
	backend    *backend
	writes     []change // the rows as it leaves them
	locks      []rowKey
	effects    []effect
	work       *work // on whose behalf; nil for what installs nothing
	takes      bool  // it raises the epoch
	repeatable bool  // REPEATABLE READ
	seen       int   // commits before its first statement
	begun      int64 // ns
}

func newServer(w *world, number int) *server {
	s := &server{
		world: w, number: number, timeline: timeline(number) + 1,
		rows: map[rowKey]any{cohortKey: cohortRow{}}, changed: map[rowKey]int{}, locks: map[rowKey]*transaction{},
		effects: map[talos.Version]int{}, digests: map[talos.Version]int{},
	}
	for a := range w.setup.accounts {
		s.rows[accountKey(a)] = account{}
	}
	return s
}

// promote returns a copy that lacks the last commits, with a timeline of its own.
func (s *server) promote(number, lost int) *server {
	c := &server{
		world: s.world, number: number, timeline: timeline(number) + 1,
		rows: maps.Clone(s.rows), changed: map[rowKey]int{}, locks: map[rowKey]*transaction{}, ledger: slices.Clone(s.ledger), requests: slices.Clone(s.requests),
		effects: maps.Clone(s.effects), digests: maps.Clone(s.digests), commits: slices.Clone(s.commits),
	}
	for range lost {
		last := c.commits[len(c.commits)-1]
		c.commits = c.commits[:len(c.commits)-1]
		for _, b := range last.before {
			c.set(b.key, b.row)
		}
		for _, e := range last.effects {
			c.effects[e.version]--
		}
	}
	return c
}

// set changes a committed row, and returns what it was.
func (s *server) set(key rowKey, row any) (before any) {
	before = s.rows[key]
	if row == nil {
		delete(s.rows, key)
	} else {
		s.rows[key] = row
	}
	if key.table == tableLedger {
		v := talos.Version(key.id)
		i, found := slices.BinarySearch(s.ledger, v)
		switch {
		case row == nil && found:
			s.ledger = slices.Delete(s.ledger, i, i+1)
		case row != nil && !found:
			s.ledger = slices.Insert(s.ledger, i, v)
		}
	}
	if key.table == tableRequest {
		i, found := slices.BinarySearch(s.requests, key.id)
		switch {
		case row == nil && found:
			s.requests = slices.Delete(s.requests, i, i+1)
		case row != nil && !found:
			s.requests = slices.Insert(s.requests, i, key.id)
		}
	}
	return before
}

// read returns a committed row, or the zero value where there is none.
func read[R any](s *server, key rowKey) R {
	row, _ := s.rows[key].(R)
	return row
}

// get returns a row as a transaction sees it.
func get[R any](t *transaction, key rowKey) (row R, there bool) {
	for i := range t.writes {
		if t.writes[i].key == key {
			row, there = t.writes[i].row.(R)
			return row, there
		}
	}
	row, there = t.backend.server.rows[key].(R)
	return row, there
}

// put writes a row, which the transaction must have locked; nil deletes it.
func (t *transaction) put(key rowKey, row any) {
	for i := range t.writes {
		if t.writes[i].key == key {
			t.writes[i].row = row
			return
		}
	}
	t.writes = append(t.writes, change{key, row})
}

// lock takes a row's lock, or says what the statement must do: wait, or fail.
func (t *transaction) lock(key rowKey) answer {
	s := t.backend.server
	switch holder := s.locks[key]; {
	case holder == t:
		return done
	case holder != nil:
		t.backend.waiting, t.backend.waits = key, true
		return wait
	}
	if t.repeatable && s.changed[key] > t.seen {
		return fail("40001")
	}
	s.locks[key] = t
	t.locks = append(t.locks, key)
	return done
}

func (t *transaction) release() {
	for _, key := range t.locks {
		delete(t.backend.server.locks, key)
	}
	t.locks = nil
}

// commit makes a transaction's writes durable, and has them checked.
func (t *transaction) commit() {
	s := t.backend.server
	c := commit{effects: t.effects}
	for _, w := range t.writes {
		c.before = append(c.before, change{w.key, s.set(w.key, w.row)})
		s.changed[w.key] = len(s.commits) + 1
	}
	for _, e := range t.effects {
		s.effects[e.version]++
		s.digests[e.version] = e.digest
	}
	if t.takes {
		s.taken = len(s.commits)
	}
	s.commits = append(s.commits, c)
	t.release()
	s.world.checker.committed(s, t, &c)
}

// deadlocked reports whether the transaction that a backend waits for waits for it in turn.
func (b *backend) deadlocked() bool {
	for next := b; next.waits; {
		holder := b.server.locks[next.waiting]
		if holder == nil {
			return false
		}
		if next = holder.backend; next == b {
			return true
		}
	}
	return false
}
