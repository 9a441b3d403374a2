package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ichor-replicator/ichor/host/admin"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/replicator"
	"github.com/ichor-replicator/ichor/host/status"
	"github.com/ichor-replicator/ichor/host/timing"
)

// What a host knows of a settled version is printed: who asked for it, what its guest made of it, and when.
func TestExplainPrintsWhatAVersionBecame(t *testing.T) {
	walked := func(details *timing.Details) *timing.Journey {
		j := &timing.Journey{Version: 7, Details: details}
		j.Record(timing.ReplicatorCandidateReceived, 1_000_000_000)
		j.Record(timing.SnapshotPersisted, 1_002_000_000)
		return j
	}
	const (
		head = "version 7  below snapshot: settled: the snapshot is 9\ndecision    committed at position 8, safepoint 3\nguest       0123456789ab\nattempts    2, the transactions with it that this host began\n"
		tail = "1970-01-01T00:00:01Z ReplicatorCandidateReceived\n                          +2ms SnapshotPersisted\n"
		who  = "xid         00000000-0000-4000-8000-000000000007\ncohort      bank\n"
	)
	for name, c := range map[string]struct {
		journey *timing.Journey
		want    string
	}{
		"no journey is kept":    {nil, head},
		"no guest was given it": {walked(nil), head + tail},
		"it became statements": {
			walked(&timing.Details{XID: "00000000-0000-4000-8000-000000000007", Cohort: "bank", Fuel: 1234, Statements: 3, Templates: []string{"transfer", "fee"}}),
			head + who + "statements  3, of transfer, fee\nfuel        1234, its share of what the call of its guest burnt\n" + tail,
		},
		"its guest skipped it": {
			walked(&timing.Details{XID: "00000000-0000-4000-8000-000000000007", Cohort: "bank", Fuel: 5}),
			head + who + "statements  0\nfuel        5, its share of what the call of its guest burnt\n" + tail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			err := out(&text, func() error {
				printVersion(&status.Version{
					Version: 7, Stands: replicator.BelowSnapshot, Sentence: "settled: the snapshot is 9", Outcome: "committed",
					Decided: 8, Safepoint: 3, Attempts: 2, Guest: "0123456789abcdef", Journey: c.journey,
				})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if text.String() != c.want {
				t.Errorf("it prints\n%s, want\n%s", text.String(), c.want)
			}
		})
	}
}

// Two numbers are said of a version that is held, or was, and need not be the same: each is said with what it counts.
func TestAttemptsAreNotHowOftenAVersionWasHeld(t *testing.T) {
	for want, print := range map[string]func(){
		"attempts    5, the transactions with it that this host began; how often it was held, by any host, says ichor quarantine show 7\n": func() {
			printVersion(&status.Version{Version: 7, Stands: replicator.HeldBack, Attempts: 5})
		},
		"attempts    3, the transactions with it that this host began; how often it was held, by any host, says ichor quarantine show 8\n": func() {
			printVersion(&status.Version{Version: 8, Stands: replicator.BelowSnapshot, Attempts: 3, HeldEnded: "installed"})
		},
		"attempts    1, the transactions with it that this host began\n": func() {
			printVersion(&status.Version{Version: 9, Stands: replicator.InTransaction, Attempts: 1})
		},
		"version   7, held 2 times since 1970-01-01T00:00:00Z, by any host (attempts of ichor explain are the transactions of one)\n": func() {
			printShown(&admin.HeldVersion{Held: &installer.Held{Version: 7, Times: 2, FirstAt: time.Unix(0, 0)}})
		},
		"version   8, held once since 1970-01-01T00:00:00Z, by any host (": func() {
			printShown(&admin.HeldVersion{Held: &installer.Held{Version: 8, Times: 1, FirstAt: time.Unix(0, 0)}})
		},
	} {
		var text strings.Builder
		if err := out(&text, func() error { print(); return nil }); err != nil || !strings.Contains(text.String(), want) {
			t.Errorf("it prints\n%s, want %q, %v", text.String(), want, err)
		}
	}
}

// TestExplainTellsWhatACommitOfNothingIs has somebody commit a record that the certifier's parser refuses: it takes no effect,
// and who asks where it stands is told where it is written down.
func TestExplainTellsWhatACommitOfNothingIs(t *testing.T) {
	h := byHand(t)
	h.says(exitOK, "the schema is there", "db", "init")
	h.start()
	h.play1(`{"xid":"no candidate"}`)
	refused := h.next
	h.next++
	h.commit(refused)
	last := h.deposit("0001")
	h.commit(last)
	h.eventually(fmt.Sprintf("(%d)", last), "select version from cohort_snapshot")
	h.eventually("(late_commit)", "select kind from ichor.quarantine where version = $1", refused)
	h.says(exitOK, fmt.Sprintf("it took no effect (late_commit): see ichor quarantine show %d", refused), "explain", fmt.Sprint(refused))
}
