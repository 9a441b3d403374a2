package rollout

import (
	"strings"
	"testing"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

func TestRoutesByCohortAndAction(t *testing.T) {
	names := []string{"banking", "orders", "audit"}
	routes := []Route{
		{Cohort: "bank", Guest: "banking"}, {Cohort: "bank", Action: "ORDER", Guest: "orders"},
		{Cohort: "*", Action: "AUDIT", Guest: "audit"}, {Cohort: "shop", Action: "ORDER", Guest: "orders"},
	}
	type want struct {
		guest  cohort.GuestID
		routed Routed
	}
	for name, c := range map[string]struct {
		cohort  string
		actions []string
		want    want
	}{
		"the cohort's":                   {"bank", []string{"TRANSFER", "DEPOSIT"}, want{0, OneGuest}},
		"the action's before it":         {"bank", []string{"ORDER"}, want{1, OneGuest}},
		"the cohort's before any's":      {"bank", []string{"AUDIT"}, want{0, OneGuest}},
		"an action of any cohort":        {"shop", []string{"AUDIT", "AUDIT"}, want{2, OneGuest}},
		"an action without":              {"shop", []string{"REFUND"}, want{0, NoGuest}},
		"two actions without":            {"shop", []string{"REFUND", "RETURN"}, want{0, NoGuest}},
		"two guests":                     {"bank", []string{"TRANSFER", "ORDER"}, want{0, SeveralGuests}},
		"in part":                        {"shop", []string{"ORDER", "REFUND"}, want{0, SeveralGuests}},
		"in part, and the first without": {"shop", []string{"REFUND", "ORDER", "ORDER"}, want{0, SeveralGuests}},
	} {
		var items []talos.Item
		for _, action := range c.actions {
			items = append(items, talos.Item{Action: action})
		}
		all := routingOf(routes, names)
		guest, routed := all.of(&talos.Candidate{Cohort: c.cohort, Items: items})
		if (want{guest, routed}) != c.want {
			t.Errorf("%s: guest %d, routed %d, not %+v", name, guest, routed, c.want)
		}
	}
}

func TestGuestsHaveNamesOfFiles(t *testing.T) {
	for name, want := range map[string]bool{
		"banking": true, "my-orders-2": true, "Größe 7": true, "v1.2": true, strings.Repeat("a", 100): true,
		"": false, ".hidden": false, "-c": false, "banking.wasm": false, "a/b": false, `a\\b`: false, "a\x1b[2J": false, "a\n": false, "\xff": false, strings.Repeat("a", 101): false,
	} {
		o := Options{Directory: "guests", Keep: 1, Unrouted: UnroutedPoison, Routes: []Route{{Cohort: "*", Guest: name}}}
		if err := o.Validate(); (err == nil) != want {
			t.Errorf("a guest named %q: %v", name, err)
		}
	}
}

func TestAVersionGoesByTheRoutesOfItsTime(t *testing.T) {
	text := func(guest string) string {
		routes, err := Options{Routes: []Route{{Cohort: "*", Guest: guest}}}.RoutesText()
		if err != nil {
			t.Fatal(err)
		}
		return routes
	}
	history := cohort.History{{Guest: "a", Digest: "da", From: 1}, {Guest: "b", Digest: "db", From: 10}, {Guest: "c", Digest: "dc", From: 10}}
	today := Options{Routes: []Route{{Cohort: "*", Guest: "d"}}}
	a, err := NewArchive(today, nil, Past{history, []cohort.Routes{{From: 5, Text: text("a")}, {From: 10, Earlier: []talos.Version{12, 14}, Text: text("b")}, {From: 10, Earlier: []talos.Version{11, 12, 14}, Text: text("c")}}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[talos.Version]string{1: "a", 5: "a", 9: "a", 10: "c", 11: "b", 12: "a", 13: "c", 14: "a", 15: "c"} {
		if got := a.Of(&talos.Candidate{Version: v, Cohort: "bank"}); got != (Converter{Guest: want, Digest: "d" + want}) {
			t.Errorf("version %d: %+v, not guest %s", v, got, want)
		}
	}
	if a, err = NewArchive(today, nil, Past{}, nil, nil); err != nil || a.Of(&talos.Candidate{Version: 1}).Guest != "d" {
		t.Errorf("without routes of the past: %v, %+v", err, a.Of(&talos.Candidate{Version: 1}))
	}
	a, err = NewArchive(today, nil, Past{Routes: []cohort.Routes{{Text: `{"routes":[],"unrouted":"ignore"}`}, {From: 3, Text: `{"routes":[],"unrouted":"poison"}`}}}, nil, nil)
	if err != nil || a.Of(&talos.Candidate{Version: 2}) != (Converter{Ignored: true}) || a.Of(&talos.Candidate{Version: 3}) != (Converter{}) {
		t.Errorf("what had no route: %v, %+v, %+v", err, a.Of(&talos.Candidate{Version: 2}), a.Of(&talos.Candidate{Version: 3}))
	}
	if _, err := NewArchive(today, nil, Past{Routes: []cohort.Routes{{Text: `{"routes":[{"cohort":"*","guest":"a","weight":1}]}`}}}, nil, nil); err == nil || !strings.Contains(err.Error(), "ichor.guest_routes has") {
		t.Errorf("routes of a newer Ichor: %v", err)
	}
}
