package timing_test

import (
	"fmt"
	"time"

	"github.com/ichor-replicator/ichor/host/talos"
	"github.com/ichor-replicator/ichor/host/timing"
)

// A journey has an instant for each station that its version has passed. The first record of one
// stays, and an instant never lies before that of an earlier station.
func ExampleJourney() {
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) int64 { return begun.Add(d).UnixNano() }
	j := timing.Journey{Version: 42, Attempts: 2, Guest: "5f3a"}
	j.Record(timing.ReplicatorCandidateReceived, at(0))
	j.Record(timing.ReplicatorDecisionReceived, at(3*time.Millisecond))
	j.Record(timing.GuestConversionBegin, at(2*time.Millisecond)) // the clock stepped back
	j.Record(timing.GuestConversionComplete, at(4*time.Millisecond))
	j.Record(timing.GuestConversionComplete, at(9*time.Millisecond)) // converted again
	j.Record(timing.InstallerStatemapInstallationComplete, at(6*time.Millisecond))

	for event, ns := range j.All() {
		fmt.Println(time.Duration(ns-at(0)), event)
	}
	took, known := j.Between(timing.GuestConversionBegin, timing.GuestConversionComplete)
	fmt.Println("in the guest:", time.Duration(took), known)
	_, known = j.Between(timing.ReplicatorCandidateReceived, timing.SnapshotPersisted)
	fmt.Println("passed by the snapshot:", known)
	// Output:
	// 0s ReplicatorCandidateReceived
	// 3ms ReplicatorDecisionReceived
	// 3ms GuestConversionBegin
	// 4ms GuestConversionComplete
	// 6ms InstallerStatemapInstallationComplete
	// in the guest: 1ms true
	// passed by the snapshot: false
}

// A Journal is an Observer that keeps the most recent journeys and the slowest ones.
func ExampleJournal() {
	kept := timing.NewJournal(2, 1)
	for i, took := range []int64{9, 1, 2} {
		j := &timing.Journey{Version: talos.Version(i + 1)}
		j.Record(timing.ReplicatorCandidateReceived, 1)
		j.Record(timing.InstallerStatemapInstallationComplete, 1+took)
		kept.Observe(j)
	}
	for _, j := range kept.Recent() {
		fmt.Println("recent:", j.Version)
	}
	for _, j := range kept.Slowest() {
		fmt.Println("slowest:", j.Version)
	}
	fmt.Println(kept.Find(1) != nil, kept.Find(9) != nil)
	// Output:
	// recent: 3
	// recent: 2
	// slowest: 1
	// true false
}
