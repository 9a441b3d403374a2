package sim

import (
	"slices"
	"testing"
)

// TestShrinkFindsTheSmallest: what is needed for a violation stays, and nothing else.
func TestShrinkFindsTheSmallest(t *testing.T) {
	seed := uint64(1)
	for ; newSetup(seed).faults[crashHost] == 0 || newSetup(seed).candidates < 100; seed++ {
	}
	fails := func(p Play) string {
		candidates, turns := p.Candidates, p.Turns
		if (candidates == 0 || candidates >= 17) && (turns == 0 || turns >= 230) && !slices.Contains(p.Without, faultNames[crashHost]) {
			return "violated"
		}
		return ""
	}
	p, violation := shrink(Play{Seed: seed}, fails)
	if p.Candidates != 17 || p.Turns != 230 || violation != "violated" {
		t.Errorf("%+v: %q", p, violation)
	}
	for f, name := range faultNames {
		if want := f != int(crashHost) && newSetup(seed).faults[f] > 0; slices.Contains(p.Without, name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if p, violation := shrink(Play{Seed: seed}, func(Play) string { return "" }); violation != "" || p.Candidates != 0 {
		t.Errorf("what does not fail is made smaller: %+v", p)
	}
}
