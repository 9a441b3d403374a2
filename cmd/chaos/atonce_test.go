package main

import (
	"math/rand/v2"
	"testing"
)

// What comes together is of different kinds, and each part comes with some.
func TestTogetherExcludesWhatExcludesEachOther(t *testing.T) {
	random, met := rand.New(rand.NewPCG(1, 1)), map[string]int{}
	for range 200 {
		kinds := map[string]bool{}
		drawn := together(parts, random)
		for _, p := range drawn {
			if kinds[p.kind] {
				t.Fatalf("two of the kind %s come together", p.kind)
			}
			kinds[p.kind] = true
			met[p.name]++
		}
		if len(drawn) < fewest || len(drawn) > most {
			t.Fatalf("%d come together, want %d to %d", len(drawn), fewest, most)
		}
	}
	for _, p := range parts {
		if met[p.name] == 0 {
			t.Errorf("%s never comes", p.name)
		}
	}
}
