package rollout

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Route gives the candidates of a cohort to a guest.
type Route struct {
	Cohort string `yaml:"cohort" json:"cohort"`           // "*" is every cohort that has no route of its own
	Action string `yaml:"action" json:"action,omitempty"` // of the candidates' items; empty is every action of the cohort that has no route of its own
	Guest  string `yaml:"guest" json:"guest"`
}

// routed is what the database keeps of which guest gets what.
type routed struct {
	Routes   []Route        `json:"routes"`
	Unrouted UnroutedPolicy `json:"unrouted"`
}

// RoutesText returns the routes, and what becomes of what has none, as the database keeps them.
func (o Options) RoutesText() (string, error) {
	text, err := json.Marshal(routed{o.Routes, o.Unrouted})
	return string(text), err
}

// routesOf reads what RoutesText wrote.
func routesOf(text string) (Options, error) {
	var r routed
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields() // of a newer Ichor: without them a version would be another guest's
	if err := in.Decode(&r); err != nil {
		return Options{}, fmt.Errorf("ichor.guest_routes has %.100q, which this Ichor cannot read: %w", text, err)
	}
	return Options{Routes: r.Routes, Unrouted: r.Unrouted}, nil
}

// Routed is what the routes say of a candidate.
type Routed uint8

// What they say.
const (
	NoGuest       Routed = iota // no item has a route
	OneGuest                    // all items have one to the same guest
	SeveralGuests               // they go to several guests, or some of them to none: a version is converted by one module, or not at all
)

// routing finds the guest of a candidate. It never changes.
type routing struct {
	guests  map[place]cohort.GuestID
	actions bool // there are routes of actions
}

// place is a cohort and an action of it.
type place struct{ cohort, action string }

func routingOf(routes []Route, names []string) routing {
	r := routing{guests: map[place]cohort.GuestID{}}
	for _, route := range routes {
		for i, name := range names {
			if name == route.Guest {
				r.guests[place{route.Cohort, route.Action}] = cohort.GuestID(i)
			}
		}
		r.actions = r.actions || route.Action != ""
	}
	return r
}

// of returns the guest of a candidate; it has one where all items do.
func (r *routing) of(c *talos.Candidate) (guest cohort.GuestID, routed Routed) {
	if !r.actions {
		return r.find(c.Cohort, "")
	}
	for i := range c.Items {
		its, has := r.find(c.Cohort, c.Items[i].Action)
		if i > 0 && (has != routed || its != guest) {
			return 0, SeveralGuests
		}
		guest, routed = its, has
	}
	return guest, routed
}

// find returns the guest of an item: by the route that says most of it.
func (r *routing) find(of, action string) (guest cohort.GuestID, routed Routed) {
	for _, p := range [...]place{{of, action}, {of, ""}, {"*", action}, {"*", ""}} {
		if guest, has := r.guests[p]; has {
			return guest, OneGuest
		}
	}
	return 0, NoGuest
}
