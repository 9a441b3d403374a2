package sim

import (
	"flag"
	"os"
	"testing"
)

var seeds = flag.Int("seeds", 300, "how many seeds TestSeeds plays")

var one = flag.Uint64("seed", 0, "")

func TestOne(t *testing.T) {
	if *one > 0 {
		r := Play{Seed: *one, Trace: os.Stdout}.Run()
		t.Log(r)
	}
}

func TestSeeds(t *testing.T) {
	met := map[string]int{}
	bad := 0
	for seed := uint64(1); seed <= uint64(*seeds); seed++ {
		r := Play{Seed: seed}.Run()
		for what, n := range r.Sometimes {
			met[what] += n
		}
		if r.Violation != "" {
			bad++
			t.Errorf("seed %d: %s", seed, r.Violation)
		}
	}
	t.Logf("%d bad; %v", bad, met)
}
