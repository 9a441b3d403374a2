package host

import (
	"errors"
	"testing"

	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/kafka"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestResumePoint(t *testing.T) {
	var gap *LogGapError
	var truncated *kafka.TruncatedError
	var diverged *kafka.DivergedError
	for name, c := range map[string]struct {
		state installer.State
		facts kafka.Facts
		start StartPolicy
		want  talos.Position
		err   any
	}{
		"a new cohort":                   {facts: kafka.Facts{End: 9}},
		"a new cohort, late":             {facts: kafka.Facts{Start: 5, End: 9}, err: &gap},
		"a new cohort, accepted":         {facts: kafka.Facts{Start: 5, End: 9}, start: StartEarliest, want: 5},
		"left before":                    {state: installer.State{Snapshot: 3, Resume: 7, HasResume: true}, facts: kafka.Facts{End: 9}, want: 7},
		"served by the reference":        {state: installer.State{Snapshot: 3}, facts: kafka.Facts{End: 9}, want: 4},
		"the log starts above":           {state: installer.State{Resume: 7, HasResume: true}, facts: kafka.Facts{Start: 8, End: 9}, err: &truncated},
		"the log ends below":             {state: installer.State{Resume: 7, HasResume: true}, facts: kafka.Facts{End: 6}, err: &diverged},
		"the log ends where it was left": {state: installer.State{Resume: 7, HasResume: true}, facts: kafka.Facts{Start: 7, End: 7}, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := resumePoint(&c.state, &c.facts, c.start)
			if c.err != nil {
				if !errors.As(err, c.err) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%d, %v; want %d", got, err, c.want)
			}
		})
	}
}

// A refusal has both right numbers, each in its place, and what to do next.
func TestALogThatIsRefusedIsSaidWithNumbersAndARemedy(t *testing.T) {
	adopt := "point source at the log that this database was left with, or begin on this one with ichor db adopt --resume N --snapshot N-1 --reason ..."
	for want, c := range map[string]struct {
		state installer.State
		facts kafka.Facts
	}{
		"log truncated: it is to be read from position 7, and starts at 8: what stood between is gone; " +
			"restore the database to a point that the log still reaches, or accept the gap with ichor db adopt --resume 8 --reason ...": {
			installer.State{Resume: 7, HasResume: true}, kafka.Facts{Start: 8, End: 9}},
		"log diverged: it is to be read from position 7, and ends at 6: the topic was made again, lost records, or is another one; " + adopt: {
			installer.State{Resume: 7, HasResume: true}, kafka.Facts{End: 6}},
	} {
		if _, err := resumePoint(&c.state, &c.facts, StartBeginning); err == nil || err.Error() != want {
			t.Errorf("it says\n%v, want\n%s", err, want)
		}
	}
	err := checkAnchor(talos.Anchor{Position: 4, Hash: 1}, talos.Anchor{Position: 4, Hash: 2}, true, 9)
	if want := "log diverged: at position 4 (the log ends at 9) another record stands than the one that this database was left with: " +
		"the topic was made again, lost records, or is another one; " + adopt; err == nil || err.Error() != want {
		t.Errorf("it says\n%v, want\n%s", err, want)
	}
}

func TestAnchor(t *testing.T) {
	kept := talos.Anchor{Position: 4, Hash: 1}
	if err := checkAnchor(kept, kept, true, 9); err != nil {
		t.Error(err)
	}
	if err := checkAnchor(kept, talos.NoAnchor, false, 9); err != nil {
		t.Error("retention took the record:", err)
	}
	var diverged *kafka.DivergedError
	if err := checkAnchor(kept, talos.Anchor{Position: 4, Hash: 2}, true, 9); !errors.As(err, &diverged) {
		t.Error(err)
	}
}
