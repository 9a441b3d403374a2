package host

import (
	"errors"
	"strings"
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
	// Both right numbers, and what to do next.
	text := (&kafka.TruncatedError{Asked: 7, Start: 8}).Error()
	for _, part := range []string{"position 7", "starts at 8", "ichor db adopt --resume 8"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
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
