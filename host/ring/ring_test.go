package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func contents(r *Ring[int]) []int {
	out := []int{}
	for i := range r.Len() {
		out = append(out, r.At(i))
	}
	return out
}

func TestRingBehavesLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Ring[int]
		model := []int{}
		next := 0
		for range rapid.IntRange(1, 3000).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "op") < 6 || len(model) == 0 {
				r.Push(next)
				model = append(model, next)
				next += rapid.IntRange(1, 3).Draw(t, "gap")
			} else {
				if got := r.Pop(); got != model[0] {
					t.Fatalf("popped %d, want %d", got, model[0])
				}
				model = model[1:]
			}
		}
		if got := contents(&r); !slices.Equal(got, model) {
			t.Fatalf("holds %v, want %v", got, model)
		}
		want := rapid.IntRange(0, next).Draw(t, "want")
		at, _ := slices.BinarySearch(model, want)
		if got := r.Search(func(v int) bool { return v >= want }); got != at {
			t.Fatalf("search for %d found %d, want %d", want, got, at)
		}
	})
}

func TestRingGivesMemoryBack(t *testing.T) {
	var r Ring[int]
	for i := range 1 << 16 {
		r.Push(i)
	}
	for r.Len() > 10 {
		r.Pop()
	}
	if len(r.slots) > 1024 {
		t.Fatalf("%d slots for %d elements", len(r.slots), r.Len())
	}
}
