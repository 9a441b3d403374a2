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
	ranges, err := Ranges(Past{History: history}, events, "g")
	if err != nil || len(ranges) != len(want) {
		t.Fatalf("%v: %+v", err, ranges)
	}
	for i, r := range ranges {
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
	all, err := Ranges(Past{History: history}, nil, "")
	if err != nil || len(all) != 7 {
		t.Fatalf("%v, %d ranges: %+v", err, len(all), all)
	}
	for i, want := range []Range{{From: 1, To: 3999}, {From: 10, To: 2998, Held: 997}, {From: 3001, To: 3001, Held: 1}, {From: 4000}, {From: 4005, To: 4005, Held: 1}, {From: 1}, {From: 7, To: 7, Held: 1}} {
		if r := all[i]; r.From != want.From || r.To != want.To || r.Held != want.Held {
			t.Errorf("range %d is %+v, want %+v", i, r, want)
		}
	}
}

// A guest that the routes do not name converts nothing: its range ends where another got its versions, and begins again where
// it is named again, by the module of before.
func TestARangeLiesWhereTheRoutesNameItsGuest(t *testing.T) {
	named := func(from talos.Version, guest string) cohort.Routes {
		return cohort.Routes{From: from, Text: `{"routes":[{"cohort":"*","guest":"` + guest + `"}],"unrouted":"hold"}`}
	}
	past := Past{
		History: cohort.History{{Guest: "f", Digest: "d", From: 1}, {Guest: "g", Digest: "a", From: 1}, {Guest: "g", Digest: "b", From: 50}, {Guest: "h", Digest: "c", From: 100}, {Guest: "g", Digest: "b", From: 120, Only: true}},
		Routes:  []cohort.Routes{named(7, "g"), named(100, "h"), named(200, "h"), named(300, "none"), named(300, "g")},
	}
	all, err := Ranges(past, nil, "")
	want := []Range{{Guest: "f", Digest: "d", From: 1, To: 6}, {Guest: "g", Digest: "a", From: 1, To: 49}, {Guest: "g", Digest: "b", From: 50, To: 99}, {Guest: "g", Digest: "b", From: 120, To: 120, Held: 1}, {Guest: "g", Digest: "b", From: 300}, {Guest: "h", Digest: "c", From: 100, To: 299}}
	if err != nil || len(all) != len(want) {
		t.Fatalf("%v: %+v", err, all)
	}
	for i, r := range all {
		if w := want[i]; r.Guest != w.Guest || r.Digest != w.Digest || r.From != w.From || r.To != w.To || r.Held != w.Held {
			t.Errorf("range %d is %+v, want %+v", i, r, w)
		}
	}
	past.Routes[1].Earlier = []talos.Version{101, 104} // by g, while others below them were held
	past.Routes[2].From, past.Routes[2].Earlier = 100, []talos.Version{101, 104, 107}
	if all, err = Ranges(past, nil, "h"); err != nil || len(all) != 1 || all[0].From != 100 {
		t.Errorf("%v: %+v", err, all)
	}
	if all, err = Ranges(past, nil, "g"); err != nil || len(all) != 4 || all[1].To != 104 {
		t.Errorf("%v: %+v", err, all)
	}
	past.Routes = append(past.Routes, cohort.Routes{From: 400, Text: "[]"})
	if _, err := Ranges(past, nil, ""); err == nil {
		t.Error("routes that cannot be read are no error")
	}
}
