package sim

import (
	"maps"
	"slices"
	"testing"
)

// replay returns the world behind some moves, and what can happen there.
func (x *explorer) replay(path []depth) (*world, []move) {
	w := x.begin()
	for i := range path {
		moves, _ := x.moves(w)
		x.take(w, moves[path[i].move])
	}
	moves, _ := x.moves(w)
	return w, moves
}

// TestStatesWithOneSumGoOnAlike reaches states in every way that there is: what can happen in one of them leads to
// states with the same sums, whichever way led to it. A sum that leaves out what decides something fails here.
func TestStatesWithOneSumGoOnAlike(t *testing.T) {
	for _, e := range []exploration{
		{"one key", 1, [exploreKinds]int{exploreStart: 1, exploreCrash: 1}, 0},
		{"one key", 2, [exploreKinds]int{exploreFailOver: 1}, 0},
		{"first undecided", 2, [exploreKinds]int{exploreCut: 1}, 0},
		{"held", 1, [exploreKinds]int{exploreCut: 1}, 0},
		{"two versions", 1, [exploreKinds]int{exploreStart: 1, exploreFailOver: 1}, 2000},
		{"decided again", 1, [exploreKinds]int{exploreStart: 1, exploreCrash: 1, exploreFailOver: 1}, 1000},
	} {
		x := e.explorer()
		next := map[uint64][]uint64{}
		ways := 0
		for paths := [][]depth{nil}; len(paths) > 0 && (e.most == 0 || len(next) < e.most); {
			path := paths[0]
			paths = paths[1:]
			w, moves := x.replay(path)
			sum, n := x.sum(w), len(moves)
			var after []uint64
			for i := range n {
				w, moves := x.replay(path)
				if moves[i].String() == "" {
					t.Errorf("%s: a move without a name", e.name())
				}
				x.take(w, moves[i])
				after = append(after, x.sum(w))
				if _, known := next[sum]; !known {
					paths = append(paths, append(slices.Clone(path), depth{move: i}))
				}
			}
			slices.Sort(after)
			before, known := next[sum]
			if ways++; known && !slices.Equal(before, after) {
				t.Fatalf("%s: two ways to one sum go on differently; the second is\n%v", e.name(), x.tell(path))
			}
			next[sum] = after
		}
		t.Logf("%s: %d states, reached in %d ways", e.name(), len(next), ways)
	}
}

// TestACopyGoesOnAsItsWorldDoes takes every move in a copy: it comes to the same as where the moves are taken from the beginning
// on, and the world that was copied stays as it was.
func TestACopyGoesOnAsItsWorldDoes(t *testing.T) {
	every := [exploreKinds]int{exploreStart: 1, exploreCrash: 1, exploreCut: 1, exploreFailOver: 1}
	for _, e := range []exploration{{"held", 2, every, 400}, {"follower", 2, every, 400}, {"five versions", 2, every, 400}} {
		x := e.explorer()
		seen := map[uint64]bool{}
		var walk func(w *world, path []depth)
		walk = func(w *world, path []depth) {
			moves, _ := x.moves(w)
			sum, left := x.sum(w), x.left
			if seen[sum] || len(seen) == e.most {
				return
			}
			seen[sum] = true
			for i := range moves {
				x.left = left
				is := x.copier.copyOf(w)
				if x.sum(is) != sum {
					t.Fatalf("%s: a copy differs behind\n%v", e.name(), x.tell(path))
				}
				again, _ := x.moves(is)
				x.take(is, again[i])
				after, spent := x.sum(is), x.left
				way := append(slices.Clone(path), depth{move: i})
				want, _ := x.replay(way)
				if x.sum(want) != after {
					t.Fatalf("%s: a copy goes on in another way behind\n%v", e.name(), x.tell(way))
				}
				if x.left = left; x.sum(w) != sum {
					t.Fatalf("%s: what was copied has changed behind\n%v", e.name(), x.tell(way))
				}
				x.left = spent
				walk(is, way)
			}
		}
		walk(x.begin(), nil)
		t.Logf("%s: %d states", e.name(), len(seen))
	}
}

// TestWhatIsLeftOutEndsNowhereElse takes everything that can happen, and then what is enough: both end in the same states.
func TestWhatIsLeftOutEndsNowhereElse(t *testing.T) {
	for _, e := range []exploration{
		{"one key", 1, [exploreKinds]int{exploreStart: 1, exploreCrash: 1}, longMost},
		{"one key", 1, [exploreKinds]int{exploreStart: 1, exploreFailOver: 1}, longMost},
		{"one key", 2, [exploreKinds]int{exploreStart: 1, exploreCrash: 1}, longMost},
		{"follower", 1, [exploreKinds]int{exploreStart: 1, exploreCrash: 1}, longMost},
		{"decided again", 1, [exploreKinds]int{exploreStart: 1, exploreCut: 1}, longMost},
	} {
		all, enough := e.explorer(), e.explorer()
		all.every = true
		for _, x := range []*explorer{all, enough} {
			if x.run(); x.result.Violation != "" || !x.result.Whole {
				t.Fatalf("%s: whole %v, %s", e.name(), x.result.Whole, x.result.Violation)
			}
		}
		t.Logf("%s: %d states, and %d are enough; %d endings", e.name(), all.result.States, enough.result.States, len(all.endings))
		if !maps.Equal(all.endings, enough.endings) {
			t.Errorf("%s: %d states ends in all, and what is enough in %d", e.name(), len(all.endings), len(enough.endings))
		}
	}
}
