package rollout

import (
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// A range was wanted by who asked for its module: an operator for one of the database, or for a file that was put in
// place since the module was armed the last time; else by the file.
func TestWhoWantedARange(t *testing.T) {
	event := func(digest string, state installer.GuestState, from talos.Version, who, why string) installer.GuestEvent {
		return installer.GuestEvent{Guest: "g", Digest: digest, State: state, From: from, Who: who, Reason: why}
	}
	var events []installer.GuestEvent
	add := func(all ...installer.GuestEvent) { events = append(events, all...) }
	swap := func(digest string, from talos.Version) {
		add(event(digest, installer.GuestArmed, 0, installer.WhoFile, ""), event(digest, installer.GuestActive, from, installer.WhoIchor, ""))
	}
	swap("a", 1)
	add(event("b", installer.GuestAsked, 0, "ann", "better"), event("c", installer.GuestAsked, 0, "bob", "at once"))
	swap("b", 5)
	swap("c", 9)
	swap("b", 14) // by hand
	add(event("a", installer.GuestArmed, 0, "eve", "it was better"), event("a", installer.GuestActive, 20, installer.WhoIchor, ""))
	add(event("b", installer.GuestAsked, 0, "zoe", "never taken"))
	add(installer.GuestEvent{Guest: "other", Digest: "d", State: installer.GuestAsked, Who: "zoe"})
	swap("d", 30)
	add(event("a", installer.GuestBack, 44, installer.WhoIchor, "d did worse"), event("a", installer.GuestActive, 42, installer.WhoIchor, "the host begins with it"))
	add(event("e", installer.GuestArmed, 0, "op", "undone"), event("e", installer.GuestActive, 60, installer.WhoIchor, "")) // and "a" came back before it converted anything
	add(event("e", installer.GuestAsked, 0, "ann", "once more"))
	swap("e", 50) // and another host took over before it converted anything
	swap("e", 60)
	add(event("a", installer.GuestArmed, 0, "eve", "e is worse")) // the host was killed before it wrote that it converts
	var history []cohort.Use
	for from, digest := range []string{1: "a", 5: "b", 9: "c", 14: "b", 20: "a", 30: "d", 42: "a", 60: "e", 70: "a"} {
		if digest != "" {
			history = append(history, cohort.Use{Guest: "g", Digest: digest, From: talos.Version(from)})
		}
	}
	want := []string{installer.WhoFile + " ", "ann better", "bob at once", installer.WhoFile + " ", "eve it was better", installer.WhoFile + " ", installer.WhoIchor + " d did worse", "ann once more", "eve e is worse"}
	for i, r := range Ranges(history, events, "g") {
		if got := r.Who + " " + r.Reason; got != want[i] {
			t.Errorf("from %d on: %q, want %q", r.From, got, want[i])
		}
	}
}

// Held versions that a module cured one after another are one range, also when there are thousands.
func TestHeldVersionsAreOneRange(t *testing.T) {
	history := cohort.History{{Guest: "g", Digest: "a", From: 1}}
	for v := talos.Version(10); v < 3000; v += 3 {
		history = append(history, cohort.Use{Guest: "g", Digest: "b", From: v, Only: true})
	}
	history = append(history, cohort.Use{Guest: "g", Digest: "c", From: 3001, Only: true}, cohort.Use{Guest: "g", Digest: "b", From: 4000}, cohort.Use{Guest: "g", Digest: "b", From: 4005, Only: true},
		cohort.Use{Guest: "h", Digest: "b", From: 1}, cohort.Use{Guest: "h", Digest: "b", From: 7, Only: true})
	all := Ranges(history, nil, "")
	if len(all) != 7 {
		t.Fatalf("%d ranges: %+v", len(all), all)
	}
	for i, want := range []Range{{From: 1, To: 3999}, {From: 10, To: 2998, Held: 997}, {From: 3001, To: 3001, Held: 1}, {From: 4000}, {From: 4005, To: 4005, Held: 1}, {From: 1}, {From: 7, To: 7, Held: 1}} {
		if r := all[i]; r.From != want.From || r.To != want.To || r.Held != want.Held {
			t.Errorf("range %d is %+v, want %+v", i, r, want)
		}
	}
}
