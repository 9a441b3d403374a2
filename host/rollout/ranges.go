package rollout

import (
	"math"
	"slices"
	"time"

	"github.com/ichor-replicator/ichor/host/cohort"
	"github.com/ichor-replicator/ichor/host/installer"
	"github.com/ichor-replicator/ichor/host/talos"
)

// Range is the versions that one module converts, and who wanted that.
type Range struct {
	Guest  string        `json:"guest"`            // its name
	From   talos.Version `json:"from"`             // the first of them
	To     talos.Version `json:"to,omitempty"`     // the last of them; 0 while it goes on
	Digest string        `json:"digest"`           // SHA-256 in hexadecimal
	At     time.Time     `json:"at,omitzero"`      // when it began to convert; none for held versions, and for before that was written down
	Held   int           `json:"held,omitempty"`   // so many versions of the range, which were held, and no others of it
	Who    string        `json:"who,omitempty"`    // who wanted that, as of GuestEvent
	Reason string        `json:"reason,omitempty"` // and why
}

// Ranges says for a guest, or for all if it is empty, which module converts which versions, ascending by guest,
// and by the events who wanted it. Versions that were converted by another module than those around them, because
// they were held, are a range of their own after the one that they lie in. A guest converts nothing while the routes that
// versions went by do not name it. Two ranges overlap where versions went ahead of others by the routes before: up to the last of
// them. It is an error when routes cannot be read.
func Ranges(past Past, events []installer.GuestEvent, name string) (all []Range, err error) {
	history := past.History
	routed, err := routedSpans(past.Routes)
	if err != nil {
		return nil, err
	}
	for i, u := range history {
		if name != "" && u.Guest != name {
			continue
		}
		r := Range{Guest: u.Guest, From: u.From, Digest: u.Digest}
		if u.Only {
			r.To, r.Held, r.Who, r.Reason = u.From, 1, installer.WhoIchor, "held, and converted by this module"
		} else {
			r.At, r.Who, r.Reason = begun(history, events, &u)
			for _, next := range history[i+1:] {
				if next.Guest == u.Guest && !next.Only && next.From > u.From {
					r.To = next.From - 1
					break
				}
			}
		}
		if u.Only || len(past.Routes) == 0 {
			all = append(all, r)
		} else {
			spans, named := routed[u.Guest]
			if !named {
				spans = routed[""]
			}
			all = append(all, r.within(spans)...)
		}
	}
	slices.SortStableFunc(all, func(a, b Range) int {
		if a.Guest != b.Guest {
			if a.Guest < b.Guest {
				return -1
			}
			return 1
		}
		return int(int64(a.From) - int64(b.From))
	})
	return joined(all), nil
}

// span is from a version up to another, which is not in it.
type span struct{ from, until talos.Version }

// forever is above every version.
const forever = talos.Version(math.MaxInt64)

// routedSpans returns where the routes named each guest, ascending and apart, and what lies before the first that were written down;
// that alone, under no name, for a guest that none of them names.
func routedSpans(routes []cohort.Routes) (map[string][]span, error) {
	spans := map[string][]span{}
	for i, r := range routes {
		as, err := routesOf(r.Text)
		if err != nil {
			return nil, err
		}
		s := span{r.From, forever}
		for _, later := range routes[i+1:] {
			s.until = min(s.until, later.From)
		}
		for _, later := range routes[i+1:] {
			for _, v := range later.Earlier {
				if cohort.WentBy(routes, v) == i {
					s.until = max(s.until, v+1)
				}
			}
		}
		if i == 0 {
			spans[""] = []span{{0, s.from}}
		}
		for _, guest := range as.names() {
			all := spans[guest]
			if all == nil {
				all = slices.Clone(spans[""])
			}
			if last := &all[len(all)-1]; last.until >= s.from {
				last.until = max(last.until, s.until)
			} else {
				all = append(all, s)
			}
			spans[guest] = all
		}
	}
	return spans, nil
}

// within returns the parts of a range that lie in spans. The first of them is what somebody wanted; the others begin since the routes
// name the guest again.
func (r Range) within(spans []span) (parts []Range) {
	end := forever
	if r.To != 0 {
		end = r.To + 1
	}
	for _, s := range spans {
		from, until := max(s.from, r.From), min(s.until, end)
		if until <= from {
			continue
		}
		part := r
		if part.From, part.To = from, until-1; until == forever {
			part.To = 0
		}
		if len(parts) > 0 {
			part.At, part.Who, part.Reason = time.Time{}, installer.WhoIchor, "the routes name the guest again"
		}
		parts = append(parts, part)
	}
	return parts
}

// joined puts held versions that follow one another, and that one module converted, into one range.
func joined(all []Range) (short []Range) {
	for _, r := range all {
		if n := len(short); n > 0 && r.Held > 0 && short[n-1].Held > 0 && short[n-1].Guest == r.Guest && short[n-1].Digest == r.Digest {
			short[n-1].To, short[n-1].Held = r.To, short[n-1].Held+r.Held
			continue
		}
		short = append(short, r)
	}
	return short
}

// begun returns when a use began, by whom and why: the last event before it became active that asked for it. A file
// was put there by who asked for it after it was armed the last time, not counting a time after which it converted
// nothing, since another host took over first.
func begun(history cohort.History, events []installer.GuestEvent, u *cohort.Use) (at time.Time, who, why string) {
	active := lastActive(events, u)
	if active < 0 { // the host was killed before it wrote that
		active = notActive(events, u)
	}
	if active < 0 {
		return at, "", ""
	}
	at, who, why = events[active].At, events[active].Who, events[active].Reason
	if events[active].State == installer.GuestBack {
		return at, who, why
	}
	armed := false
	for i := active; i >= 0; i-- { // events[active] too: it may be what armed it
		e := &events[i]
		switch {
		case e.Guest != u.Guest || e.Digest != u.Digest:
		case e.State == installer.GuestBack && !armed: // and the host began anew before it converted anything
			return at, e.Who, e.Reason
		case e.State == installer.GuestActive && i < active:
			if hasUse(history, u.Guest, u.Digest, e.From) {
				return at, who, why
			}
			armed = false
		case e.State == installer.GuestAsked && armed:
			return at, e.Who, e.Reason
		case e.State == installer.GuestArmed && armed:
			return at, who, why
		case e.State == installer.GuestArmed:
			armed, who, why = true, e.Who, e.Reason
			if e.Who != installer.WhoFile {
				return at, who, why
			}
		}
	}
	return at, who, why
}

// lastActive returns the event by which a use's module began to convert from its version on; below 0 for none. Of several the
// last that was armed for itself: others took its place before it converted anything, and a host that begins anew says it again.
func lastActive(events []installer.GuestEvent, u *cohort.Use) int {
	active, armed := -1, false
	for i, e := range events {
		switch {
		case e.Guest != u.Guest || e.Digest != u.Digest:
		case e.State == installer.GuestArmed:
			armed = true
		case e.From == u.From && (e.State == installer.GuestBack || e.State == installer.GuestActive && (armed || active < 0)):
			active, armed = i, false
		}
	}
	return active
}

// notActive returns the last event that armed a use's module of which none says that it converted since; below 0 for none.
func notActive(events []installer.GuestEvent, u *cohort.Use) int {
	armed := -1
	for i, e := range events {
		if e.Guest != u.Guest || e.Digest != u.Digest {
			continue
		}
		switch e.State {
		case installer.GuestArmed:
			armed = i
		case installer.GuestActive, installer.GuestBack:
			armed = -1
		}
	}
	return armed
}
