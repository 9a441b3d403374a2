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
