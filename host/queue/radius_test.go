package queue

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/talos"
)

// What waits for a held version waits through others too, and some of it for others that are stuck.
func TestRadius(t *testing.T) {
	q := New(0)
	add := func(v talos.Version, state State, reads, writes []string) *Entry {
		e := &Entry{Version: v, Keys: talos.Keys(reads, writes), Outcome: talos.Committed, Effects: true}
		if state == Undecided {
			e.Outcome = talos.Undecided
		}
		q.Add(e)
		if state == Held {
			q.Hold(e)
		}
		return e
	}
	key := func(names ...string) []string { return names }
	held := add(1, Held, key("x"), key("a"))
	add(2, Converting, key("a"), key("b"))
	add(3, Converting, key("b"), nil)
	add(4, Converting, key("x"), key("c")) // both only read x
	other := add(5, Held, nil, key("d"))
	add(6, Converting, key("a", "d"), nil)
	add(7, Undecided, nil, key("b"))
	add(8, Converting, nil, key("z"))
	want := Radius{Versions: 4, Keys: 4, Free: 2} // 2, 3, 6 and 7; of them 6 waits for 5 too, and 7 for its decision
	if got := q.Radius(held); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := q.Radius(other), (Radius{Versions: 1, Keys: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	add(9, Converting, nil, nil) // conflicts with all
	if got := q.Radius(held); got.Versions != 5 || got.Free != 2 {
		t.Errorf("%+v", got)
	}
}
